/**
 * Starts programs: `node:child_process` for arguments that need not be UTF-8
 * (byte-command.ts). src/ starts processes from here alone.
 *
 * The functions are those of Node with their signatures; arguments are always
 * given. The environment and the descriptors that a program gets are the
 * caller's to say.
 */

import childProcess from 'node:child_process'
import { byteCommand } from './byte-command.ts'

// The overloads of Node are kept by a cast: only the arguments are changed.
/* eslint-disable @typescript-eslint/no-explicit-any */
type Start = (program: string, args: readonly string[], options?: any) => any

const withBytes = <F extends Start>(start: F): F =>
  ((program: string, args: readonly string[], options: unknown): unknown =>
    start(...byteCommand(program, args), options)) as F

export const spawn = withBytes(
  childProcess.spawn as Start,
) as typeof childProcess.spawn
export const spawnSync = withBytes(
  childProcess.spawnSync as Start,
) as typeof childProcess.spawnSync

/** Ends the processes of a group, by its leader; false when they have ended. */
export const endGroup = (leader: number): boolean => {
  try {
    return process.kill(-leader)
  } catch {
    // They were done before.
    return false
  }
}
