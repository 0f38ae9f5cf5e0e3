/** What the boot entry of a deployment shows and starts. */

import type { BootTarget } from './boot-entries.ts'
import { kernelPrefix } from './bootable.ts'
import type { Sysroot } from './session.ts'
import { commitOf } from './sysroot.ts'
import type { DeploymentId } from './sysroot.ts'

/** One whose commit is damaged has an entry that starts nothing. */
export const bootTargetOf = (
  sysroot: Sysroot,
  id: DeploymentId,
): BootTarget => {
  const version = sysroot.recordOf(id).version ?? id.commit.slice(0, 12)
  const release = sysroot.commits.release(commitOf(id))
  if (release === undefined)
    return { title: `${id.os} (${version}.${id.serial}), damaged`, version }
  const name = release.get('PRETTY_NAME') ?? release.get('NAME') ?? id.os
  const title = `${name} (${version}.${id.serial})`
  const kernel = sysroot.kernelOf(id)
  if (kernel === undefined) return { title, version }
  const at = `${kernelPrefix(sysroot.paths)}/${kernel.key}`
  return {
    title,
    version,
    linux: `${at}/vmlinuz`,
    ...(kernel.initrd === undefined ? {} : { initrd: `${at}/initrd.img` }),
  }
}
