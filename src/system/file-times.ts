/** Sets the modification time of a path, never following a link. */

import { lutimesSync, namedPath } from './files.ts'
import { check, tryShim } from './native.ts'

/**
 * To the nanosecond with the native shim; without it to about a microsecond,
 * which is what a double holds of seconds since 1970.
 */
export const setMtime = (path: Buffer, sec: number, nsec: number): void => {
  const native = tryShim()
  if (native === undefined) {
    const time = sec + nsec / 1e9
    lutimesSync(path, time, time)
    return
  }
  const result = native.setMtime(path, sec, nsec)
  if (result < 0) check(result, `cannot set the time of ${namedPath(path)}`)
}
