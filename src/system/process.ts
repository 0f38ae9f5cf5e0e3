/** What tells one process from another that had its number: proc_pid_stat(5). */

import { readFileSync, readdirSync } from './files.ts'

/** Field 22 of /proc/PID/stat; what stands before may hold spaces. */
const START_FIELD = 22
const FIRST_BEHIND_NAME = 3

/**
 * When the process began, in clock ticks since the boot; undefined when there
 * is none or it has ended. Numbers of processes are used again, this pair is not.
 */
export const startTicksOf = (pid: number): number | undefined => {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    // It has ended, or was never there.
    return undefined
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  if (state === 'Z' || state === 'X') return undefined
  return Number(fields[START_FIELD - FIRST_BEHIND_NAME])
}

/** The numbers of all processes that /proc shows. */
export const listProcesses = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
