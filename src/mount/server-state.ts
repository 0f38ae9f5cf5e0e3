/** What a server wrote of itself, and whether it lives. */

import { readFileSync, renameSync, writeFileSync } from '../system/files.ts'
import { join } from 'node:path'
import { readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { privateRuntimeDirectory } from './runtime-directory.ts'
import { SERVER_STATE } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'

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
  const path = join(config.runtimeDirectory, SERVER_STATE)
  const text = `${JSON.stringify({ ...config, ...processes })}\n`
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

export const readState = (
  directory: string,
): (ServerConfig & ServerProcesses) | undefined => {
  try {
    const text = readFileSync(join(directory, SERVER_STATE), 'utf8')
    return JSON.parse(text) as ServerConfig & ServerProcesses
  } catch {
    // No server has written it, or it was cut short by a crash.
    return undefined
  }
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

/** Whether a mount is served, or will be again: its keeper lives. */
export const isAlive = ({ pid, keeperPid }: ServerProcesses): boolean => {
  const server = commandOf(pid)
  return (
    server.includes('@dendro') ||
    /server-main\.c?js/.test(server) ||
    (keeperPid > 0 && commandOf(keeperPid).includes('dendro-keeper'))
  )
}

/** Also in the jail of a machine that booted from a deployment. */
const SHARED_VIEW = /\/run\/dendro\/[^/]+\/view$/

/** The runtime directory of the server behind a mount. */
export const runtimeDirectoryOf = (entry: MountEntry): string | undefined => {
  const shared = readMountTable().find(
    other =>
      other.device === entry.device && SHARED_VIEW.test(other.mountpoint),
  )
  if (shared !== undefined) return shared.mountpoint.replace(/\/view$/, '')
  try {
    const config = join(entry.source, 'config.json')
    const { id } = JSON.parse(readFileSync(config, 'utf8')) as { id: string }
    return privateRuntimeDirectory(id, entry.mountpoint)
  } catch {
    return undefined
  }
}

/** Whether the server behind a mount lives. */
export const isServed = (entry: MountEntry): boolean => {
  const directory = runtimeDirectoryOf(entry)
  const state = directory === undefined ? undefined : readState(directory)
  return state !== undefined && isAlive(state)
}
