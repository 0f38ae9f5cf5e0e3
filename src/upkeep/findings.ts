/** What a check finds. */

import type { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'

/** `damage` makes the exit status 3; a `notice` is harmless. */
export type Severity = 'damage' | 'notice'

export interface AffectedCommit {
  readonly commit: Digest
  /** Raw paths, at most as many as were asked for. */
  readonly paths: readonly string[]
}

export interface Finding {
  readonly severity: Severity
  /** What kind of thing it is about. */
  readonly subject:
    | 'pack'
    | 'index'
    | 'object'
    | 'commit'
    | 'ref'
    | 'history'
    | 'cache'
    | 'operation'
  /** "what: why", without a hint. */
  readonly message: string
  readonly digest?: Digest
  /** Where it stands, relative to the repository. */
  readonly file?: string
  /** What it touches. */
  readonly affected?: readonly AffectedCommit[]
}

export const damageOf = (
  subject: Finding['subject'],
  error: DendroError,
  details: Pick<Finding, 'digest' | 'file'> = {},
): Finding => ({
  severity: 'damage',
  subject,
  message: error.message,
  ...details,
})
