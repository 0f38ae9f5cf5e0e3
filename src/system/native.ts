/**
 * The only place that loads the native shim.
 *
 * `shim()` throws `NATIVE_UNAVAILABLE` where it is needed and missing;
 * `tryShim()` is for callers with another way. `check` turns a negative result
 * into an error that names the call and the path.
 */

import { createRequire } from 'node:module'
import { errnoName } from './errno.ts'
import { existsSync } from './files.ts'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Shim } from '../../native-shim/shim.d.ts'
import { DendroError, wrapSystemError } from '../errors.ts'

/** Directory of the package: the nearest one above that holds package.json. */
export const packageRoot = (): string => {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'native-shim'))) {
    const parent = dirname(directory)
    if (parent === directory) return directory
    directory = parent
  }
  return directory
}

/** A file of the native part. */
export const nativePath = (name: string): string =>
  join(packageRoot(), 'native-shim', name)

// A module is loaded once a process, or fails to be.
let loaded: Shim | undefined
let failure: unknown

/** The shim, or undefined when it was not built or does not load here. */
export const tryShim = (): Shim | undefined => {
  if (loaded !== undefined || failure !== undefined) return loaded
  if (process.env['DENDRO_NO_SHIM'] === '1') {
    failure = new Error('DENDRO_NO_SHIM=1 is set')
    return undefined
  }
  try {
    const require = createRequire(import.meta.url)
    loaded = require(nativePath('shim.node')) as Shim
  } catch (error) {
    failure = error
  }
  return loaded
}

/** The shim. Errors: `NATIVE_UNAVAILABLE`. */
export const shim = (): Shim => {
  const found = tryShim()
  if (found !== undefined) return found
  const why = failure instanceof Error ? failure.message.split('\n')[0] : ''
  throw new DendroError(
    'NATIVE_UNAVAILABLE',
    `the native part cannot be loaded: ${why}`,
    { cause: failure, hint: 'install a C compiler and run scripts/build-shim' },
  )
}

/** Passes a result through; throws for -errno, naming `what` was done. */
export const check = (result: number, what: string): number => {
  if (result >= 0) return result
  const name = errnoName(-result)
  const error = Object.assign(new Error(name), { code: name })
  throw wrapSystemError(what, error)
}
