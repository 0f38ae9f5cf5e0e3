/**
 * Puts paths in a mounted /etc. Whoever is root in it may change it meanwhile:
 * every step goes from an open directory to one name, follows no link, and
 * leaves the overlay for no other mount.
 */

import { DendroError, errnoOf } from '../errors.ts'
import { kindOfMode } from '../objects/fs-object.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { renameFile, syncDirectory } from '../system/disk.ts'
import { temporaryName } from '../system/durable-file.ts'
import { constants } from '../system/files.ts'
import { openOnSameMount } from '../system/resolve.ts'
import { refuseUnwritable, shownEtcPath, unwritable } from './etc-target.ts'
import type { EtcTarget, PreparedPuts } from './etc-target.ts'
import type { EtcNode } from './etc-node.ts'
import { makeEtcNode, removeEtcNode, setMetadata } from './node-writer.ts'
import type { EtcPut } from './put-changes.ts'
import { ancestorsOf, isAtOrBelow, splitLast } from './raw-path.ts'

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY
const PREFIX = '.dendro'

/** Whether a raw path is a file on its way, which somebody killed has left. */
export const isLeftBehind = (path: string): boolean =>
  /(?:^|\/)\.dendro\.\d+\.[0-9a-f]{12}\.tmp$/.test(path)

/**
 * The overlay whose root is `root`, the caller's to close. `mounts` are raw
 * paths in it at which something else is mounted.
 */
export const mountedTarget = (
  root: DirectoryHandle,
  mounts: readonly string[],
): EtcTarget => ({
  prepare: puts => {
    const isPut = new Set(puts.map(({ path }) => path))
    for (const put of puts) {
      refuseMounts(mounts, put)
      // What is below a directory that is yet to be put is refused with it.
      if (!ancestorsOf(put.path).some(above => isPut.has(above)))
        refuse(root, put.path)
    }
    return carriedOut(root, puts)
  },
})

const carriedOut = (
  root: DirectoryHandle,
  puts: readonly EtcPut[],
): PreparedPuts => ({
  carryOut: onPut => {
    for (const put of puts) {
      onPut(put.path)
      try {
        if (put.path === '' && put.node !== undefined)
          setMetadata(root.itself, put.node)
        else inDirectoryOf(root, put.path, (at, name) => apply(at, name, put))
      } catch (error) {
        if (error instanceof DendroError) throw error
        throw unwritable(put.path, errnoOf(error), error)
      }
    }
  },
  close: () => undefined,
})

/** Has `work` do something in the directory of `path`, if that is in the overlay. */
const inDirectoryOf = (
  root: DirectoryHandle,
  path: string,
  work: (directory: DirectoryHandle, name: string) => void,
): void => {
  const [above, name] = splitLast(path)
  const directory = openIn(root, above, path)
  try {
    if (directory.status().dev !== root.status().dev) throw mountedOver(path)
    work(directory, name)
  } finally {
    directory.close()
  }
}

const openIn = (
  root: DirectoryHandle,
  above: string,
  path: string,
): DirectoryHandle => {
  try {
    return DirectoryHandle.of(openOnSameMount(root.fd, above, FLAGS))
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EXDEV') throw mountedOver(path)
    // Before Linux 5.6; then the device is all that tells.
    if (errno === 'ENOSYS') return root.beneath(above)
    if (errno !== 'ELOOP' && errno !== 'ENOTDIR') throw error
    throw notADirectory(path, above, error)
  }
}

/** The error for a path below something that is no directory. */
export const notADirectory = (
  path: string,
  above: string,
  cause?: unknown,
): DendroError =>
  new DendroError(
    'NOT_A_DIRECTORY',
    `cannot change ${shownEtcPath(path)}: ${shownEtcPath(above)} is a link or a file`,
    {
      cause,
      hint: `dendro etc reset ${shownEtcPath(above)} makes it a directory again`,
      data: { path },
    },
  )

const mountedOver = (path: string): DendroError =>
  new DendroError(
    'MOUNT_BUSY',
    `cannot change ${shownEtcPath(path)}: something is mounted over it`,
    {
      hint: 'umount takes that away, --keep leaves the path out',
      data: { path },
    },
  )

/** Refuses a put where something else is mounted. */
const refuseMounts = (
  mounts: readonly string[],
  { path, node }: EtcPut,
): void => {
  const isInMount = mounts.some(mount => isAtOrBelow(path, mount))
  const isAboveMount = mounts.some(mount => isAtOrBelow(mount, path))
  if (isInMount || (isAboveMount && node?.kind !== 'directory'))
    throw mountedOver(path)
}

const refuse = (root: DirectoryHandle, path: string): void => {
  if (path === '') return
  inDirectoryOf(root, path, (directory, name) => {
    refuseUnwritable(directory, undefined, splitLast(path)[0])
    if (directory.find(name) !== undefined)
      refuseUnwritable(directory, name, path)
  })
}

/** Makes `name` be the node, at once where that can be. */
const apply = (
  directory: DirectoryHandle,
  name: string,
  { node }: EtcPut,
): void => {
  const status = directory.find(name)
  const before = status === undefined ? undefined : kindOfMode(status.mode)
  if (node === undefined) {
    if (status === undefined) return
    removeEtcNode(directory, name)
  } else if (node.kind === 'directory' && before === 'directory')
    setMetadata(directory.at(name), node)
  else {
    const isDirectory = before === 'directory' || node.kind === 'directory'
    if (status !== undefined && isDirectory) removeEtcNode(directory, name)
    replace(directory, name, node)
  }
  syncDirectory(directory.itself)
}

const replace = (
  directory: DirectoryHandle,
  name: string,
  node: EtcNode,
): void => {
  const temporary = temporaryName(PREFIX)
  try {
    makeEtcNode(directory, temporary, node)
    renameFile(directory.at(temporary), directory.at(name))
  } catch (error) {
    try {
      removeEtcNode(directory, temporary)
    } catch {
      // The first error is the one to tell; the next change sweeps up.
    }
    throw error
  }
}
