/** What a server process is told when it starts, and what it tells of itself. */

export interface ServerConfig {
  readonly repository: string
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
  /** Serve one commit (hex) and a raw path in it as the root. */
  readonly root:
    { readonly commit: string; readonly subdir: string } | undefined
  /** End when no mount but the first one is left. */
  readonly endsWhenUnused: boolean
}

/** Message of the control thread to the serving one. */
export type ControlMessage =
  { readonly type: 'refresh' } | { readonly type: 'stats'; readonly id: number }

export interface ServerStatistics {
  readonly pid: number
  readonly mountpoint: string
  readonly repository: string
  readonly transport: string
  readonly xattrs: boolean
  readonly nodes: number
  readonly rssBytes: number
  readonly requests: Readonly<Record<string, number>>
  readonly failures: Readonly<Record<string, number>>
}

export const CONTROL_SOCKET = 'control.sock'
export const SERVER_STATE = 'server.json'
export const SERVER_LOG = 'server.log'
/** The descriptor on which the starting process waits for "ready". */
export const READY_FD = 3
