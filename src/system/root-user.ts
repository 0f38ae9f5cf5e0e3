/** Whether the program may do what only root may. */

import { DendroError } from '../errors.ts'

export const isRoot = (): boolean => process.geteuid?.() === 0

/** Errors: `PERMISSION_DENIED`, naming what cannot be done. */
export const requireRoot = (what: string): void => {
  if (isRoot()) return
  throw new DendroError('PERMISSION_DENIED', `cannot ${what}: only root may`, {
    hint: 'run it with sudo',
  })
}
