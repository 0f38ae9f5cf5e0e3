/**
 * Lets go of the pages of the program file that the start has touched: those
 * of compilers, parsers and of what Node starts from. What is needed again comes
 * back from the page cache at the price of a minor fault.
 */

import { readFileSync } from './files.ts'
import { shim } from './native.ts'

/** A mapping of a file that was never written to, as /proc/PID/smaps tells it. */
export interface CleanMapping {
  readonly address: number
  readonly lengthBytes: number
}

/**
 * Mappings of `file` in the text of a smaps file that are not writable and
 * hold no page of the process's own (relocated pages are such: dropping them
 * would undo the relocation). Source: proc(5).
 */
export const cleanMappings = (smaps: string, file: string): CleanMapping[] => {
  const found: CleanMapping[] = []
  for (const block of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \S+ +(.*)$/m.exec(
      block,
    )
    if (head?.[3] !== file || !/^Anonymous: +0 kB$/m.test(block)) continue
    const address = Number.parseInt(head[1] as string, 16)
    const end = Number.parseInt(head[2] as string, 16)
    found.push({ address, lengthBytes: end - address })
  }
  return found
}

/** To be called when the start is over. Where it cannot be done, nothing is. */
export const releaseProgramPages = (): void => {
  let smaps: string
  try {
    smaps = readFileSync('/proc/self/smaps', 'latin1')
  } catch {
    return
  }
  for (const { address, lengthBytes } of cleanMappings(smaps, process.execPath))
    shim().dropPages(address, lengthBytes)
}
