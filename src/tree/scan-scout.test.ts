import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { hasSpareProcessor } from '../system/processors.ts'
import { ScanScout } from './scan-scout.ts'

const isAlive = (group: number): boolean => {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

const advance = (scout: ScanScout, before: () => void = () => undefined) => {
  for (let i = 0; i < 100; i++) {
    before()
    scout.advance()
  }
}

t.test(
  'where the disk is read, find goes ahead until the scan ends',
  async t => {
    if (!hasSpareProcessor()) return t.pass('none is started on one processor')
    const source = t.testdir()
    mkdirSync(join(source, 'a/b/c/d'), { recursive: true })
    let blocks = 0
    const root = DirectoryHandle.open(Buffer.from(source))
    t.teardown(() => root.close())
    const scout = new ScanScout(root.fd, () => blocks)
    advance(scout, () => blocks++)
    t.type(scout.pid, 'number')
    scout.stop()
    for (let i = 0; i < 500 && isAlive(scout.pid as number); i++)
      await sleep(10)
    t.notOk(isAlive(scout.pid as number))
    scout.stop()
  },
)

t.test('where nothing comes from the disk, nothing is started', t => {
  const root = DirectoryHandle.open(Buffer.from(t.testdir()))
  t.teardown(() => root.close())
  const scout = new ScanScout(root.fd, () => 7)
  advance(scout)
  t.equal(scout.pid, undefined)
  scout.stop()
  t.end()
})
