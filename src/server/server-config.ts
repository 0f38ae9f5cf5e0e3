/** What a server process is told when it starts, and what it tells of itself. */

import type { Invalidation } from '../fuse/notify.ts'
import type { Outcomes } from '../fuse/tally.ts'
import type { RepositoryIdentity } from '../store/identity.ts'
import { KEPT_VARIABLES, SERVER_ENVIRONMENT } from '../system/protocol.ts'

export interface ServerConfig {
  /** Where the repository's directory was when the server began, or is since. */
  readonly repository: string
  /** Which repository it is; servers of older programs do not say it. */
  readonly identity?: RepositoryIdentity
  /** Where the superblock is mounted first. */
  readonly mountpoint: string
  /** Control socket, log and state of this server; mode 0700. */
  readonly runtimeDirectory: string
  /** mount(2), or fusermount3. */
  readonly isPrivileged: boolean
  readonly allowOther: boolean
  readonly xattrs: 'auto' | 'on' | 'off'
  readonly transport: 'kernel' | 'fuse-native'
  readonly readAheadKib: number
  readonly spinMicros: number
  /** Decode and store before it is asked for. */
  readonly ahead: boolean
  /** A server that does not answer the keeper for so long is replaced; 0: never. */
  readonly watchdogMs: number
  /** Use NOTIFY_RESEND where the kernel has it; else the journal. */
  readonly resend: boolean
  /** Whether inode numbers have 32 bits; older programs do not say it. */
  readonly inode32?: boolean
  /** Serve one commit (hex) and a raw path in it as the root. */
  readonly root:
    { readonly commit: string; readonly subdir: string } | undefined
  /** End when no mount but the first one is left. */
  readonly endsWhenUnused: boolean
  /** The first mount out of it is made by the launcher, which has yet to begin. */
  readonly isBoundByLauncher?: boolean
}

/** Whether it serves the root of a machine: its users are out of its sight. */
export const isForMachine = (
  config: Pick<ServerConfig, 'isPrivileged' | 'endsWhenUnused'>,
): boolean => config.isPrivileged && !config.endsWhenUnused

/** Message of the control thread to the serving one. */
export type ControlMessage =
  | { readonly type: 'refresh' }
  | { readonly type: 'stats' | 'reads'; readonly id: number }
  /** Say that you serve. */
  | { readonly type: 'ping'; readonly id: number }
  /** Have the kernel send again what is not answered. */
  | { readonly type: 'resend'; readonly id: number }
  /** Stop serving: another server takes over. */
  | { readonly type: 'pause' }
  /** Which of these commits (hex) are in use? They are not to be entered now. */
  | {
      readonly type: 'condemn'
      readonly id: number
      readonly commits: readonly string[]
    }
  /** They may be entered again. */
  | { readonly type: 'pardon'; readonly commits: readonly string[] }

/** Message of the serving thread to the control one. */
export type ServerMessage =
  | {
      readonly type: 'invalidate'
      readonly invalidations: readonly Invalidation[]
    }
  | { readonly type: 'paused' }
  | {
      readonly type: 'stats'
      readonly id: number
      readonly nodes: number
      readonly storedFiles: number
      readonly requests: Readonly<Record<string, number>>
      readonly outcomes: Outcomes
      readonly failures: Readonly<Record<string, number>>
    }
  | { readonly type: 'pong'; readonly id: number }
  | { readonly type: 'resent'; readonly id: number; readonly isDone: boolean }
  /** The kernel did not take the answer to a request, though it should. */
  | { readonly type: 'stray'; readonly request: string }
  | {
      readonly type: 'reads'
      readonly id: number
      /** In hex. */
      readonly objects: readonly string[]
    }
  | {
      readonly type: 'condemned'
      readonly id: number
      readonly inUse: readonly string[]
      readonly invalidations: readonly Invalidation[]
    }

export interface ServerStatistics {
  readonly pid: number
  /** 0 for a transport that has no keeper. */
  readonly keeperPid: number
  readonly mountpoint: string
  readonly repository: string
  readonly transport: string
  readonly xattrs: boolean
  /** Whether the kernel enforces ACLs; else none are shown. */
  readonly acls: boolean
  readonly nodes: number
  /** Files put into the page cache before they were asked for. */
  readonly storedFiles: number
  readonly rssBytes: number
  /** By kind. */
  readonly requests: Readonly<Record<string, number>>
  readonly outcomes: Outcomes
  readonly failures: Readonly<Record<string, number>>
}

/** Words that the serving and the control thread share. */
export const GATE = {
  /** The paused serving thread sleeps on it: closed (0), open, or the end. */
  state: 0,
  /** The socket to the keeper of the moment. */
  keeperSocket: 1,
  /** 1: the control thread has sent a message. */
  isCalled: 2,
  words: 3,
} as const

export const GATE_OPEN = 1
export const GATE_ENDING = 2

/** Nothing that changes what the server loads or where it looks. */
export const cleanEnvironment = (): NodeJS.ProcessEnv => {
  const environment: NodeJS.ProcessEnv = { ...SERVER_ENVIRONMENT }
  for (const name of KEPT_VARIABLES)
    if (process.env[name] !== undefined) environment[name] = process.env[name]
  return environment
}
