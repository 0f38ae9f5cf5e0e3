/**
 * Messages to the kernel that no request asked for.
 *
 * They may sleep on a lock that a request holds which the serving thread has
 * yet to answer: never send one from the serving thread.
 * Source: fs/fuse/dev.c, fuse_notify.
 */

import { shim } from '../system/native.ts'
import {
  FUSE_NOTIFY_INVAL_ENTRY,
  FUSE_NOTIFY_INVAL_INODE,
  FUSE_NOTIFY_RESEND,
  FUSE_NOTIFY_STORE,
  OUT_HEADER_BYTES,
} from './layout.ts'

export type Invalidation =
  /** Attributes and pages (also cached directory pages) of a node. */
  | { readonly kind: 'inode'; readonly nodeId: number }
  /** A name, found or known to be absent. */
  | { readonly kind: 'entry'; readonly parent: number; readonly name: string }

/** The bytes of a notification. Pure. */
export const encodeInvalidation = (invalidation: Invalidation): Buffer => {
  if (invalidation.kind === 'inode') {
    const bytes = Buffer.alloc(OUT_HEADER_BYTES + 24)
    bytes.writeUInt32LE(bytes.length, 0)
    bytes.writeInt32LE(FUSE_NOTIFY_INVAL_INODE, 4)
    bytes.writeBigUInt64LE(BigInt(invalidation.nodeId), OUT_HEADER_BYTES)
    return bytes
  }
  const name = Buffer.from(`${invalidation.name}\0`, 'latin1')
  const bytes = Buffer.alloc(OUT_HEADER_BYTES + 16 + name.length)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeInt32LE(FUSE_NOTIFY_INVAL_ENTRY, 4)
  bytes.writeBigUInt64LE(BigInt(invalidation.parent), OUT_HEADER_BYTES)
  bytes.writeUInt32LE(name.length - 1, OUT_HEADER_BYTES + 8)
  name.copy(bytes, OUT_HEADER_BYTES + 16)
  return bytes
}

/** Sends one; the kernel answers ENOENT for what it does not know, which is fine. */
export const sendInvalidation = (
  fd: number,
  invalidation: Invalidation,
): void => {
  const bytes = encodeInvalidation(invalidation)
  shim().writeParts(fd, bytes, bytes.length)
}

/**
 * Asks the kernel to send again what it sent and got no answer to. It sleeps
 * on nothing, so the serving thread may send it. Returns 0 or -errno.
 * Source: fs/fuse/dev.c, fuse_notify_resend; Linux 6.9.
 */
export const sendResend = (fd: number): number => {
  const bytes = Buffer.alloc(OUT_HEADER_BYTES)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeInt32LE(FUSE_NOTIFY_RESEND, 4)
  return Math.min(0, shim().writeParts(fd, bytes, bytes.length))
}

const STORE_BYTES = 24
const storeHead = Buffer.alloc(OUT_HEADER_BYTES + STORE_BYTES)

/**
 * Puts the whole content of a file, in parts, into the page cache. It sleeps while a page
 * is locked by a READ that is not answered: never from the serving thread.
 * Returns bytes written or -errno; -ENOENT when the kernel dropped the node.
 * Source: fs/fuse/dev.c, fuse_notify_store.
 */
export const storePages = (
  fd: number,
  nodeId: number,
  parts: readonly Buffer[],
): number => {
  const head = storeHead
  const rest: (Buffer | number)[] = []
  let length = 0
  for (const part of parts) {
    rest.push(part, 0, part.length)
    length += part.length
  }
  head.writeUInt32LE(head.length + length, 0)
  head.writeInt32LE(FUSE_NOTIFY_STORE, 4)
  head.writeUInt32LE(nodeId, OUT_HEADER_BYTES)
  head.writeUInt32LE(length, OUT_HEADER_BYTES + 16)
  return shim().writeParts(fd, head, head.length, ...rest)
}
