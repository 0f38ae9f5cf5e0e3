import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  constants,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { GIB } from '../units.ts'
import { makeDirectory, renameFile, unlinkFile } from './disk.ts'
import { writeDurably } from './durable-file.ts'
import { HeldDirectory } from './held-path.ts'
import {
  isDirectoryFound,
  listNames,
  openPlain,
  readPlain,
  statPlace,
  tryReadPlain,
} from './plain-file.ts'

const DAMAGED = { code: 'CORRUPT_REPOSITORY' }

t.test('a regular file is read, up to a length', async t => {
  const dir = t.testdir({ held: { below: { file: 'text' } } })
  const held = HeldDirectory.open(join(dir, 'held'))
  t.equal(readPlain(held.at('below/file'), 4).toString(), 'text')
  t.throws(() => readPlain(held.at('below/file'), 3), DAMAGED)
  t.throws(() => readPlain(held.at('below/absent'), 3), { code: 'NOT_FOUND' })
  t.equal(tryReadPlain(held.at('absent/file'), 3), undefined)
  t.same(listNames(held.at('')), ['below'])
  held.close()
  t.throws(() => readPlain(held.at('below/file'), 4), /is closed/)
})

t.test('nothing else is, and nobody waits for it', async t => {
  // The address of a socket must be short.
  const dir = mkdtempSync(join(tmpdir(), 'dendro-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const root = join(dir, 'held')
  mkdirSync(join(root, 'directory'), { recursive: true })
  writeFileSync(join(dir, 'victim'), 'text')
  spawnSync('mkfifo', [join(root, 'pipe')])
  symlinkSync('../victim', join(root, 'link'))
  symlinkSync('/dev/zero', join(root, 'endless'))
  symlinkSync('directory', join(root, 'way'))
  writeFileSync(join(root, 'tall'), '')
  truncateSync(join(root, 'tall'), 2 ** 40)
  const socket = createServer().listen(join(root, 'socket'))
  t.teardown(() => socket.close())
  const held = HeldDirectory.open(root)
  for (const name of ['pipe', 'link', 'endless', 'socket', 'tall', 'directory'])
    t.throws(() => readPlain(held.at(name), GIB), DAMAGED, name)
  t.throws(() => readPlain(held.at('way/file'), GIB), DAMAGED)
  t.throws(() => listNames(held.at('way')), DAMAGED)
  try {
    openPlain(held.at('directory'))
  } catch (error) {
    t.ok(isDirectoryFound(error))
  }
  held.close()
})

t.test(
  'a file of somebody else is not read, of a sharing group it is',
  { skip: process.geteuid?.() !== 0 && 'only root gives files away' },
  async t => {
    const dir = t.testdir({ held: { file: 'text' } })
    const root = join(dir, 'held')
    chownSync(join(root, 'file'), 1234, 77)
    const read = (): string => {
      const held = HeldDirectory.open(root)
      try {
        return readPlain(held.at('file'), 4).toString()
      } finally {
        held.close()
      }
    }
    t.throws(read, DAMAGED)
    chownSync(root, 0, 77)
    t.throws(read, DAMAGED)
    chmodSync(root, 0o2775)
    t.equal(read(), 'text')
    chownSync(root, 1234, 0)
    t.equal(read(), 'text')
  },
)

t.test('what has a second name is not appended to', async t => {
  const dir = t.testdir({ held: {}, victim: 'text' })
  linkSync(join(dir, 'victim'), join(dir, 'held/events'))
  const held = HeldDirectory.open(join(dir, 'held'))
  const { O_APPEND, O_WRONLY } = constants
  t.throws(() => openPlain(held.at('events'), O_WRONLY | O_APPEND), DAMAGED)
  t.equal(readPlain(held.at('events'), 4).toString(), 'text')
  held.close()
})

t.test('changes stay below the directory, wherever it is moved', async t => {
  const dir = t.testdir({ held: { tmp: {} }, other: { file: 'theirs' } })
  const root = join(dir, 'held')
  const held = HeldDirectory.open(root)
  symlinkSync('../other', join(root, 'out'))
  for (const change of [
    () => writeDurably(held.at('out/new'), Buffer.from('x')),
    () => makeDirectory(held.at('out/directory')),
    () => unlinkFile(held.at('out/file')),
    () => renameFile(held.at('out/file'), held.at('tmp/file')),
  ])
    t.throws(change)
  t.same(listNames(join(dir, 'other')), ['file'])
  renameSync(root, join(dir, 'moved'))
  mkdirSync(root)
  writeFileSync(join(root, 'note'), 'of another')
  const temporaryDirectory = held.at('tmp')
  writeDurably(held.at('note'), Buffer.from('mine'), { temporaryDirectory })
  t.equal(readFileSync(join(dir, 'moved/note'), 'utf8'), 'mine')
  t.equal(readFileSync(join(root, 'note'), 'utf8'), 'of another')
  t.equal(held.currentPath(), join(dir, 'moved'))
  t.equal(statPlace(held.at('note'))?.size, 4)
  held.close()
})
