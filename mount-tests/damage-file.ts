/** Damage to what a file of a commit is stored as. */

import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { digestFromHex } from '../src/objects/digest.ts'
import type { Digest } from '../src/objects/digest.ts'
import { Repository } from '../src/store/repository.ts'
import type { Place } from '../src/store/place.ts'
import { lookUpPath } from '../src/tree/lookup.ts'

const FRAME_HEAD_BYTES = 100
const DAMAGED_BYTES = 64

/** Flips bytes of the first chunk of `path` in the deployment `name`. */
export const damageFile = (
  sysroot: string,
  name: string,
  path: string,
): void => {
  const directory = join(sysroot, 'dendro/repo')
  const { pack, frameOffset } = placeOf(directory, name, path)
  const fd = openSync(join(directory, 'packs', `${pack}.pack`), 'r+')
  const bytes = Buffer.alloc(DAMAGED_BYTES)
  const at = frameOffset + FRAME_HEAD_BYTES
  readSync(fd, bytes, 0, bytes.length, at)
  const flipped = bytes.map(byte => byte ^ 0xff)
  writeSync(fd, flipped, 0, flipped.length, at)
  closeSync(fd)
}

const placeOf = (directory: string, name: string, path: string): Place => {
  const repository = Repository.open(directory)
  try {
    const id = digestFromHex(name.replace(/^.*\/|\..*$/g, '')) as Digest
    const { root } = repository.commits.load(id)
    const file = lookUpPath(repository, root, path)
    assert.ok(file?.kind === 'file')
    const [first] = repository.loadExtents(file)
    const place = repository.indexes.find(first?.chunk as Digest)
    assert.ok(place !== undefined)
    return place
  } finally {
    repository.close()
  }
}
