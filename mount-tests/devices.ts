/** The device files that an ordinary user's mount needs. */

import { statSync } from 'node:fs'
import type { TestContext } from './context.ts'

const OPEN_TO_ALL = 0o006

/**
 * Where no udev has opened them to everybody, this namespace gets some that
 * are: /dev/fuse is root's alone until then, and a machine may guard more.
 */
export const openDevices = (t: TestContext): void => {
  for (const [name, major, minor] of [
    ['fuse', 10, 229],
    ['null', 1, 3],
  ] as const) {
    const device = `/dev/${name}`
    if ((statSync(device).mode & OPEN_TO_ALL) === OPEN_TO_ALL) continue
    t.sh(
      'mknod -m 666 "$1" c "$3" "$4"; mount --bind "$1" "$2"',
      t.path(`device-${name}`),
      device,
      String(major),
      String(minor),
    )
  }
}
