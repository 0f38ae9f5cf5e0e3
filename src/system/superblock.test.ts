import { closeSync, openSync } from 'node:fs'
import t from 'tap'
import { clockedSuperblock } from './superblock.ts'
import type { Superblock } from './superblock.ts'

const superblockOf = (path: string): Superblock | undefined => {
  const fd = openSync(path, 'r')
  try {
    return clockedSuperblock(fd)
  } finally {
    closeSync(fd)
  }
}

t.test('file systems without a clock have none', t => {
  t.equal(superblockOf('/proc'), undefined)
  t.equal(superblockOf('/sys'), undefined)
  t.end()
})

t.test('a file system of memory has one, and it is the same each time', t => {
  const first = superblockOf('/dev/shm')
  t.match(first, { id: /^[0-9a-f-]{36} tmpfs$/, device: /^0:\d+$/ })
  t.same(superblockOf('/dev/shm'), first)
  t.end()
})
