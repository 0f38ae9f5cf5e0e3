import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { shim } from '../system/native.ts'
import { scanTree } from './scan.ts'
import { SourcePrefetch } from './source-prefetch.ts'

const FILES = 400

const makeSource = (path: string): string => {
  for (let i = 0; i < FILES; i++)
    writeFileSync(
      join(path, `f${String(i).padStart(4, '0')}`),
      'x'.repeat(9000),
    )
  return path
}

/**
 * Writes the files back and has the kernel let go of their pages; false on a
 * file system that lives in memory.
 */
const evict = (path: string): boolean => {
  execFileSync('sh', [
    '-c',
    'for f in "$1"/f*; do dd of="$f" oflag=nocache conv=notrunc,fdatasync count=0 status=none; done',
    'sh',
    path,
  ])
  return residentBytes(join(path, 'f0200')) === 0
}

const residentBytes = (file: string): number =>
  Number(execFileSync('fincore', ['-b', '-n', '-o', 'RES', file]))

/** The open directory and what is in it. */
const open = (t: Test, source: string) => {
  const root = DirectoryHandle.open(Buffer.from(source))
  t.teardown(() => root.close())
  const options = {
    forbidden: new Map<string, string>(),
    oneFileSystem: false,
    allowChanging: false,
  }
  return [root.fd, scanTree(root, source, options).root] as const
}

t.test('where the disk is read, files are in memory beforehand', async t => {
  const source = makeSource(t.testdir())
  if (!evict(source)) return t.pass('nothing can be evicted here')
  let blocks = 0
  const prefetch = new SourcePrefetch(...open(t, source), () => blocks)
  for (let i = 0; i < 64; i++) {
    blocks += 8
    prefetch.advance()
  }
  const ahead = join(source, 'f0200')
  for (let i = 0; i < 500 && residentBytes(ahead) === 0; i++) await sleep(10)
  t.equal(residentBytes(ahead), 12_288)
  t.ok(residentBytes(join(source, 'f0390')) < 12_288, 'not all at once')
  for (let i = 64; i < FILES; i++) prefetch.advance()
  await prefetch.close()
})

t.test('where nothing comes from the disk, nothing is done', async t => {
  const source = makeSource(t.testdir())
  const opened = open(t, source)
  if (!evict(source)) return t.pass('nothing can be evicted here')
  const prefetch = new SourcePrefetch(...opened, () => 7)
  for (let i = 0; i < FILES; i++) prefetch.advance()
  await sleep(200)
  t.equal(residentBytes(join(source, 'f0200')), 0)
  await prefetch.close()
})

t.test('what is no file', async t => {
  const [root, write] = [openSync(t.testdir(), 'r'), openSync('/dev/null', 'w')]
  closeSync(write)
  t.equal(shim().prefetch(write, 0, 4096), -9)
  t.type(shim().prefetch(root, 0, 4096), 'number')
  closeSync(root)
})
