/** The beginning of a boot: in the jail of the initramfs the root is put together. */

import { assembleRoot } from '../root/assemble.ts'
import { beginBoot } from '../root/begin-boot.ts'
import { deploymentParts } from '../root/enter.ts'
import type { Sysroot } from '../sysroot/session.ts'
import { deploymentName } from '../sysroot/sysroot.ts'
import { DendroError, errorLine } from '../errors.ts'
import { openPermanentView } from '../mount/mounting.ts'
import { siblingModule } from '../system/sibling-module.ts'
import type { Assembly } from './boot-assembly.ts'
import { prefetchProfile } from './profile.ts'

/**
 * Starts the server for good and assembles the root of the deployment `name`
 * at `target`. Where a launcher waits, this process becomes the server, its
 * control thread assembles, and it does not return: Node starts once in a boot.
 * Errors: `NO_DEPLOYMENT`, `NOT_DEPLOYABLE`, damage.
 */
export const bootRoot = async (
  sysroot: Sysroot,
  name: string,
  target: string,
): Promise<void> => {
  const { repository, paths, state } = sysroot
  const found = state.deployments.find(id => deploymentName(id) === name)
  if (found === undefined)
    throw new DendroError('NO_DEPLOYMENT', `there is no deployment ${name}`, {
      hint: 'dendro status lists them',
    })
  const layout = sysroot.layoutOf(found)
  prefetchProfile(repository, paths, found.os)
  try {
    beginBoot(paths, found)
  } catch (error) {
    // A store that is full or read-only boots all the same.
    process.stderr.write(`${errorLine(error)}\n`)
  }
  const parts = { ...deploymentParts(paths, found), sysroot: paths.root }
  const view = await openPermanentView(repository, served => {
    const first: Assembly = {
      repository: repository.paths.root,
      view: served,
      layout,
      parts,
      target,
    }
    return { module: siblingModule(import.meta.url, 'boot-control'), first }
  })
  assembleRoot(repository, view, layout, parts, target)
}
