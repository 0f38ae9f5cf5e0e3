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
import type { VirtualJournal, VirtualRecord } from './view-top.ts'

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`

/** The journal at `path`, which need not exist. */
export const fileJournal = (path: string): VirtualJournal => ({
  append: record => appendFileSync(path, lineOf(record)),
  load: () => {
    let timeSec = 0
    const records = new Map<number, VirtualRecord>()
    for (const line of readLines(path)) {
      const value = JSON.parse(line) as VirtualRecord | { timeSec: number }
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
