/** dendro integrate */

import { integrate } from '../../machine/integrate.ts'
import { absolutePath } from '../../system/caller.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/integrate.ts'
import { print, printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

export const verb: Verb<typeof definition> = {
  run: ({ global, operands, options }) => {
    requireRoot('integrate a tree')
    const root = absolutePath(operands.directory)
    const { kernels, done } = integrate(root, {
      initramfs: !options['no-initramfs'],
    })
    if (global.json) printJson({ kernels, done })
    else {
      for (const line of done) print(line)
      for (const release of kernels) print(`boots with ${release}`)
      if (kernels.length === 0)
        print('no kernel with an initramfs: the tree cannot boot a machine')
    }
  },
}
