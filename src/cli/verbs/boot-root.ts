/** dendro boot-root */

import { Sysroot } from '../../sysroot/session.ts'
import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { bootRoot } from '../../machine/boot-root.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { openRepository } from '../shared/open-repository.ts'
import { requireRoot } from '../../system/root-user.ts'

const usage = 'boot-root NAME DIR'

export const verb: Verb = {
  usage,
  summary:
    'in an initramfs: serve the repository and assemble a deployment at DIR\n\n' +
    'The server stays for as long as the machine runs. NAME is <os>/<commit>.<n>,\n' +
    'as the kernel command line has it.',
  run: async context => {
    const parsed = parseVerb(context, usage, {}, [2, 2])
    const [name, target] = parsed.positionals as [string, string]
    requireRoot('boot a deployment')
    // Nothing is pruned in an initramfs, and a server must not keep others from it.
    const repository = openRepository(context.global)
    const paths = sysrootPaths(context.global.sysroot)
    await bootRoot(new Sysroot(repository, paths), name, target)
  },
}
