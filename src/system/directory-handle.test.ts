import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DirectoryHandle } from './directory-handle.ts'
import { DirectoryStack } from './directory-stack.ts'
import { removeTree, removeTreeIn } from './remove-tree.ts'
import { openBeneath, openByNames, openInRoot } from './resolve.ts'

const openOf = (path: string): DirectoryHandle =>
  DirectoryHandle.open(Buffer.from(path))

const textOf = (fd: number): string => {
  const buffer = Buffer.alloc(64)
  const length = readSync(fd, buffer, 0, 64, 0)
  closeSync(fd)
  return buffer.toString('latin1', 0, length)
}

t.test(
  'a handle stays in its directory, whatever becomes of its name',
  async t => {
    const dir = t.testdir({
      tree: { file: 'inside' },
      other: { file: 'outside' },
    })
    const handle = openOf(join(dir, 'tree'))
    renameSync(join(dir, 'tree'), join(dir, 'moved'))
    symlinkSync('other', join(dir, 'tree'))
    t.equal(textOf(handle.openFile('file', constants.O_RDONLY)), 'inside')
    t.equal(handle.status('file').sizeBytes, 6)
    t.same(
      handle.list().map(({ name }) => name),
      ['file'],
    )
    t.equal(handle.find('absent'), undefined)
    handle.close()
  },
)

t.test('a name is one name, and no link is followed', async t => {
  const dir = t.testdir({ victim: { file: 'outside' }, tree: {} })
  symlinkSync('../victim', join(dir, 'tree/link'))
  symlinkSync('../victim/file', join(dir, 'tree/file'))
  const handle = openOf(join(dir, 'tree'))
  for (const name of ['', '.', '..', 'a/b', 'a\0'])
    t.throws(() => handle.at(name), RangeError)
  t.throws(() => handle.child('link'), { code: 'ENOTDIR' })
  t.throws(() => handle.openFile('file', constants.O_RDONLY), { code: 'ELOOP' })
  t.equal(handle.readLink('link'), '../victim')
  handle.close()
})

t.test('names that are not UTF-8', async t => {
  const dir = t.testdir({})
  writeFileSync(Buffer.from(`${dir}/caf\xe9`, 'latin1'), 'x')
  const handle = openOf(dir)
  t.same(
    handle.list().map(({ name }) => name),
    ['caf\xe9'],
  )
  t.equal(handle.status('caf\xe9').sizeBytes, 1)
  handle.close()
})

// The kernel's way and the way by hand.
const ways = {
  openat2: { beneath: openBeneath, inRoot: openInRoot },
  'name by name': {
    beneath: (fd: number, path: string, flags: number) =>
      openByNames(fd, path, flags, () => false),
    inRoot: (fd: number, path: string, flags: number) =>
      openByNames(fd, path, flags, () => true),
  },
}
for (const [way, { beneath, inRoot }] of Object.entries(ways))
  t.test(`paths are resolved inside a root: ${way}`, async t => {
    const dir = t.testdir({
      passwd: 'host',
      root: { etc: { passwd: 'inside' }, a: { b: { file: 'deep' } } },
    })
    const root = join(dir, 'root')
    symlinkSync('/etc', join(root, 'absolute'))
    symlinkSync('../../../../..', join(root, 'a/up'))
    symlinkSync('loop', join(root, 'loop'))
    symlinkSync('b/../../etc/passwd', join(root, 'a/winding'))
    const handle = openOf(root)
    const flags = constants.O_RDONLY
    const read = (path: string) => textOf(inRoot(handle.fd, path, flags))
    t.equal(read('/absolute/passwd'), 'inside')
    t.equal(read('a/up/etc/passwd'), 'inside')
    t.equal(read('../../etc/passwd'), 'inside')
    t.equal(read('a/winding'), 'inside')
    t.throws(() => read('loop'))
    t.throws(() => read('etc/absent'))
    t.equal(textOf(beneath(handle.fd, 'a/b/file', flags)), 'deep')
    t.equal(textOf(beneath(handle.fd, 'a/b/../b/file', flags)), 'deep')
    for (const path of ['absolute/passwd', 'a/up', '../passwd', 'a/winding'])
      t.throws(() => beneath(handle.fd, path, flags), path)
    const itself = beneath(handle.fd, '', flags | constants.O_DIRECTORY)
    t.equal(fstatSync(itself).ino, statSync(root).ino)
    closeSync(itself)
    handle.close()
  })

t.test('a path may be longer than the system takes', async t => {
  const dir = t.testdir({})
  const root = openOf(dir)
  const stack = new DirectoryStack(root)
  const name = 'n'.repeat(255)
  for (let i = 0; i < 20; i++) {
    mkdirSync(stack.top.at(name))
    stack.enter(name)
  }
  writeFileSync(stack.top.at('file'), 'far')
  stack.close()
  const far = root.beneath(Array.from({ length: 20 }, () => name).join('/'))
  t.equal(textOf(far.openFile('file', constants.O_RDONLY)), 'far')
  far.close()
  t.throws(() => root.beneath('absent/too'), {
    message: `cannot open ${dir}/absent/too: no such file or directory`,
  })
  removeTreeIn(root, name)
  root.close()
})

const DEPTH = 300

const deepTree = (root: DirectoryHandle): void => {
  const stack = new DirectoryStack(root)
  for (let i = 0; i < DEPTH; i++) {
    mkdirSync(stack.top.at('d'))
    writeFileSync(stack.top.at('file'), String(i))
    stack.enter('d')
  }
  t.equal(stack.depth, DEPTH)
  for (let i = DEPTH - 1; i >= 0; i--) {
    stack.leave()
    t.equal(readFileSync(stack.top.at('file'), 'utf8'), String(i))
  }
  stack.close()
}

t.test('a stack goes down and up with few descriptors', async t => {
  const dir = t.testdir({})
  const root = openOf(dir)
  const before = readdirSync('/proc/self/fd').length
  deepTree(root)
  t.equal(readdirSync('/proc/self/fd').length, before)
  removeTreeIn(root, 'd')
  t.equal(readdirSync('/proc/self/fd').length, before)
  t.same(readdirSync(dir), ['file'])
  root.close()
})

t.test('a stack is led nowhere by directories that are moved', async t => {
  const dir = t.testdir({ tree: {}, elsewhere: {} })
  const root = openOf(join(dir, 'tree'))
  const stack = new DirectoryStack(root)
  for (let i = 0; i < 100; i++) {
    mkdirSync(stack.top.at('d'))
    stack.enter('d')
  }
  renameSync(join(dir, 'tree/d/d/d'), join(dir, 'elsewhere/d'))
  t.throws(
    () => {
      while (stack.depth > 0) stack.leave()
    },
    { code: 'SOURCE_CHANGED' },
  )
  stack.close()
  root.close()
})

t.test('removing follows no link, and absent is well', async t => {
  const dir = t.testdir({ victim: { file: 'x' }, tree: { a: { b: {} } } })
  symlinkSync('../victim', join(dir, 'tree/link'))
  symlinkSync('../../victim', join(dir, 'tree/a/link'))
  symlinkSync('victim', join(dir, 'to-victim'))
  removeTree(Buffer.from(join(dir, 'tree/')))
  t.notOk(existsSync(join(dir, 'tree')))
  removeTree(Buffer.from(join(dir, 'tree')))
  removeTree(Buffer.from(join(dir, 'absent/tree')))
  t.throws(() => removeTree(Buffer.from(join(dir, 'to-victim'))))
  t.ok(existsSync(join(dir, 'victim/file')))
})
