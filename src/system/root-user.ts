/** As whom the program acts, and whether it may do what only root may. */

import { DendroError } from '../errors.ts'

/** The effective user: a system call, so a loop asks before it begins. */
export const effectiveUser = (): number => process.geteuid?.() ?? 0

/** The effective group. */
export const effectiveGroup = (): number => process.getegid?.() ?? 0

export const isRoot = (): boolean => effectiveUser() === 0

/** Errors: `PERMISSION_DENIED`, naming what cannot be done. */
export const requireRoot = (what: string): void => {
  if (isRoot()) return
  throw new DendroError('PERMISSION_DENIED', `cannot ${what}: only root may`, {
    hint: 'run it with sudo',
  })
}
