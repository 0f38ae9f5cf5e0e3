/**
 * Builds a runnable root at a directory: /usr out of the view, /etc an overlay
 * of defaults and layer, /var shared by the OS, and everything else of the
 * commit as it is, read-only.
 */

import {
  constants,
  existsSync,
  mkdirSync,
  symlinkSync,
} from '../system/files.ts'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import {
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOSUID,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  UMOUNT_NOFOLLOW,
  mountAt,
  unmountAt,
} from '../system/mounts.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import { readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { lookUpPath } from '../tree/lookup.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import { dropRecordsOf, recordLayer } from '../sysroot/mounted-layers.ts'
import type { LayerRecord } from '../sysroot/mounted-layers.ts'
import { requireMountPoints } from './mount-points.ts'
import { PACKAGE_DATABASES } from '../packages/packages.ts'
import { RootMounts, overlayOptions } from './root-mounts.ts'
import { makeMountPoints, makeSkeleton, makeTmp } from './skeleton.ts'

const { S_IFDIR, S_IFMT } = constants

/** Where the writable parts of a root come from. */
export type RootPart =
  /** An overlay over what the commit has there. */
  | { readonly kind: 'overlay'; readonly upper: string; readonly work: string }
  /** A directory or mount as it is. */
  | { readonly kind: 'bind'; readonly source: string }

export interface RootParts {
  readonly etc: RootPart
  readonly var: RootPart
  /** An overlay over the whole commit, for instances that may change all of it. */
  readonly whole?: Extract<RootPart, { kind: 'overlay' }>
  /** The sysroot, shown at /sysroot with its /boot, for a machine that boots. */
  readonly sysroot?: string
  /**
   * The layer of /etc, by which others find it mounted: its upper directory,
   * and whether this namespace was made for who is entered.
   */
  readonly recorded?: { readonly upper: string; readonly isEntered: boolean }
}

/**
 * Mounts a root of `layout` at `target`, an empty directory. `view` is the
 * mounted view of the repository. Nothing is left mounted when it throws. The
 * record is that of `parts.recorded`. Errors: `MOUNT_BUSY`, `NOT_DEPLOYABLE`,
 * system errors.
 */
export const assembleRoot = (
  repository: Repository,
  view: string,
  layout: CommitLayout,
  parts: RootParts,
  target: string,
): LayerRecord | undefined => {
  if (readMountTable().some(({ mountpoint }) => mountpoint === target))
    throw new DendroError(
      'MOUNT_BUSY',
      `cannot assemble a root at ${target}: something is mounted there`,
      { hint: `dendro root release ${target}` },
    )
  requireMountPoints(repository, layout)
  const commit = join(view, 'commits', digestToHex(layout.id))
  let mounts: RootMounts | undefined
  try {
    mounts = mountTop(repository, commit, layout, parts, target)
    const { etc, recorded } = parts
    mountPart(mounts, 'etc', join(commit, layout.defaultsPath), etc)
    mountPart(mounts, 'var', join(commit, 'var'), parts.var)
    if (parts.var.kind === 'bind')
      showDatabases(mounts, repository, commit, layout)
    if (parts.sysroot !== undefined) showSysroot(mounts, parts.sysroot)
    if (parts.whole === undefined)
      mountAt('none', target, 'none', MS_BIND | MS_REMOUNT | MS_RDONLY)
    return recorded === undefined
      ? undefined
      : mounts.within('etc', at =>
          recordLayer(recorded.upper, at, recorded.isEntered),
        )
  } catch (error) {
    unmountAt(target, MNT_DETACH)
    throw error
  } finally {
    mounts?.close()
  }
}

const mountTop = (
  repository: Repository,
  commit: string,
  layout: CommitLayout,
  { whole }: RootParts,
  target: string,
): RootMounts => {
  if (whole === undefined)
    return makeSkeleton(repository, commit, layout, target)
  const options = overlayOptions(commit, whole)
  mountAt('dendro-instance', target, 'overlay', MS_NODEV, options)
  const mounts = new RootMounts(target)
  makeMountPoints(mounts)
  return mounts
}

const mountPart = (
  mounts: RootMounts,
  name: 'etc' | 'var',
  lower: string,
  part: RootPart,
): void => {
  if (part.kind === 'bind') mounts.bind(part.source, name)
  else if (!existsSync(lower)) mounts.bind(part.upper, name)
  else {
    const options = overlayOptions(lower, part)
    mounts.mount(`dendro-${name}`, name, 'overlay', MS_NODEV, options)
  }
}

/** The package database is the commit's: it tells what is in /usr. */
const showDatabases = (
  mounts: RootMounts,
  repository: Repository,
  commit: string,
  { root }: CommitLayout,
): void => {
  for (const path of PACKAGE_DATABASES)
    if (
      lookUpPath(repository, root, path)?.kind === 'directory' &&
      mounts.has(path)
    )
      mounts.bind(join(commit, path), path, MS_RDONLY | MS_NODEV | MS_NOSUID)
}

/** Commands inside find deployments and repository where they always look. */
const showSysroot = (mounts: RootMounts, sysroot: string): void => {
  const { top } = mounts
  for (const name of ['sysroot', 'boot'])
    if (top.find(name) === undefined) mkdirSync(top.at(name), 0o755)
  mounts.bind(sysroot, 'sysroot')
  if (mounts.placeOfTmp() === 'sysroot/tmp') makeTmp(top, 'sysroot')
  const boot = join(sysroot, 'boot')
  // A link leads to /sysroot/boot, or is meant otherwise by who made it.
  if (existsSync(boot) && (top.status('boot').mode & S_IFMT) === S_IFDIR)
    mounts.bind(boot, 'boot')
  if (top.find('dendro') === undefined)
    symlinkSync('sysroot/dendro', top.at('dendro'))
}

/** What programs expect of a machine, for a root that is entered and not booted. */
export const mountInterfaces = (target: string): void => {
  const mounts = new RootMounts(target)
  try {
    mounts.mount('/dev', 'dev', 'none', MS_BIND | MS_REC)
    mounts.mount('/sys', 'sys', 'none', MS_BIND | MS_REC)
    const flags = MS_NOSUID | MS_NODEV
    mounts.mount('dendro-run', 'run', 'tmpfs', flags, 'mode=0755')
    mountTmp(mounts, flags)
  } finally {
    mounts.close()
  }
}

/** A /tmp that leads to /var/tmp stays what it is there. */
const mountTmp = (mounts: RootMounts, flags: number): void => {
  if (mounts.placeOfTmp() === 'var/tmp') makeTmp(mounts.top, 'var')
  if (!mounts.resolve('tmp').startsWith('var/'))
    mounts.mount('dendro-tmp', 'tmp', 'tmpfs', flags, 'mode=1777')
}

/** Unmounts an assembled root with all that is in it. Errors: `NOT_MOUNTED`. */
export const releaseRoot = (target: string): void => {
  const isRoot = readMountTable().some(
    ({ mountpoint, source }) =>
      mountpoint === target &&
      (source === 'dendro-root' || source === 'dendro-instance'),
  )
  if (!isRoot)
    throw new DendroError('NOT_MOUNTED', `no root is assembled at ${target}`, {
      hint: 'findmnt -t tmpfs,overlay lists the mounts',
    })
  const isInside = ({ mountpoint }: MountEntry) =>
    mountpoint === target || mountpoint.startsWith(`${target}/`)
  // Detached from the leaves up, so that /etc and /var are written back first.
  const inside = readMountTable().filter(isInside).reverse()
  for (const { mountpoint } of inside)
    unmountAt(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW)
  const left = new Set(readMountTable().map(({ device }) => device))
  for (const entry of inside) if (!left.has(entry.device)) dropRecordsOf(entry)
}
