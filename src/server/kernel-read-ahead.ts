/** How far the kernel reads ahead in the files of a mount. */

import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { readdirSync, writeFileSync } from '../system/files.ts'
import { writeNote } from '../system/standard-streams.ts'

const BACKING_DEVICES = '/sys/class/bdi'

/**
 * Sets the window of `device` ("0:52") in KiB: it is small by default, and only
 * root may raise it. Where sysfs does not show the device, it stays as it is;
 * what is refused is told in the log.
 */
export const setKernelReadAhead = (
  device: string,
  kib: number,
  backingDevices = BACKING_DEVICES,
): void => {
  const path = join(backingDevices, device, 'read_ahead_kb')
  try {
    if (readdirSync(backingDevices).includes(device))
      writeFileSync(path, String(kib))
  } catch (error) {
    writeNote(`dendro: cannot set ${path}: ${errnoOf(error)}\n`)
  }
}
