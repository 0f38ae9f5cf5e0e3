/** What a server wrote of itself, and whether it lives. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { privateRuntimeDirectory } from './runtime-directory.ts'
import { SERVER_STATE } from './server-config.ts'
import type { ServerConfig } from './server-config.ts'

export const readState = (
  directory: string,
): (ServerConfig & { pid: number }) | undefined => {
  try {
    const text = readFileSync(join(directory, SERVER_STATE), 'utf8')
    return JSON.parse(text) as ServerConfig & { pid: number }
  } catch {
    // No server has written it, or it was cut short by a crash.
    return undefined
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
    return command.includes('@dendro') || /server\.c?js/.test(command)
  } catch {
    return false
  }
}

/** The runtime directory of the server behind a mount. */
export const runtimeDirectoryOf = (entry: MountEntry): string | undefined => {
  const shared = readMountTable().find(
    other =>
      other.device === entry.device &&
      other.mountpoint.startsWith('/run/dendro/'),
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
  return state !== undefined && isAlive(state.pid)
}
