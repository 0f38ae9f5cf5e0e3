/** What a server wrote of itself, and whether it lives. */

import {
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from '../system/files.ts'
import { join } from 'node:path'
import { parseJson } from '../bytes/json-shape.ts'
import { identityOf, isSameRepository } from '../store/identity.ts'
import type { RepositoryIdentity } from '../store/identity.ts'
import { childOf } from '../system/held-path.ts'
import type { FilePlace } from '../system/held-path.ts'
import { readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { readPlain } from '../system/plain-file.ts'
import { commandLineOf } from '../system/process.ts'
import { KIB } from '../units.ts'
import {
  directoryOfView,
  olderRuntimeDirectory,
  privateRuntimeDirectories,
  sharedRuntimeDirectory,
} from './runtime-directory.ts'
import type { ServerConfig } from './server-config.ts'
import { PROCESS_NAME, RUNTIME_FILE } from '../system/protocol.ts'
import { STORED_SERVER } from './stored-config.ts'

export interface ServerProcesses {
  readonly pid: number
  /** 0 for a transport without one. */
  readonly keeperPid: number
}

/** Written aside and renamed: it is read while servers change. */
export const writeState = (
  config: ServerConfig,
  processes: ServerProcesses,
): void => {
  const path = join(config.runtimeDirectory, RUNTIME_FILE.serverState)
  const text = `${JSON.stringify({ ...config, ...processes })}\n`
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

const MAX_STATE_BYTES = 64 * KIB

export const readState = (
  directory: FilePlace,
): (ServerConfig & ServerProcesses) | undefined => {
  try {
    const text = readPlain(
      childOf(directory, RUNTIME_FILE.serverState),
      MAX_STATE_BYTES,
    )
    return parseJson(text, STORED_SERVER)
  } catch {
    // No server has written it, it was cut short by a crash, or somebody else did.
    return undefined
  }
}

/** Whether process `pid` is a server, as far as its command line tells. */
export const isServer = (pid: number): boolean => {
  const command = commandLineOf(pid)
  return (
    command.includes(PROCESS_NAME.server) || /server-main\.c?js/.test(command)
  )
}

/** Older programs started it without the @ before its name. */
const KEEPER_NAME = PROCESS_NAME.keeper.slice(1)

const isKeeper = (pid: number): boolean =>
  pid > 0 && commandLineOf(pid).includes(KEEPER_NAME)

/** The processes of all servers that wrote to a directory below `base`. */
export const serverProcessesIn = (base: string): Set<number> => {
  const found = new Set<number>()
  for (const name of readdirSync(base)) {
    const state = readState(join(base, name))
    if (state === undefined) continue
    if (isServer(state.pid)) found.add(state.pid)
    if (isKeeper(state.keeperPid)) found.add(state.keeperPid)
  }
  return found
}

/** Whether a mount is served, or will be again: its keeper lives. */
export const isAlive = ({ pid, keeperPid }: ServerProcesses): boolean =>
  isServer(pid) || isKeeper(keeperPid)

/**
 * The runtime directory of the server behind a mount: root's, or one of this
 * user's own. Neither the mount nor what its source says is looked at, since
 * anybody can have made them.
 */
export const runtimeDirectoryOf = (entry: MountEntry): string | undefined => {
  for (const { device, mountpoint } of readMountTable()) {
    const shared =
      device === entry.device ? directoryOfView(mountpoint) : undefined
    if (shared !== undefined) return shared
  }
  const own = privateRuntimeDirectories(entry.mountpoint)
  return own.find(isServing) ?? own[0]
}

const isServing = (directory: string): boolean => {
  const state = readState(directory)
  return state !== undefined && isAlive(state)
}

/** Whether the server behind a mount lives. */
export const isServed = (entry: MountEntry): boolean => {
  const directory = runtimeDirectoryOf(entry)
  return directory !== undefined && isServing(directory)
}

/**
 * The runtime directory for root's server of a repository: that of a server
 * which an older program started under the id alone, as long as it lives.
 */
export const sharedServerDirectory = (
  repository: RepositoryIdentity,
): string => {
  const older = olderRuntimeDirectory(repository)
  const state = readState(older)
  return state !== undefined && isAlive(state) && serves(state, repository)
    ? older
    : sharedRuntimeDirectory(repository)
}

/** Whether a server of this user serves the repository. */
const serves = (
  { identity, repository: path }: ServerConfig,
  repository: RepositoryIdentity,
): boolean => {
  if (identity !== undefined) return isSameRepository(identity, repository)
  const status = statSync(path, { bigint: true, throwIfNoEntry: false })
  return (
    status !== undefined &&
    isSameRepository(identityOf(repository.id, status), repository)
  )
}
