/** dendro integrate */

import { integrate } from '../../machine/integrate.ts'
import { absolutePath } from '../../system/caller.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { print, printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

const usage = 'integrate [--no-initramfs] DIR'

export const verb: Verb = {
  usage,
  summary:
    'make the tree at DIR ready to be committed and booted\n\n' +
    'Puts this program with Node.js into usr/lib/dendro, its units and the parts of\n' +
    'the initramfs where they belong; makes /home, /opt, /root, /srv and /usr/local\n' +
    'links into /var; moves kernels from /boot to usr/lib/modules/<release>/vmlinuz\n' +
    'and makes initramfs.img beside them, with the initramfs-tools of the tree.',
  run: context => {
    const parsed = parseVerb(
      context,
      usage,
      { 'no-initramfs': { type: 'boolean' } },
      [1, 1],
    )
    requireRoot('integrate a tree')
    const root = absolutePath(parsed.positionals[0] as string)
    const { kernels, done } = integrate(root, {
      initramfs: !parsed.flag('no-initramfs'),
    })
    if (context.global.json) printJson({ kernels, done })
    else {
      for (const line of done) print(line)
      for (const release of kernels) print(`boots with ${release}`)
      if (kernels.length === 0)
        print('no kernel with an initramfs: the tree cannot boot a machine')
    }
  },
}
