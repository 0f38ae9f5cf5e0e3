import t from 'tap'
import type { Extent } from '../objects/extents.ts'
import { toDigest } from '../objects/digest.ts'
import type { FileObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { seekFile } from './seek-file.ts'

const CHUNK = toDigest('\x07'.repeat(32))

/** A file of pieces: "4." is a hole of four bytes, "4#" so much data. */
const fileOf = (pieces: string) => {
  const extents = pieces
    .split(' ')
    .filter(piece => piece !== '')
    .map((piece): Extent => ({
      lengthBytes: Number.parseInt(piece, 10),
      chunk: piece.endsWith('#') ? CHUNK : undefined,
    }))
  const map = extents
    .map(({ lengthBytes, chunk }) => (chunk ? '#' : '.').repeat(lengthBytes))
    .join('')
  // Nothing but the size of a file and its extents is looked at.
  const file = { sizeBytes: map.length } as FileObject
  const repository = { loadExtents: () => extents } as unknown as Repository
  const seek = (offset: number, what: 'data' | 'hole') =>
    seekFile(repository, file, offset, what)
  return { map, seek }
}

t.test('every offset of every form', async t => {
  for (const pieces of [
    '',
    '5.',
    '5#',
    '3# 4# 2#',
    '2. 3#',
    '3# 2.',
    '1# 4. 2# 3# 5.',
    '4. 1# 1. 1# 2#',
  ]) {
    const { map, seek } = fileOf(pieces)
    for (let at = 0; at < map.length; at++) {
      const data = map.indexOf('#', at)
      t.equal(seek(at, 'data'), data < 0 ? undefined : data, `${pieces} ${at}`)
      const hole = map.indexOf('.', at)
      t.equal(seek(at, 'hole'), hole < 0 ? map.length : hole, `${pieces} ${at}`)
    }
    for (const beyond of [map.length, map.length + 1, Infinity]) {
      t.equal(seek(beyond, 'data'), undefined)
      t.equal(seek(beyond, 'hole'), undefined)
    }
  }
})
