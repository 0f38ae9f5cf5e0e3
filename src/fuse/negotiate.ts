/** INIT: what the kernel offers, what is taken of it. */

import { FuseErrno } from './handler.ts'
import * as kernel from './layout.ts'
import type { InitReply } from './reply.ts'
import type { Request } from './request.ts'

/** READs are at most max_pages long, replies to READDIR too. */
export const MAX_PAGES = 256
const MAX_WRITE = 4096
const MAX_BACKGROUND = 64
/** The first one with all that is relied upon (Linux 5.4). */
const MIN_MINOR = 31
const EXTENDED_INIT_BYTES = 104

/** What INIT settled; a server that takes over is not told again. */
export interface Negotiated {
  minor: number
  flags: number
  flags2: number
}

export interface Wishes {
  /** Whether the kernel enforces POSIX ACLs of the trees. */
  readonly posixAcl: boolean
  readonly maxReadaheadBytes: number
  /** Whether NOTIFY_RESEND is negotiated where the kernel offers it. */
  readonly resend: boolean
}

/** The answer to INIT; throws EINVAL to a kernel that is too old. */
export const negotiate = (
  request: Request,
  { posixAcl, maxReadaheadBytes, resend }: Wishes,
): InitReply => {
  const major = request.u32(0)
  const minor = request.u32(4)
  if (major < kernel.FUSE_KERNEL_VERSION || minor < MIN_MINOR)
    throw FuseErrno.of(kernel.EINVAL)
  const offered = request.u32(12)
  const isExtended =
    (offered & kernel.FUSE_INIT_EXT) !== 0 &&
    request.lengthBytes >= EXTENDED_INIT_BYTES
  const offered2 = isExtended ? request.u32(16) : 0
  let wanted =
    kernel.FUSE_ASYNC_READ |
    kernel.FUSE_DO_READDIRPLUS |
    kernel.FUSE_NO_OPEN_SUPPORT |
    kernel.FUSE_PARALLEL_DIROPS |
    kernel.FUSE_MAX_PAGES |
    kernel.FUSE_CACHE_SYMLINKS |
    kernel.FUSE_NO_OPENDIR_SUPPORT |
    kernel.FUSE_EXPLICIT_INVAL_DATA |
    kernel.FUSE_INIT_EXT
  if (posixAcl) wanted |= kernel.FUSE_POSIX_ACL
  // The ids in requests are not looked at, so a mount may map them.
  const wanted2 =
    kernel.FUSE_ALLOW_IDMAP | (resend ? kernel.FUSE_HAS_RESEND : 0)
  return {
    minor: Math.min(minor, kernel.FUSE_KERNEL_MINOR_VERSION),
    maxReadahead: Math.min(request.u32(8), maxReadaheadBytes),
    flags: (offered & wanted) >>> 0,
    flags2: offered2 & wanted2,
    maxBackground: MAX_BACKGROUND,
    maxWrite: MAX_WRITE,
    maxPages: MAX_PAGES,
  }
}
