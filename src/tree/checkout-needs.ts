/**
 * What a tree asks of the file system it is checked out to, and whether that
 * can do it: asked before anything of the tree is written.
 */

import {
  closeSync,
  constants,
  lchownSync,
  linkSync,
  symlinkSync,
  unlinkSync,
} from '../system/files.ts'
import { DendroError, errnoOf } from '../errors.ts'
import { ACL_ACCESS, MINIMAL_ACL } from '../objects/acl-xattr.ts'
import { S_IFIFO } from '../objects/fs-object.ts'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import type { TreeLoader } from '../store/object-reader.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import { check, shim } from '../system/native.ts'
import { effectiveGroup, effectiveUser } from '../system/root-user.ts'
import { dropXattr, writeXattr } from '../system/xattr.ts'
import { walkTree } from './walk.ts'

export interface CheckoutNeeds {
  /** Names of all xattrs. */
  readonly xattrNames: ReadonlySet<string>
  readonly hasHardLinks: boolean
  readonly hasSymlinks: boolean
  /** Pipes, sockets and devices. */
  readonly hasNodes: boolean
  /** Owners other than the one that everything would get. */
  readonly hasOwners: boolean
}

/** Looks at every entry of a tree; reads no content. Errors: those of reading. */
export const needsOf = (
  store: TreeLoader,
  root: DirectoryObject,
): CheckoutNeeds => {
  const xattrNames = new Set<string>()
  const has = { links: false, symlinks: false, nodes: false, owners: false }
  const user = effectiveUser()
  const group = effectiveGroup()
  const look = (object: FsObject): void => {
    for (const { name } of object.xattrs) xattrNames.add(name)
    if (object.uid !== user || object.gid !== group) has.owners = true
    if (object.kind === 'directory') return
    if (object.links !== undefined) has.links = true
    if (object.kind === 'symlink') has.symlinks = true
    else if (object.kind !== 'file') has.nodes = true
  }
  look(root)
  for (const { object } of walkTree(store, root)) look(object)
  return {
    xattrNames,
    hasHardLinks: has.links,
    hasSymlinks: has.symlinks,
    hasNodes: has.nodes,
    hasOwners: has.owners,
  }
}

/** Whether only root may set the xattr `name`. */
export const isPrivilegedXattr = (name: string): boolean =>
  /^(?:security|trusted)\./.test(name)

/** An xattr of the kind of `name`, to try. */
const trialOf = (name: string): { name: string; value: string } =>
  name.startsWith('system.')
    ? { name: ACL_ACCESS, value: MINIMAL_ACL }
    : { name: `${name.slice(0, name.indexOf('.'))}.dendro`, value: '1' }

/** What says nothing of the kind of file system. */
const OTHER_FAULTS = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO'])

const OTHER = 'check out to another file system'

/** `what` is something that the file system of the target lacks. */
export const unfit = (
  what: string,
  cause: unknown,
  hint = OTHER,
): DendroError =>
  new DendroError(
    'UNSUPPORTED_FILE_SYSTEM',
    `the file system keeps no ${what}`,
    { hint, cause },
  )

/** Tries what a tree needs, in a directory of its own. */
class Trial {
  readonly #directory: DirectoryHandle

  constructor(directory: DirectoryHandle) {
    this.#directory = directory
  }

  /** Errors: `UNSUPPORTED_FILE_SYSTEM` where `work` is refused. */
  #attempt(what: string, hint: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      if (OTHER_FAULTS.has(errnoOf(error) ?? '')) throw error
      throw unfit(what, error, hint)
    }
  }

  xattrs(names: Iterable<string>): void {
    const path = this.#directory.itself
    const trials = new Map(
      [...names].map(n => [trialOf(n).name, trialOf(n).value]),
    )
    for (const [name, value] of trials) {
      const kind =
        name === ACL_ACCESS
          ? 'ACLs, which are xattrs'
          : `xattrs of the kind ${name.replace(/\..*/, '')}.*`
      this.#attempt(
        kind,
        'leave xattrs out with --no-xattrs, or check out to another file system',
        () => writeXattr(path, name, value),
      )
      dropXattr(path, name)
    }
  }

  owners(): void {
    const path = this.#directory.itself
    const { uid, gid } = this.#directory.status()
    this.#attempt('owners', `${OTHER}, or leave owners out with --user`, () =>
      lchownSync(path, uid + 1, gid + 1),
    )
    lchownSync(path, uid, gid)
  }

  hardLinks(): void {
    const file = this.#directory.at('a')
    const link = this.#directory.at('b')
    closeSync(
      this.#directory.openFile(
        'a',
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
        0o600,
      ),
    )
    try {
      this.#attempt('hard links', OTHER, () => linkSync(file, link))
      unlinkSync(link)
    } finally {
      unlinkSync(file)
    }
  }

  symlinks(): void {
    const link = this.#directory.at('a')
    this.#attempt('symbolic links', OTHER, () => symlinkSync('b', link))
    unlinkSync(link)
  }

  nodes(): void {
    const path = this.#directory.at('a')
    this.#attempt('pipes and devices', OTHER, () =>
      check(shim().mknod(path, S_IFIFO | 0o600, 0, 0), 'cannot make a pipe'),
    )
    unlinkSync(path)
  }
}

/**
 * Tries in the empty `directory`, which is ours, whether its file system can
 * hold a tree with these needs; leaves it empty.
 * Errors: `UNSUPPORTED_FILE_SYSTEM`, saying what it cannot hold.
 */
export const refuseUnfit = (
  directory: DirectoryHandle,
  needs: CheckoutNeeds,
  options: { readonly asUser?: boolean; readonly noXattrs?: boolean },
): void => {
  const trial = new Trial(directory)
  const isRoot = options.asUser !== true
  if (options.noXattrs !== true)
    trial.xattrs(
      [...needs.xattrNames].filter(name => isRoot || !isPrivilegedXattr(name)),
    )
  if (needs.hasOwners && isRoot && effectiveUser() === 0) trial.owners()
  if (needs.hasHardLinks) trial.hardLinks()
  if (needs.hasSymlinks) trial.symlinks()
  if (needs.hasNodes) trial.nodes()
}
