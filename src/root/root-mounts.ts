/**
 * Mounts in a root, seen from outside. Every path is resolved as a process in
 * the root would, from a descriptor of its "/": a link in it, whoever made it,
 * never leads out (openat2(2), RESOLVE_IN_ROOT).
 */

import {
  closeSync,
  constants,
  descriptorPath,
  readlinkSync,
} from '../system/files.ts'
import { bytesToText, textToBytes } from '../bytes/byte-text.ts'
import { latin1ToBytes, textToLatin1 } from '../bytes/latin1.ts'
import { escapeOption } from '../bytes/mount-text.ts'
import { DendroError } from '../errors.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { O_PATH } from '../system/held-path.ts'
import { MS_BIND, MS_REMOUNT, mountAt } from '../system/mounts.ts'
import { openInRoot } from '../system/resolve.ts'
import { placeOfTmp } from './mount-points.ts'

const { O_DIRECTORY, S_IFLNK, S_IFMT } = constants

export interface OverlayLayer {
  readonly upper: string
  readonly work: string
}

const escape = (path: string): string => escapeOption(path, 'colon')

/** Options that keep the layer plain: what is in it is what was changed. */
const OVERLAY_OPTIONS = 'redirect_dir=on,index=off,metacopy=off,xino=off'

export const overlayOptions = (
  lower: string,
  { upper, work }: OverlayLayer,
): string =>
  `lowerdir=${escape(lower)},upperdir=${escape(upper)},workdir=${escape(work)},${OVERLAY_OPTIONS}`

export class RootMounts {
  /** The directory "/" of the root, as it is mounted. */
  readonly top: DirectoryHandle
  readonly #shown: string

  /** `target` is the mounted root; a real path. */
  constructor(target: string) {
    this.top = DirectoryHandle.open(textToBytes(target))
    this.#shown = target
  }

  /**
   * Calls `use` with a path of the directory that `path` (relative, text) is in
   * the root; the path holds until `use` returns. Errors: `IO_ERROR`.
   */
  within<T>(path: string, use: (at: string) => T): T {
    let fd: number
    try {
      fd = openInRoot(this.top.fd, textToLatin1(path), O_PATH | O_DIRECTORY)
    } catch (error) {
      throw new DendroError(
        'IO_ERROR',
        `cannot mount at ${this.#shown}/${path}: there is no such directory in the root`,
        { cause: error, hint: 'make it there, or take the link away' },
      )
    }
    try {
      return use(descriptorPath(fd))
    } finally {
      closeSync(fd)
    }
  }

  /** Where `path` leads, as a path in the root. Errors: `IO_ERROR`. */
  resolve(path: string): string {
    const top = readlinkSync(descriptorPath(this.top.fd))
    return this.within(path, at => readlinkSync(at)).slice(top.length + 1)
  }

  /** Where /tmp is a link to; see mount-points.ts. */
  placeOfTmp(): ReturnType<typeof placeOfTmp> {
    const status = this.top.find('tmp')
    return status !== undefined && (status.mode & S_IFMT) === S_IFLNK
      ? placeOfTmp(this.top.readLink('tmp'))
      : undefined
  }

  /** Whether there is a directory at `path` in the root. */
  has(path: string): boolean {
    try {
      return this.within(path, () => true)
    } catch {
      return false
    }
  }

  /** mount(2) at the directory `path` of the root. */
  mount(
    source: string,
    path: string,
    type: string,
    flags: number,
    data = '',
  ): void {
    this.within(path, at =>
      mountAt(source, at, type, flags, data, `${this.#shown}/${path}`),
    )
  }

  /** Shows the directory `source` at `path`, with `flags` of its own if given. */
  bind(source: string, path: string, flags?: number): void {
    this.mount(source, path, 'none', MS_BIND)
    if (flags === undefined) return
    // Opened again: it is the mount now.
    this.mount('none', path, 'none', MS_BIND | MS_REMOUNT | flags)
  }

  /** The same for a file `name` (latin1) of the top directory that is no link. */
  bindFile(source: string, name: string, flags: number): void {
    const at = bytesToText(this.top.at(name))
    const shown = `${this.#shown}/${bytesToText(latin1ToBytes(name))}`
    mountAt(source, at, 'none', MS_BIND, '', shown)
    mountAt('none', at, 'none', MS_BIND | MS_REMOUNT | flags, '', shown)
  }

  close(): void {
    this.top.close()
  }
}
