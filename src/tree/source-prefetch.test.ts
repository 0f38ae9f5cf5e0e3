import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { latin1ToBytes } from '../bytes/latin1.ts'
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

const scan = (source: string) =>
  scanTree(source, { forbidden: new Map(), oneFileSystem: false }).root

t.test('where the disk is read, files are in memory beforehand', async t => {
  const source = makeSource(t.testdir())
  if (!evict(source)) return t.pass('nothing can be evicted here')
  let blocks = 0
  const prefetch = new SourcePrefetch(source, scan(source), () => blocks)
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
  const root = scan(source)
  if (!evict(source)) return t.pass('nothing can be evicted here')
  const prefetch = new SourcePrefetch(source, root, () => 7)
  for (let i = 0; i < FILES; i++) prefetch.advance()
  await sleep(200)
  t.equal(residentBytes(join(source, 'f0200')), 0)
  await prefetch.close()
})

t.test('a file that is not there, and a link', async t => {
  const source = t.testdir({ link: t.fixture('symlink', 'file'), file: 'x' })
  const prefetch = (name: string) =>
    shim().prefetch(latin1ToBytes(join(source, name)), 0, 4096)
  t.equal(prefetch('file'), 0)
  t.equal(prefetch('absent'), -2)
  t.equal(prefetch('link'), -40)
})
