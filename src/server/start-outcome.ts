/**
 * How a start went, as whoever starts a server is told: one type, one line of
 * text for it, one reader of such lines.
 *
 *     ready
 *     bind OPTIONS SOURCE//TARGET.
 *     failed CODE MESSAGE[<tab>HINT]
 *     exit STATUS
 *
 * The shell reads them as well (scripts/dendro, and dendro-lib in the
 * initramfs). A message and a hint are written as they are shown to a person,
 * on one line, and with \t for a tab. docs/server-protocol.md
 */

import { lineToDisplay } from '../bytes/latin1.ts'
import { DendroError, ERROR_CODES } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { OUTCOME_WORD } from '../system/protocol.ts'

/** What is to be bound once the mount answers. */
export interface BindRequest {
  /** Absolute and normal, as is `target`. */
  readonly source: string
  readonly target: string
  /** As mount(8) takes them: `ro,nosuid,...`. */
  readonly options: string
}

export type StartOutcome =
  /** The mount answers, and nothing is left to be done. */
  | { readonly kind: 'ready' }
  /** The mount answers; the starter binds it. */
  | ({ readonly kind: 'bind' } & BindRequest)
  | {
      readonly kind: 'failed'
      readonly code: ErrorCode
      readonly message: string
      readonly hint?: string
    }
  /** The command has said by itself what there was to say, and ends so. */
  | { readonly kind: 'exit'; readonly status: number }

export const READY: StartOutcome = { kind: 'ready' }

const { ready, bind, failed, exit } = OUTCOME_WORD
const TAB = '\t'

const oneField = (text: string): string =>
  lineToDisplay(text).replaceAll(TAB, '\\t')

/** What `error` is to the starter; what is no failure of ours gets one code. */
export const failureOf = (error: unknown): StartOutcome => {
  if (error instanceof DendroError) {
    const { code, message, hint } = error
    return {
      kind: 'failed',
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
    }
  }
  const what = error instanceof Error ? error.message : String(error)
  return {
    kind: 'failed',
    code: 'MOUNT_FAILED',
    message: `cannot serve: ${what}`,
  }
}

/**
 * The line, without its newline. Source and target are absolute and normal, so
 * three slashes are in neither; the dot saves a newline at the end from the
 * shell, and that in the middle of a path is part of the line.
 */
export const encodeOutcome = (outcome: StartOutcome): string => {
  switch (outcome.kind) {
    case 'ready':
      return ready
    case 'bind':
      return `${bind} ${outcome.options} ${outcome.source}//${outcome.target}.`
    case 'failed': {
      const { code, message, hint } = outcome
      const end = hint === undefined ? '' : TAB + oneField(hint)
      return `${failed} ${code} ${oneField(message)}${end}`
    }
    case 'exit':
      return `${exit} ${outcome.status}`
  }
}

const BIND = new RegExp(`^${bind} (\\S+) (/.*?)//(/.*)\\.$`, 's')
const FAILED = new RegExp(`^${failed} (\\S+) ([^\t]*)(?:\t([^\t]*))?$`, 's')
const EXIT = new RegExp(`^${exit} (\\d+)$`)

const isErrorCode = (code: string): code is ErrorCode =>
  ERROR_CODES.some(known => known === code)

/** Counterpart of `encodeOutcome`; undefined for what is no such line. */
export const decodeOutcome = (line: string): StartOutcome | undefined => {
  if (line === ready) return READY
  const bound = BIND.exec(line)
  if (bound !== null) {
    const [, options, source, target] = bound as unknown as [
      string,
      string,
      string,
      string,
    ]
    return { kind: 'bind', options, source, target }
  }
  const failure = FAILED.exec(line)
  if (failure !== null) {
    const [, code, message, hint] = failure as unknown as [
      string,
      string,
      string,
      string?,
    ]
    if (!isErrorCode(code)) return undefined
    return {
      kind: 'failed',
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
    }
  }
  const status = EXIT.exec(line)?.[1]
  return status === undefined
    ? undefined
    : { kind: 'exit', status: Number(status) }
}

/**
 * The error of a start that did not become ready; `log` is where more may stand.
 * Undefined is a server that said nothing, or nothing that can be read.
 */
export const errorOfOutcome = (
  outcome: StartOutcome | undefined,
  log: string,
): DendroError =>
  outcome?.kind === 'failed'
    ? new DendroError(outcome.code, outcome.message, {
        hint: outcome.hint ?? `its log is ${log}`,
      })
    : new DendroError(
        'MOUNT_FAILED',
        'cannot mount: the server ended at once',
        {
          hint: `its log is ${log}`,
        },
      )
