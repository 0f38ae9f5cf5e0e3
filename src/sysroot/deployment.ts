/** One deployment on disk: what it was made of and what became of its /etc. */

import { existsSync, readFileSync } from '../system/files.ts'
import { join } from 'node:path'
import {
  BadJson,
  aListOf,
  aString,
  anInteger,
  anObject,
  anOpenObject,
  ofFormat,
  optional,
  orNull,
  parseJson,
} from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { writeDurably } from '../system/durable-file.ts'
import { deploymentName, deploymentPath } from './sysroot.ts'
import type { DeploymentId, SysrootPaths } from './sysroot.ts'

/** A path of /etc that both sides changed, with mine in force. */
export interface Conflict {
  /** Raw path relative to /etc. */
  readonly path: string
  readonly why: string
  /** Names the directory of the three versions. */
  readonly number: number
  /** Mine and theirs as they were, as `nodeText` has them. */
  readonly mine: string
  readonly theirs: string
}

/** A conflict that somebody settled: it is not asked again for the same two. */
export interface Settled {
  readonly path: string
  readonly mine: string
  readonly theirs: string
}

/** How a merge left a layer, before anything was prepared in it. */
export interface MergedLayer {
  /** Its snapshot in the history. */
  readonly snapshot: string
  readonly fingerprint: string
  /** What was owned where it was merged from. */
  readonly owned: readonly string[]
}

/** Immutable but for conflicts, settled and owned. */
export interface DeploymentRecord {
  /** The ref that `upgrade` follows. */
  readonly origin: string | null
  readonly version: string | null
  readonly createdSec: number
  /** Name of the deployment whose /etc was merged in, and how it was then. */
  readonly mergedFrom: string | null
  readonly mergedFingerprint: string | null
  /** Undefined in those of older programs, and where nothing was merged in. */
  readonly merged?: MergedLayer
  readonly conflicts: readonly Conflict[]
  readonly settled: readonly Settled[]
  /** Raw paths that stay mine also where they equal the defaults. */
  readonly owned: readonly string[]
}

const RECORD_FORMAT = 1

const PATHS = aListOf(aString())

/** Fields of newer programs stay where the record is written again. */
const STORED_RECORD: Shape<DeploymentRecord> = ofFormat(
  'format',
  RECORD_FORMAT,
  anOpenObject({
    origin: orNull(aString()),
    version: orNull(aString()),
    createdSec: anInteger(),
    mergedFrom: orNull(aString()),
    mergedFingerprint: orNull(aString()),
    merged: optional(
      anObject({ snapshot: aString(), fingerprint: aString(), owned: PATHS }),
    ),
    conflicts: aListOf(
      anObject({
        path: aString(),
        why: aString(),
        number: anInteger(),
        mine: aString(),
        theirs: aString(),
      }),
    ),
    settled: aListOf(
      anObject({ path: aString(), mine: aString(), theirs: aString() }),
    ),
    owned: PATHS,
  }),
  RECORD_FORMAT,
)

const recordPath = (directory: string): string =>
  join(directory, 'deployment.json')

export const writeRecord = (
  directory: string,
  record: DeploymentRecord,
): void =>
  writeDurably(
    recordPath(directory),
    Buffer.from(
      `${JSON.stringify({ format: RECORD_FORMAT, ...record }, undefined, 1)}\n`,
    ),
  )

/** Errors: `CORRUPT_SYSROOT`. */
export const readRecord = (
  paths: SysrootPaths,
  id: DeploymentId,
): DeploymentRecord =>
  readRecordAt(deploymentPath(paths, id), deploymentName(id))

export const readRecordAt = (
  directory: string,
  name: string,
): DeploymentRecord => {
  const path = recordPath(directory)
  try {
    return parseJson(readFileSync(path), STORED_RECORD)
  } catch (error) {
    if (!(error instanceof BadJson))
      throw wrapSystemError(`cannot read deployment ${name}`, error)
    if (error.newer !== undefined)
      throw new DendroError(
        'FUTURE_FORMAT',
        `cannot read deployment ${name}: ${path}: ${error.message}`,
        { hint: 'install a newer dendro' },
      )
    throw new DendroError(
      'CORRUPT_SYSROOT',
      `damaged deployment ${name}: ${path} cannot be read: ${error.message}`,
      { hint: 'deploy its commit again; its /etc is in etc/upper beside it' },
    )
  }
}

/** Where the three versions of a conflict are kept. */
export const conflictPath = (directory: string, number: number): string =>
  join(directory, 'conflicts', String(number))

const bootedPath = (directory: string): string => join(directory, 'booted')

/** Whether a machine has run it: then its /etc is its own, and no merge's. */
export const wasBooted = (paths: SysrootPaths, id: DeploymentId): boolean =>
  existsSync(bootedPath(deploymentPath(paths, id)))

/** Writes down, durably, that a machine runs it. Errors: system errors. */
export const markBooted = (paths: SysrootPaths, id: DeploymentId): void => {
  if (!wasBooted(paths, id))
    writeDurably(bootedPath(deploymentPath(paths, id)), Buffer.alloc(0))
}
