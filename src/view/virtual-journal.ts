/**
 * The nodes of the view's own names as lines of JSON in the runtime directory.
 *
 * A node is appended before the kernel hears of it, so a killed server leaves
 * no node that the next one does not know. It need not survive the machine.
 */

import {
  appendFileSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from '../system/files.ts'
import {
  BadJson,
  aString,
  anInteger,
  anObject,
  optional,
  parseJson,
  tryParseJson,
} from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import { DendroError } from '../errors.ts'
import type { VirtualJournal, VirtualRecord } from './view-top.ts'

const NODE: Shape<VirtualRecord> = anObject({
  nodeId: anInteger(1),
  generation: anInteger(),
  path: aString(),
  link: optional(anObject({ target: aString(), timeSec: anInteger() })),
})
const TIME = anObject({ timeSec: anInteger() })

/** Errors: `MOUNT_FAILED`: the nodes that the kernel knows are not known here. */
const parseLine = (line: string, number: number, path: string) => {
  try {
    return tryParseJson(line, TIME) ?? parseJson(line, NODE)
  } catch (error) {
    if (!(error instanceof BadJson)) throw error
    throw new DendroError(
      'MOUNT_FAILED',
      `cannot take over: line ${number} of ${path} is damaged: ${error.message}`,
      { hint: 'umount it and mount it again' },
    )
  }
}

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`

/** The journal at `path`, which need not exist. */
export const fileJournal = (path: string): VirtualJournal => ({
  append: record => appendFileSync(path, lineOf(record)),
  load: () => {
    let timeSec = 0
    const records = new Map<number, VirtualRecord>()
    for (const [index, line] of readLines(path).entries()) {
      const value = parseLine(line, index + 1, path)
      if ('nodeId' in value) records.set(value.nodeId, value)
      else timeSec = value.timeSec
    }
    return { timeSec, records: [...records.values()] }
  },
  rewrite: (timeSec, records) => {
    const text = [lineOf({ timeSec }), ...records.map(lineOf)].join('')
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  },
})

/** Whole lines; what a killed server had begun to write is left out. */
const readLines = (path: string): string[] => {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1)
  } catch {
    // The first server of this mount.
    return []
  }
}
