/**
 * fusermount3(1), which mounts and unmounts for ordinary users.
 *
 * It opens the device, mounts it and sends the descriptor over a socket.
 */

import { spawn, spawnSync } from './spawn.ts'

const PROGRAM = 'fusermount3'
const PATH = '/usr/bin:/bin'

export interface FusermountResult {
  /** Whether it did what it was asked to. */
  readonly isDone: boolean
  /** What it said, without its name. */
  readonly complaint: string
  /** Why it could not be run at all: see spawn-failure.ts. */
  readonly error?: Error
}

/**
 * Mounts at `target`; the device comes by the socket whose other end is
 * `socket`. `options` are escaped already (bytes/mount-text.ts).
 */
export const mountByFusermount = (
  target: string,
  options: readonly string[],
  socket: number,
): FusermountResult => {
  const result = spawnSync(PROGRAM, ['-o', options.join(','), '--', target], {
    stdio: ['ignore', 'ignore', 'pipe', socket],
    env: { PATH, _FUSE_COMMFD: '3' },
    encoding: 'utf8',
  })
  if (result.error !== undefined)
    return { isDone: false, complaint: '', error: result.error }
  return {
    isDone: result.status === 0,
    complaint: withoutName(result.stderr),
  }
}

/** Unmounts what this user mounted. */
export const unmountByFusermount = (
  target: string,
  isLazy: boolean,
): Promise<FusermountResult> => {
  const args = ['-u', ...(isLazy ? ['-z'] : []), '--', target]
  const child = spawn(PROGRAM, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH, LC_ALL: 'C' },
  })
  let text = ''
  child.stderr.on('data', (data: Buffer) => (text += data.toString()))
  return new Promise(resolve => {
    child.on('error', error => resolve({ isDone: false, complaint: '', error }))
    child.on('close', status =>
      resolve({ isDone: status === 0, complaint: text.trim() }),
    )
  })
}

const withoutName = (text: string): string =>
  text.trim().replace(/^fusermount3: /, '')
