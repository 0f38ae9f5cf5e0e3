/**
 * Refuses file objects that `decodeFsObject` would not take, when they are made.
 *
 * What comes from a file system and is beyond a limit is `LIMIT_EXCEEDED`; what
 * no file system gives (names that are not sorted, say) is a RangeError: a
 * mistake of the caller. Extents are checked where they are encoded.
 * Limits: docs/formats/file-object.md
 */

import type { FsObject, HardLinks, Xattr } from './fs-object.ts'
import {
  beyondLimit,
  LINK_GROUP_BYTES,
  MAX_DEVICE_MAJOR,
  MAX_DEVICE_MINOR,
  MAX_ID,
  MAX_MODE,
  MAX_NLINK,
  MAX_NSEC,
  MAX_TARGET_BYTES,
  MAX_XATTR_NAME_BYTES,
  MAX_XATTR_VALUE_BYTES,
  MAX_XATTRS,
} from './limits.ts'
import { kindOfMode } from './mode.ts'

const checkNumber = (what: string, value: number, max: number): void => {
  if (value >= 0 && value <= max) return
  throw beyondLimit(`its ${what} is ${value}`, max)
}

/** Seconds since 1970 fit a double exactly. Errors: `LIMIT_EXCEEDED`. */
export const checkTime = (seconds: number): void => {
  if (!Number.isSafeInteger(seconds))
    throw beyondLimit(
      `its time is ${seconds} s from 1970`,
      Number.MAX_SAFE_INTEGER,
    )
}

/** Errors: `LIMIT_EXCEEDED`, RangeError. */
export const checkFsObject = (object: FsObject): void => {
  if (object.mode > MAX_MODE || kindOfMode(object.mode) !== object.kind)
    throw new RangeError(`mode ${object.mode} of a ${object.kind}`)
  checkNumber('owner', object.uid, MAX_ID)
  checkNumber('group', object.gid, MAX_ID)
  checkTime(object.mtimeSec)
  checkNumber('time in nanoseconds', object.mtimeNsec, MAX_NSEC)
  checkXattrs(object.xattrs)
  if (object.kind !== 'directory') checkLinks(object.links)
  checkPayload(object)
}

const checkXattrs = (xattrs: readonly Xattr[]): void => {
  if (xattrs.length > MAX_XATTRS)
    throw beyondLimit(`it has ${xattrs.length} xattrs`, MAX_XATTRS)
  let previous = ''
  for (const { name, value } of xattrs) {
    if (name <= previous || name.includes('\0'))
      throw new RangeError(`xattr '${name}' behind '${previous}'`)
    if (name.length > MAX_XATTR_NAME_BYTES)
      throw beyondLimit(
        `the name of an xattr has ${name.length} bytes`,
        MAX_XATTR_NAME_BYTES,
      )
    if (value.length > MAX_XATTR_VALUE_BYTES)
      throw beyondLimit(
        `its xattr ${name} has ${value.length} bytes`,
        MAX_XATTR_VALUE_BYTES,
      )
    previous = name
  }
}

const checkLinks = (links: HardLinks | undefined): void => {
  if (links === undefined) return
  if (links.nlink < 2 || links.group.length !== LINK_GROUP_BYTES)
    throw new RangeError(`${links.nlink} hard links of a group`)
  checkNumber('number of hard links', links.nlink, MAX_NLINK)
}

const checkPayload = (object: FsObject): void => {
  switch (object.kind) {
    case 'file':
      checkNumber('size', object.sizeBytes, Number.MAX_SAFE_INTEGER)
      checkNumber('size without holes', object.dataBytes, object.sizeBytes)
      break
    case 'symlink':
      if (object.target.includes('\0'))
        throw new RangeError('NUL in a symlink target')
      if (object.target.length === 0)
        throw beyondLimit('its target has no byte', MAX_TARGET_BYTES)
      if (object.target.length > MAX_TARGET_BYTES)
        throw beyondLimit(
          `its target has ${object.target.length} bytes`,
          MAX_TARGET_BYTES,
        )
      break
    case 'directory':
      checkNumber('number of directories', object.subdirectories, MAX_NLINK - 2)
      break
    case 'char':
    case 'block':
      checkNumber('device major', object.major, MAX_DEVICE_MAJOR)
      checkNumber('device minor', object.minor, MAX_DEVICE_MINOR)
      break
    case 'fifo':
    case 'socket':
  }
}
