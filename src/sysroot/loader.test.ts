import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { guardDisk } from '../system/disk.ts'
import type { DiskOperation } from '../system/disk.ts'
import { deploy } from '../deploy/deploy.ts'
import { putFiles, SmallSysroot } from './small-sysroot.ts'
import { rollback } from '../deploy/switch.ts'
import { undo } from '../deploy/undo.ts'

/** Fails the operations that `isBad` picks, as a file system would. */
const failing = (code: string, isBad: (operation: DiskOperation) => boolean) =>
  guardDisk({
    pass: (operation, perform) => {
      if (!isBad(operation)) return perform()
      throw Object.assign(new Error(`${code}: it is not done`), { code })
    },
    passWrite: (_operation, length, perform) => perform(length),
    opened: () => undefined,
    closed: () => undefined,
  })

const inBoot = (operation: DiskOperation): boolean =>
  'path' in operation && operation.path.includes('/sysroot/boot/')

/** A sysroot with a /boot, and a kernel in each version. */
const booting = async (t: Test) => {
  const s = new SmallSysroot({ isBooting: true })
  t.teardown(() => {
    guardDisk(undefined)
    s.remove()
  })
  const version = async (name: string): Promise<void> => {
    putFiles(s.tree, {
      'usr/lib/modules': null,
      [`usr/lib/modules/${name}/vmlinuz`]: `kernel ${name}`,
      'usr/etc/version': name,
    })
    await s.commit(name)
    await deploy(s.sysroot, { revision: 'os' })
  }
  const read = (directory: string) =>
    readdirSync(directory)
      .sort()
      .map(name => [name, readFileSync(join(directory, name), 'utf8')])
  return {
    s,
    version,
    /** As the state in force has them, and as a boot loader reads them. */
    entries: () => [
      read(join(s.paths.boot, 'loader', 'entries')),
      read(join(s.paths.loader, 'entries')),
    ],
  }
}

t.test('a /boot without links has copies of the entries, always', async t => {
  const { s, version, entries } = await booting(t)
  failing('EPERM', one => one.kind === 'symlink' && inBoot(one))
  const isSame = (what: string) => {
    const [wanted, copies] = entries()
    t.same(copies, wanted, what)
  }
  await version('1')
  isSame('one deployment')
  await version('2')
  isSame('two')
  await rollback(s.sysroot, undefined)
  isSame('rolled back')
  await undo(s.repository, s.sysroot, undefined)
  await undo(s.repository, s.sysroot, undefined)
  isSame('one is gone again')
  t.equal(entries()[1]?.length, 1)
})

t.test(
  'a link is made where there are links, and what is not ours stays',
  async t => {
    const { s, version, entries } = await booting(t)
    const { loader } = s.paths
    mkdirSync(join(loader, 'entries'), { recursive: true })
    writeFileSync(join(loader, 'entries', 'other.conf'), 'title other\n')
    await version('1')
    t.same(readdirSync(join(loader, 'entries')), ['other.conf'])
    const linked = await booting(t)
    await linked.version('1')
    const [wanted, seen] = linked.entries()
    t.same(seen, wanted)
    t.equal(entries()[1]?.length, 1)
  },
)

t.test('what fails when the state is in force says that it is', async t => {
  const { s, version, entries } = await booting(t)
  failing('EPERM', one => one.kind === 'symlink' && inBoot(one))
  await version('1')
  failing(
    'EIO',
    one => one.kind === 'create' && /\/boot\/loader\//.test(one.path),
  )
  await t.rejects(version('2'), {
    code: 'CLEANUP_FAILED',
    message:
      /^the change is in force \(deploy os .* \(2\)\), but .* boot entries/,
  })
  t.equal(s.deployments.length, 2)
  // The next change does what was left undone.
  guardDisk(undefined)
  await rollback(s.sysroot, undefined)
  const [wanted, copies] = entries()
  t.same(copies, wanted)
})

t.test('a kernel that cannot be written leaves no part behind', async t => {
  const { s, version } = await booting(t)
  await version('1')
  const before = readdirSync(s.paths.kernels)
  failing('ENOSPC', one => one.kind === 'rename' && inBoot(one))
  await t.rejects(version('2'), { code: 'NO_SPACE' })
  guardDisk(undefined)
  t.same(readdirSync(s.paths.kernels), before)
  t.equal(s.deployments.length, 1)
})
