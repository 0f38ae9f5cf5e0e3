/**
 * What the boot of a machine reads, kept so that the next one has the disk read
 * it in one go, before it is asked for. Format: docs/formats/sysroot.md
 */

import {
  closeSync,
  constants,
  openSync,
  readFileSync,
} from '../system/files.ts'
import { join } from 'node:path'
import type { SysrootPaths } from '../sysroot/sysroot.ts'
import { DendroError } from '../errors.ts'
import { askServer } from '../mount/control-client.ts'
import { sharedServerDirectory } from '../server/server-state.ts'
import { digestFromHex } from '../objects/digest.ts'
import type { Place } from '../store/place.ts'
import type { Repository } from '../store/repository.ts'
import {
  makeDirectoryDurably,
  writeAtomically,
} from '../system/durable-file.ts'
import { tryShim } from '../system/native.ts'

const HEADER = 'dendro boot profile 1'
const profilePath = ({ profiles }: SysrootPaths, os: string): string =>
  join(profiles, os)

/**
 * Writes down what the server of this machine read since it began; how many
 * objects. Errors: `SERVER_UNREACHABLE`, `NO_DEPLOYMENT` where no machine booted.
 */
export const recordProfile = async (
  repository: Repository,
  paths: SysrootPaths,
  os: string,
): Promise<number> => {
  const directory = sharedServerDirectory(repository.identity)
  const objects = (await askServer(directory, 'reads')) as readonly string[]
  if (objects.length === 0)
    throw new DendroError(
      'NO_DEPLOYMENT',
      'cannot record a boot: the server of this repository serves no machine',
      { hint: 'boot from a deployment first' },
    )
  makeDirectoryDurably(paths.profiles)
  const text = `${[HEADER, ...objects].join('\n')}\n`
  // Lost or cut short it is no loss.
  writeAtomically(profilePath(paths, os), Buffer.from(text))
  return objects.length
}

/** The objects of a profile, in hex; none where there is no good one. */
export const readProfile = (paths: SysrootPaths, os: string): string[] => {
  let text: string
  try {
    text = readFileSync(profilePath(paths, os), 'utf8')
  } catch {
    return []
  }
  const [header, ...lines] = text.split('\n')
  return header === HEADER
    ? lines.filter(line => digestFromHex(line) !== undefined)
    : []
}

export interface PackRange {
  readonly pack: string
  readonly offsetBytes: number
  readonly lengthBytes: number
}

/** The frames in the order of the disk, those that touch joined. */
export const joinRanges = (places: readonly Place[]): PackRange[] => {
  const sorted = [...places].sort((a, b) =>
    a.pack === b.pack
      ? a.frameOffset - b.frameOffset
      : a.pack < b.pack
        ? -1
        : 1,
  )
  const ranges: PackRange[] = []
  for (const { pack, frameOffset, frameBytes } of sorted) {
    const last = ranges.at(-1)
    const end = last === undefined ? 0 : last.offsetBytes + last.lengthBytes
    if (last?.pack !== pack || frameOffset > end)
      ranges.push({ pack, offsetBytes: frameOffset, lengthBytes: frameBytes })
    else if (frameOffset === end)
      ranges[ranges.length - 1] = {
        ...last,
        lengthBytes: last.lengthBytes + frameBytes,
      }
  }
  return ranges
}

/** Has the kernel read what the last boot read, without waiting for it. */
export const prefetchProfile = (
  repository: Repository,
  paths: SysrootPaths,
  os: string,
): void => {
  const shim = tryShim()
  const places = readProfile(paths, os).flatMap(hex => {
    const digest = digestFromHex(hex)
    const place =
      digest === undefined ? undefined : repository.indexes.find(digest)
    return place ?? []
  })
  for (const { pack, offsetBytes, lengthBytes } of joinRanges(places)) {
    repository.paths.packs.child(`${pack}.pack`).reach(path => {
      const fd = openIfThere(path)
      if (fd === undefined) return
      shim?.prefetch(fd, offsetBytes, lengthBytes)
      closeSync(fd)
    })
  }
}

const openIfThere = (path: string): number | undefined => {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch {
    // It only helps: whoever reads the pack is told what is wrong with it.
    return undefined
  }
}
