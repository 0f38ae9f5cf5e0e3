/**
 * Builds a runnable root at a directory: /usr out of the view, /etc an overlay
 * of defaults and layer, /var shared by the OS, and everything else of the
 * commit as it is, read-only.
 *
 * The root itself is a small tmpfs with the links and mount points, so that
 * commits need not have them.
 */

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from '../system/files.ts'
import { join } from 'node:path'
import { latin1ToBytes, textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import {
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  mountAt,
  unmountAt,
} from '../fuse/device.ts'
import { digestToHex } from '../objects/digest.ts'
import type { Repository } from '../store/repository.ts'
import { readMountTable } from '../system/mount-table.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { lookUpPath } from '../tree/lookup.ts'
import type { CommitLayout } from './commit-layout.ts'
import { dropRecordsOf, recordLayer } from './mounted-layers.ts'
import type { LayerRecord } from './mounted-layers.ts'
import { PACKAGE_DATABASES } from './packages.ts'

const MS_REC = 16384

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

/** Mount points that a root needs whatever the commit has. */
const MOUNT_POINTS: ReadonlyMap<string, number> = new Map([
  ['dev', 0o755],
  ['etc', 0o755],
  ['proc', 0o555],
  ['run', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['var', 0o755],
])

/** Overlayfs takes these characters of a path escaped. */
const escape = (path: string): string => path.replace(/[\\,:]/g, '\\$&')

/** Options that keep the layer plain: what is in it is what was changed. */
const OVERLAY_OPTIONS = 'redirect_dir=on,index=off,metacopy=off,xino=off'

const mountOverlay = (
  source: string,
  lower: string,
  { upper, work }: { upper: string; work: string },
  target: string,
): void =>
  mountAt(
    source,
    target,
    'overlay',
    MS_NODEV,
    `lowerdir=${escape(lower)},upperdir=${escape(upper)},workdir=${escape(work)},${OVERLAY_OPTIONS}`,
  )

const bind = (source: string, target: string, flags?: number): void => {
  mountAt(source, target, 'none', MS_BIND)
  if (flags !== undefined)
    mountAt('none', target, 'none', MS_BIND | MS_REMOUNT | flags)
}

/**
 * Mounts a root of `layout` at `target`, an empty directory. `view` is the
 * mounted view of the repository. Nothing is left mounted when it throws. The
 * record is that of `parts.recorded`. Errors: `MOUNT_BUSY`, system errors.
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
  const commit = join(view, 'commits', digestToHex(layout.id))
  try {
    if (parts.whole === undefined)
      makeSkeleton(repository, commit, layout, target)
    else {
      mountOverlay('dendro-instance', commit, parts.whole, target)
      makeMountPoints(target)
    }
    mountPart(
      'dendro-etc',
      join(commit, layout.defaultsPath),
      parts.etc,
      join(target, 'etc'),
    )
    mountPart('dendro-var', join(commit, 'var'), parts.var, join(target, 'var'))
    if (parts.var.kind === 'bind')
      showDatabases(repository, commit, layout, target)
    if (parts.sysroot !== undefined) showSysroot(parts.sysroot, target)
    if (parts.whole === undefined)
      mountAt('none', target, 'none', MS_BIND | MS_REMOUNT | MS_RDONLY)
    return parts.recorded === undefined
      ? undefined
      : recordLayer(
          parts.recorded.upper,
          join(target, 'etc'),
          parts.recorded.isEntered,
        )
  } catch (error) {
    unmountAt(target, MNT_DETACH)
    throw error
  }
}

const mountPart = (
  name: string,
  lower: string,
  part: RootPart,
  target: string,
): void => {
  if (part.kind === 'bind') bind(part.source, target)
  else if (existsSync(lower)) mountOverlay(name, lower, part, target)
  else bind(part.upper, target)
}

/** The root directory: links and directories of the commit, and what lacks. */
const makeSkeleton = (
  repository: Repository,
  commit: string,
  layout: CommitLayout,
  target: string,
): void => {
  const { root } = layout
  const mode = (root.mode & 0o7777).toString(8)
  mountAt('dendro-root', target, 'tmpfs', MS_NODEV, `mode=${mode},size=1m`)
  chownSync(target, root.uid, root.gid)
  const at = (name: string) => latin1ToBytes(`${textToLatin1(target)}/${name}`)
  for (const { name, object } of repository.loadTree(root.tree).entries) {
    if (object.kind === 'symlink')
      symlinkSync(latin1ToBytes(object.target), at(name))
    else if (object.kind === 'directory') {
      mkdirSync(at(name))
      chownSync(at(name), object.uid, object.gid)
      chmodSync(at(name), object.mode & 0o7777)
      const isEmpty = repository.loadTree(object.tree).entries.length === 0
      if (isEmpty || MOUNT_POINTS.has(name)) continue
      // Names of directories under / are text; others stay empty.
      if (/^[\x20-\x7e]+$/.test(name))
        bind(join(commit, name), join(target, name), MS_RDONLY | MS_NODEV)
    } else if (object.kind === 'file' && /^[\x20-\x7e]+$/.test(name)) {
      writeFileSync(at(name), '')
      bind(join(commit, name), join(target, name), MS_RDONLY | MS_NODEV)
    }
  }
  makeMountPoints(target)
}

const makeMountPoints = (target: string): void => {
  for (const [name, bits] of MOUNT_POINTS) {
    if (existsSync(join(target, name))) continue
    mkdirSync(join(target, name))
    chmodSync(join(target, name), bits)
  }
}

/** The package database is the commit's: it tells what is in /usr. */
const showDatabases = (
  repository: Repository,
  commit: string,
  layout: CommitLayout,
  target: string,
): void => {
  for (const path of PACKAGE_DATABASES) {
    if (lookUpPath(repository, layout.root, path)?.kind !== 'directory')
      continue
    if (!existsSync(join(target, path))) continue
    bind(
      join(commit, path),
      join(target, path),
      MS_RDONLY | MS_NODEV | MS_NOSUID,
    )
  }
}

/** Commands inside find deployments and repository where they always look. */
const showSysroot = (sysroot: string, target: string): void => {
  const at = (name: string) => join(target, name)
  for (const name of ['sysroot', 'boot'])
    if (!existsSync(at(name))) mkdirSync(at(name), 0o755)
  bind(sysroot, at('sysroot'))
  if (existsSync(join(sysroot, 'boot'))) bind(join(sysroot, 'boot'), at('boot'))
  if (!existsSync(at('dendro'))) symlinkSync('sysroot/dendro', at('dendro'))
}

/** What programs expect of a machine, for a root that is entered and not booted. */
export const mountInterfaces = (target: string): void => {
  mountAt('/dev', join(target, 'dev'), 'none', MS_BIND | MS_REC)
  mountAt('/sys', join(target, 'sys'), 'none', MS_BIND | MS_REC)
  const flags = MS_NOSUID | MS_NODEV
  mountAt('dendro-run', join(target, 'run'), 'tmpfs', flags, 'mode=0755')
  mountAt('dendro-tmp', join(target, 'tmp'), 'tmpfs', flags, 'mode=1777')
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
  for (const { mountpoint } of inside) unmountAt(mountpoint, MNT_DETACH)
  const left = new Set(readMountTable().map(({ device }) => device))
  for (const entry of inside) if (!left.has(entry.device)) dropRecordsOf(entry)
}
