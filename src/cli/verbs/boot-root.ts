/** dendro boot-root */

import { Sysroot } from '../../sysroot/session.ts'
import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { bootRoot } from '../../machine/boot-root.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/boot-root.ts'
import { openRepository } from '../shared/open-repository.ts'
import { requireRoot } from '../../system/root-user.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands }) => {
    requireRoot('boot a deployment')
    // Nothing is pruned in an initramfs, and a server must not keep others from it.
    const repository = openRepository(global)
    const paths = sysrootPaths(global.sysroot)
    await bootRoot(
      new Sysroot(repository, paths),
      operands.deployment,
      operands.directory,
    )
  },
}
