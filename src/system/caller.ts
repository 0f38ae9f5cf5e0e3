/**
 * What the caller gave this process: arguments, environment, working directory.
 *
 * Node decodes all three as UTF-8 and loses other bytes; /proc has them
 * (proc_pid_cmdline(5), proc_pid_environ(5)). Here they are text with such
 * bytes escaped (bytes/byte-text.ts).
 */

import { isAbsolute, resolve } from 'node:path'
import { bytesToText, mayHaveLost } from '../bytes/byte-text.ts'
import { DendroError } from '../errors.ts'
import { existsSync, readFileSync, readlinkSync } from './files.ts'

const NUL = 0

/** The strings of a file in which a NUL ends each. */
const readStrings = (path: string): string[] => {
  const bytes = readFileSync(path)
  const strings: string[] = []
  for (let at = 0; at < bytes.length;) {
    const found = bytes.indexOf(NUL, at)
    const end = found < 0 ? bytes.length : found
    strings.push(bytesToText(bytes.subarray(at, end)))
    at = end + 1
  }
  return strings
}

/**
 * The arguments behind the program: the last of the command line, whatever
 * options of Node stand before. Must be called before `process.title` is set,
 * which is written over them.
 */
export const callerArguments = (): string[] => {
  const decoded = process.argv.slice(2)
  return decoded.some(mayHaveLost)
    ? readStrings('/proc/self/cmdline').slice(-decoded.length)
    : decoded
}

/** A variable of the environment; undefined when it is not set or empty. */
export const callerVariable = (name: string): string | undefined => {
  const decoded = process.env[name]
  if (decoded === undefined || decoded === '') return undefined
  if (!mayHaveLost(decoded)) return decoded
  const given = readStrings('/proc/self/environ').find(string =>
    string.startsWith(`${name}=`),
  )
  return given?.slice(name.length + 1) ?? decoded
}

/**
 * `path` as it is meant from the working directory, absolute and normal.
 * Errors: `INVALID_ARGUMENT` (an empty path, which is no path: path_resolution(7)),
 * `NOT_FOUND` (there is no working directory any more).
 */
export const absolutePath = (path: string): string => {
  if (isAbsolute(path)) return resolve(path)
  if (path !== '') return resolve(workingDirectory(), path)
  throw new DendroError('INVALID_ARGUMENT', 'a path is empty', {
    hint: "the working directory is '.'; is a variable not set?",
  })
}

const workingDirectory = (): string => {
  const path = readlinkSync('/proc/self/cwd')
  if (existsSync(path)) return path
  throw new DendroError('NOT_FOUND', 'the working directory was removed', {
    hint: 'change to another directory',
  })
}
