/** What a commit says of the system that it is: os-release(5). */

import type { DirectoryObject } from '../objects/fs-object.ts'
import type { FileReader } from '../store/object-reader.ts'
import { readFileOf } from '../tree/commit-file.ts'

const OS_RELEASE_BYTES = 64 * 1024

/** `ID` and the like of os-release(5). */
export const osRelease = (
  store: FileReader,
  root: DirectoryObject,
): ReadonlyMap<string, string> => {
  const places = ['usr/lib/os-release', 'etc/os-release', 'usr/etc/os-release']
  for (const place of places) {
    const text = readFileOf(store, root, place, OS_RELEASE_BYTES)
    if (text === undefined) continue
    const values = new Map<string, string>()
    for (const line of text.toString().split('\n')) {
      const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line)
      if (match !== null)
        values.set(match[1] as string, match[2] ?? match[3] ?? match[4] ?? '')
    }
    return values
  }
  return new Map()
}
