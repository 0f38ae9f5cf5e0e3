/** Where root's programs keep what lasts until the next boot. */

import { existsSync, realpathSync } from './files.ts'
import { SHARED_BASE } from './protocol.ts'

/** The directory of root's programs; it need not be there yet. */
export const sharedBase = (): string =>
  // On a machine that booted from a deployment it is a link into the jail of
  // its server; /run is root's alone, so nobody else made that link.
  existsSync(SHARED_BASE) ? realpathSync(SHARED_BASE) : SHARED_BASE
