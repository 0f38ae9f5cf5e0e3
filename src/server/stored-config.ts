/**
 * What a server is started with, and what it writes of itself, as JSON:
 * `server.json` of its runtime directory, and the argument of its program.
 *
 * Servers of older programs go on when a newer one is installed, and write less;
 * those of newer ones write more, which is kept.
 */

import {
  aBoolean,
  aString,
  anInteger,
  anObject,
  anOpenObject,
  oneOf,
  optional,
  orUndefined,
  withDefault,
} from '../bytes/json-shape.ts'
import type { Shape } from '../bytes/json-shape.ts'
import type { ServerConfig } from './server-config.ts'

const FIELDS = {
  repository: aString(),
  identity: optional(anObject({ id: aString(), directory: aString() })),
  mountpoint: aString(),
  runtimeDirectory: aString(),
  isPrivileged: aBoolean,
  allowOther: aBoolean,
  xattrs: oneOf('auto', 'on', 'off'),
  transport: oneOf('kernel', 'fuse-native'),
  readAheadKib: anInteger(),
  spinMicros: anInteger(),
  ahead: withDefault(aBoolean, false),
  watchdogMs: withDefault(anInteger(), 0),
  resend: withDefault(aBoolean, false),
  inode32: optional(aBoolean),
  root: orUndefined(anObject({ commit: aString(), subdir: aString() })),
  endsWhenUnused: aBoolean,
  isBoundByLauncher: optional(aBoolean),
}

export const SERVER_CONFIG: Shape<ServerConfig> = anOpenObject(FIELDS)

/** A process; those that are none, or cannot be, are not asked about. */
const PROCESS_ID = anInteger(0, 2 ** 31 - 1)

export const STORED_SERVER: Shape<
  ServerConfig & { readonly pid: number; readonly keeperPid: number }
> = anOpenObject({
  ...FIELDS,
  pid: PROCESS_ID,
  keeperPid: withDefault(PROCESS_ID, 0),
})
