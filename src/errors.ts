/**
 * The one error class of the project and its closed list of codes.
 *
 * Codes are stable and documented in docs/errors.md (a test compares the two);
 * messages are for people and may change. A message reads "what: why"; the
 * hint says what to do and is printed in brackets by the command line.
 */

import { lineToDisplay } from './bytes/latin1.ts'
import { wordsOf } from './errno-words.ts'

export const ERROR_CODES = [
  'USAGE',
  'INVALID_ARGUMENT',
  'NOT_A_REPOSITORY',
  'REPOSITORY_EXISTS',
  'FUTURE_FORMAT',
  'LIMIT_EXCEEDED',
  'CORRUPT_OBJECT',
  'CORRUPT_PACK',
  'CORRUPT_INDEX',
  'CORRUPT_REPOSITORY',
  'MISSING_OBJECT',
  'UNKNOWN_REVISION',
  'AMBIGUOUS_REVISION',
  'INVALID_REF_NAME',
  'REF_CONFLICT',
  'TAG_EXISTS',
  'SOURCE_CHANGED',
  'SOURCE_UNREADABLE',
  'SOURCE_OVERLAPS',
  'NOT_FOUND',
  'NOT_A_DIRECTORY',
  'IS_A_DIRECTORY',
  'TARGET_EXISTS',
  'UNSUPPORTED_FILE_SYSTEM',
  'LOCK_HELD',
  'NO_SPACE',
  'PERMISSION_DENIED',
  'IO_ERROR',
  'NATIVE_UNAVAILABLE',
  'MOUNT_FAILED',
  'MOUNTPOINT_OVERLAPS',
  'MOUNT_BUSY',
  'NOT_MOUNTED',
  'SERVER_UNREACHABLE',
  'RELOAD_FAILED',
  'TRANSPORT_UNAVAILABLE',
  'NOT_DEPLOYABLE',
  'NO_DEPLOYMENT',
  'DEPLOYMENT_IN_USE',
  'NO_UPGRADE',
  'MERGE_FORBIDDEN',
  'NOT_A_CONFLICT',
  'CANNOT_UNDO',
  'CORRUPT_SYSROOT',
  'INSTANCE_EXISTS',
  'CLEANUP_FAILED',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export interface DendroErrorOptions {
  readonly cause?: unknown
  /** What the user can do, printed in brackets after the message. */
  readonly hint?: string
  /** Facts for programs: digest, path, offset, syscall, errno. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** Every failure that is not a bug in the caller. Match on `code`. */
export class DendroError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly data: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    options: DendroErrorOptions = {},
  ) {
    super(
      message,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.name = 'DendroError'
    this.code = code
    this.hint = options.hint
    this.data = options.data ?? {}
  }
}

const DAMAGE: ReadonlySet<ErrorCode> = new Set([
  'CORRUPT_OBJECT',
  'CORRUPT_PACK',
  'CORRUPT_INDEX',
  'CORRUPT_REPOSITORY',
  'MISSING_OBJECT',
])

/** Whether an error says that the repository is damaged. */
export const isDamage = (error: unknown): error is DendroError =>
  error instanceof DendroError && DAMAGE.has(error.code)

/** Exit status of the command line: 1 failed, 2 usage, 3 damage found, 77 nothing newer. */
export const exitStatusOf = (error: unknown): 1 | 2 | 3 | 77 => {
  if (!(error instanceof DendroError)) return 1
  if (error.code === 'USAGE') return 2
  // As rpm-ostree upgrade --unchanged-exit-77.
  if (error.code === 'NO_UPGRADE') return 77
  return isDamage(error) ? 3 : 1
}

/**
 * An error as one line for a person: what, why, and what to do. What is no
 * failure of ours or of the system is one of the program.
 */
export const errorLine = (error: unknown): string => {
  const known = toKnown(error)
  if (known === undefined) {
    const what = error instanceof Error ? error.message : String(error)
    return oneLine(`internal error: ${what} (--debug shows where)`)
  }
  const hint = known.hint === undefined ? '' : ` (${known.hint})`
  return oneLine(`${known.message}${hint}`)
}

const MAX_WORD = 600
const SHOWN_OF_WORD = 250

/** A path without end is shown by its beginning and its end. */
const shorten = (word: string): string =>
  word.length <= MAX_WORD
    ? word
    : `${word.slice(0, SHOWN_OF_WORD)}...${word.slice(-SHOWN_OF_WORD)}`

const oneLine = (text: string): string =>
  lineToDisplay(
    text.length <= MAX_WORD ? text : text.replace(/[^ ]+/g, shorten),
  )

/** The errno name of a Node system error, or undefined. */
export const errnoOf = (error: unknown): string | undefined => {
  if (error instanceof DendroError) {
    const errno = error.data['errno']
    return typeof errno === 'string' ? errno : undefined
  }
  if (error instanceof Error && 'code' in error) {
    return typeof error.code === 'string' ? error.code : undefined
  }
  return undefined
}

/**
 * Turns whatever a system call threw into a DendroError that names `what`; its
 * hint is that of the errno (errno-words.ts) unless one is given.
 * An error that already is one passes unchanged.
 */
export const wrapSystemError = (
  what: string,
  error: unknown,
  hint?: string,
): DendroError => {
  if (error instanceof DendroError) return error
  const errno = errnoOf(error)
  const words = errno === undefined ? undefined : wordsOf(errno)
  const told = hint ?? words?.hint
  return new DendroError(
    words?.code ?? 'IO_ERROR',
    `${what}: ${words?.why ?? describeErrno(error)}`,
    {
      cause: error,
      ...(told === undefined ? {} : { hint: told }),
      data: errno === undefined ? {} : { errno },
    },
  )
}

/** "EPROTO: protocol error, open '/x'" becomes the middle part. */
const describeErrno = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const match = /^E[A-Z0-9]+: ([^,]+)/.exec(error.message)
  return match?.[1] ?? error.message
}

/** What a system call is called in a message, where its name says too little. */
const CALLS: Readonly<Record<string, string>> = {
  scandir: 'list',
  lstat: 'look at',
  stat: 'look at',
  statx: 'look at',
  realpath: 'find',
  readlink: 'read the link',
  mkdir: 'make',
  unlink: 'remove',
  rmdir: 'remove',
  rm: 'remove',
  fsync: 'store',
  ftruncate: 'change',
  chmod: 'change',
  fchmod: 'change',
  chown: 'change',
  lchown: 'change',
  copyfile: 'copy',
}

/**
 * An error of ours, or one of the system that nobody has named: then by what
 * Node says of the call. Undefined for all else.
 */
const toKnown = (error: unknown): DendroError | undefined => {
  if (error instanceof DendroError) return error
  if (!(error instanceof Error) || !('syscall' in error)) return undefined
  const { syscall, path } = error as NodeJS.ErrnoException
  const [call = 'go on'] = String(syscall).split(' ')
  const what = CALLS[call] ?? call
  return wrapSystemError(
    `cannot ${what}${path === undefined ? '' : ` ${path}`}`,
    error,
  )
}
