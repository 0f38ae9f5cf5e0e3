/**
 * The options that mount(8) and fstab(5) give a helper along with our own.
 *
 * They name what others do (when systemd mounts, who may mount), what mount(8)
 * adds of itself (`rw`), what a mount of commits is anyway (no access times are
 * kept), and what the kernel tells of a FUSE mount on a remount.
 */

export interface FstabOptions {
  /** For `parseMountOptions`. */
  readonly own: readonly string[]
  /** A directory of the commit, by `subdir=`. */
  readonly subdir: string | undefined
  readonly isRemount: boolean
}

const FOREIGN: ReadonlySet<string> = new Set([
  ...['remount', 'defaults', 'auto', 'noauto', 'nofail', '_netdev', 'rw'],
  ...['user', 'nouser', 'users', 'nousers', 'owner', 'noowner'],
  ...['group', 'nogroup', 'sync', 'async', 'dirsync', 'silent', 'loud'],
  ...['atime', 'noatime', 'diratime', 'nodiratime', 'relatime'],
  ...['norelatime', 'strictatime', 'nostrictatime', 'lazytime', 'nolazytime'],
  ...['mand', 'nomand', 'iversion', 'noiversion'],
  ...['comment', 'helper', 'uhelper'],
  ...['rootmode', 'user_id', 'group_id', 'default_permissions', 'max_read'],
  ...['blksize', 'fsname', 'subtype', 'fd'],
])

const isForeign = (name: string): boolean =>
  FOREIGN.has(name) || /^x-/i.test(name)

/**
 * Sorts comma-separated options.
 *
 * On a remount they begin with what the mount table says when it was that which
 * mount(8) looked into. Then `suid` and `dev` are not said but `nosuid` and
 * `nodev` left out, and `rw` was asked for. What comes from fstab says neither.
 */
export const sortFstabOptions = (texts: readonly string[]): FstabOptions => {
  const options = texts.flatMap(text => text.split(','))
  const isRemount = options.includes('remount')
  const isComplete = isRemount && options.some(o => o.startsWith('user_id='))
  const own = isComplete ? ['suid', 'dev'] : []
  let subdir: string | undefined
  for (const option of options) {
    const [name = '', ...value] = option.split('=')
    if (name === 'subdir') subdir = value.join('=')
    else if (!isForeign(name) || (name === 'rw' && isComplete)) own.push(option)
  }
  return { own, subdir, isRemount }
}
