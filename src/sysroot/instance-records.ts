/** Where the instances of a sysroot stand, and the holds of their commits. */

import { existsSync, readFileSync, readdirSync } from '../system/files.ts'
import { join } from 'node:path'
import {
  aString,
  anInteger,
  anObject,
  ofFormat,
  parseJson,
} from '../bytes/json-shape.ts'
import { DendroError } from '../errors.ts'
import { digestFromHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Sysroot } from './session.ts'
import type { SysrootPaths } from './sysroot.ts'
import { holdInstance, isInstanceHeld } from './sysroot-holds.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The file of an instance's directory that says of which commit it is. */
export const INSTANCE_RECORD = 'instance.json'

const INSTANCE_FORMAT = 1

/** What it holds. */
export const STORED_INSTANCE = ofFormat(
  'format',
  INSTANCE_FORMAT,
  anObject({
    commit: aString(
      text => digestFromHex(text) !== undefined,
      'the id of a commit',
    ),
    createdSec: anInteger(),
  }),
  INSTANCE_FORMAT,
)

export const isInstanceName = (name: string): boolean => NAME.test(name)

/** The directory of an instance. Errors: `INVALID_ARGUMENT` for a bad name. */
export const instancePath = (paths: SysrootPaths, name: string): string => {
  if (isInstanceName(name)) return join(paths.instances, name)
  throw new DendroError('INVALID_ARGUMENT', `bad instance name '${name}'`, {
    hint: 'use letters, digits, dots, dashes and underscores, at most 64',
  })
}

/**
 * Makes the holds of instances anew whose sysroot came from elsewhere, or that
 * an older program held by path. One that is damaged is left as it is.
 */
export const renewInstanceHolds = (sysroot: Sysroot): void => {
  const { paths } = sysroot
  if (!existsSync(paths.instances)) return
  for (const name of readdirSync(paths.instances)) {
    if (!isInstanceName(name) || isInstanceHeld(sysroot, name)) continue
    const commit = heldCommit(paths, name)
    if (commit !== undefined) holdInstance(sysroot, name, commit)
  }
}

const heldCommit = (paths: SysrootPaths, name: string): Digest | undefined => {
  try {
    const record = readFileSync(
      join(instancePath(paths, name), INSTANCE_RECORD),
    )
    return digestFromHex(parseJson(record, STORED_INSTANCE).commit)
  } catch {
    return undefined
  }
}
