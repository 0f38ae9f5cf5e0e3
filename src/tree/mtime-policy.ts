/**
 * What modification time a committed object gets.
 *
 * - exact: the one it has.
 * - clamp: what is newer than an epoch becomes the epoch, as
 *   https://reproducible-builds.org/specs/source-date-epoch/ says.
 * - parent: the parent commit's, where all else is the same.
 */

import { DendroError } from '../errors.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { encodeFsObject } from '../objects/fs-object.ts'
import type { FsObject } from '../objects/fs-object.ts'

export type MtimePolicy =
  | { readonly kind: 'exact' }
  | { readonly kind: 'clamp'; readonly epochSec: number }
  | { readonly kind: 'parent' }

/** Parses `exact`, `parent` or `clamp=EPOCH`. Errors: `USAGE`. */
export const parseMtimePolicy = (text: string): MtimePolicy => {
  if (text === 'exact' || text === 'parent') return { kind: text }
  const clamp = /^clamp=(-?\d{1,15})$/.exec(text)
  if (clamp !== null) return { kind: 'clamp', epochSec: Number(clamp[1]) }
  throw new DendroError(
    'USAGE',
    `bad --mtime ${text}: it is neither exact, parent nor clamp=SECONDS`,
    { hint: 'for example --mtime=clamp=1700000000' },
  )
}

/** The object with the time that `policy` gives it. `parent` stands at the same path. */
export const applyMtimePolicy = (
  policy: MtimePolicy,
  object: FsObject,
  parent: FsObject | undefined,
): FsObject => {
  switch (policy.kind) {
    case 'exact':
      return object
    case 'clamp': {
      const { mtimeSec, mtimeNsec } = object
      const isNewer =
        mtimeSec > policy.epochSec ||
        (mtimeSec === policy.epochSec && mtimeNsec > 0)
      return isNewer
        ? { ...object, mtimeSec: policy.epochSec, mtimeNsec: 0 }
        : object
    }
    case 'parent': {
      if (parent === undefined) return object
      const { mtimeSec, mtimeNsec } = parent
      const dated = { ...object, mtimeSec, mtimeNsec }
      return encodingOf(dated) === encodingOf(parent) ? dated : object
    }
  }
}

const writer = new MsgpackWriter()

const encodingOf = (object: FsObject): string => {
  writer.reset()
  encodeFsObject(writer, object)
  return writer.view(0).toString('latin1')
}
