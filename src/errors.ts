/**
 * The one error class of the project and its closed list of codes.
 *
 * Codes are stable and documented in docs/errors.md (a test compares the two);
 * messages are for people and may change. A message reads "what: why"; the
 * hint says what to do and is printed in brackets by the command line.
 */

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

/** An error as one line for a person: what, why, and what to do. */
export const errorLine = (error: unknown): string => {
  const what = error instanceof Error ? error.message : String(error)
  const hint =
    error instanceof DendroError && error.hint !== undefined
      ? ` (${error.hint})`
      : ''
  return `${what.replaceAll('\n', ' ')}${hint}`
}

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

const SYSTEM_CODES: Readonly<Record<string, [ErrorCode, string]>> = {
  ENOSPC: ['NO_SPACE', 'free some space and run the command again'],
  EDQUOT: ['NO_SPACE', 'the disk quota is used up'],
  EACCES: ['PERMISSION_DENIED', 'run as a user who may do this'],
  EPERM: ['PERMISSION_DENIED', 'run as a user who may do this'],
  EROFS: ['PERMISSION_DENIED', 'the file system is read-only'],
  ENOENT: ['NOT_FOUND', 'check the path'],
  ENOTDIR: ['NOT_A_DIRECTORY', 'check the path'],
}

/**
 * Turns whatever a system call threw into a DendroError that names `what`.
 * An error that already is one passes unchanged.
 */
export const wrapSystemError = (what: string, error: unknown): DendroError => {
  if (error instanceof DendroError) return error
  const errno = errnoOf(error)
  const [code, hint] = SYSTEM_CODES[errno ?? ''] ?? ['IO_ERROR', undefined]
  const why = error instanceof Error ? describeErrno(error) : String(error)
  return new DendroError(code, `${what}: ${why}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
    data: errno === undefined ? {} : { errno },
  })
}

/** "ENOENT: no such file or directory, open '/x'" becomes the middle part. */
const describeErrno = (error: Error): string => {
  const match = /^E[A-Z0-9]+: ([^,]+)/.exec(error.message)
  return match?.[1] ?? error.message
}
