/** The options of `dendro mount -o`. */

import { DendroError } from '../errors.ts'
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../system/mounts.ts'
import { hasSpareProcessor } from '../system/processors.ts'

export interface MountOptions {
  readonly suid: boolean
  readonly dev: boolean
  readonly exec: boolean
  readonly allowOther: boolean
  readonly xattrs: 'auto' | 'on' | 'off'
  readonly transport: 'kernel' | 'fuse-native'
  /** Inode numbers of 32 bits. */
  readonly inode32: boolean
  readonly readAheadKib: number
  readonly spinMicros: number
  /** Whether files are decoded and stored before they are asked for. */
  readonly ahead: boolean
  /** A silent server is replaced after so long; 0 is never. */
  readonly watchdogMs: number
  /** Whether the kernel is asked to send again what a dead server had in hand. */
  readonly resend: boolean
}

/**
 * What is set-user-ID and what is a device is shown but inert unless asked for.
 */
export const DEFAULT_MOUNT_OPTIONS: MountOptions = {
  suid: false,
  dev: false,
  exec: true,
  allowOther: false,
  xattrs: 'auto',
  transport: 'kernel',
  inode32: false,
  readAheadKib: hasSpareProcessor() ? 1024 : 128,
  spinMicros: hasSpareProcessor() ? 50 : 0,
  ahead: hasSpareProcessor(),
  watchdogMs: 10_000,
  resend: true,
}

const KNOWN =
  'ro, [no]suid, [no]dev, [no]exec, allow_other, xattr=auto|on|off, transport=kernel|fuse-native, inode32, readahead=KIB, spin=MICROSECONDS, ahead=on|off, watchdog=SECONDS, resend=on|off'

const bad = (option: string, why: string): DendroError =>
  new DendroError('USAGE', `bad mount option ${option}: ${why}`, {
    hint: `known are ${KNOWN}`,
  })

/**
 * Parses comma-separated options, the later ones winning; a sloppy reader passes
 * over those that are not there. Errors: `USAGE`.
 */
export const parseMountOptions = (
  texts: readonly string[],
  isSloppy = false,
): MountOptions => {
  let options = DEFAULT_MOUNT_OPTIONS
  for (const option of texts.flatMap(text => text.split(',')))
    if (option !== '') options = { ...options, ...parseOne(option, isSloppy) }
  return options
}

/** Options that are words alone: "suid=0" is none of them. */
const FLAGS: ReadonlyMap<string, Partial<MountOptions>> = new Map([
  ['ro', {}],
  ['suid', { suid: true }],
  ['dev', { dev: true }],
  ['exec', { exec: true }],
  ['nosuid', { suid: false }],
  ['nodev', { dev: false }],
  ['noexec', { exec: false }],
  ['allow_other', { allowOther: true }],
  ['inode32', { inode32: true }],
])

const parseOne = (option: string, isSloppy: boolean): Partial<MountOptions> => {
  const equals = option.indexOf('=')
  const name = equals < 0 ? option : option.slice(0, equals)
  const value = equals < 0 ? undefined : option.slice(equals + 1)
  const flag = FLAGS.get(name)
  if (flag !== undefined && value !== undefined)
    throw bad(option, 'it takes no value')
  if (flag !== undefined) return flag
  switch (name) {
    case 'rw':
      throw bad(option, 'commits are immutable, so a mount is read-only')
    case 'xattr':
      if (value === 'auto' || value === 'on' || value === 'off')
        return { xattrs: value }
      throw bad(option, 'it is auto, on or off')
    case 'transport':
      if (value === 'kernel' || value === 'fuse-native')
        return { transport: value }
      throw bad(option, 'it is kernel or fuse-native')
    case 'readahead':
      return { readAheadKib: number(option, value, 16 * 1024) }
    case 'spin':
      return { spinMicros: number(option, value, 1000) }
    case 'ahead':
      if (value === 'on' || value === 'off') return { ahead: value === 'on' }
      throw bad(option, 'it is on or off')
    case 'watchdog':
      return { watchdogMs: number(option, value, 3600) * 1000 }
    case 'resend':
      if (value === 'on' || value === 'off') return { resend: value === 'on' }
      throw bad(option, 'it is on or off')
    default:
      if (isSloppy) return {}
      throw bad(option, 'there is no such option')
  }
}

const number = (
  option: string,
  value: string | undefined,
  max: number,
): number => {
  if (value !== undefined && /^\d+$/.test(value) && Number(value) <= max)
    return Number(value)
  throw bad(option, `it is a number up to ${max}`)
}

/** The same as mount(8) takes them. */
export const bindOptions = (options: MountOptions): string =>
  [
    'ro',
    options.suid ? 'suid' : 'nosuid',
    options.dev ? 'dev' : 'nodev',
    options.exec ? 'exec' : 'noexec',
  ].join(',')

/** MS_* bits of a bind mount with these options. */
export const bindFlags = (options: MountOptions): number =>
  (options.suid ? 0 : MS_NOSUID) |
  (options.dev ? 0 : MS_NODEV) |
  (options.exec ? 0 : MS_NOEXEC)
