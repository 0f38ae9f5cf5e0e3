/** dendro kargs */

import { changeKernelArguments } from '../../deploy/kernel-arguments.ts'
import { deploymentAt } from '../../deploy/switch.ts'
import { deploymentName } from '../../sysroot/sysroot.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { onWait, toIndex, withSysroot } from '../shared/open-sysroot.ts'
import { print, printJson } from '../shared/output.ts'

const usage =
  'kargs [N] [--append ARG]... [--delete ARG]... [--replace KEY=VALUE]...'

export const verb: Verb = {
  usage,
  summary:
    'show or change what the kernel of a deployment is told\n\n' +
    'N is the number that status shows, 0 by default. --delete KEY takes away every\n' +
    'argument of that name, --delete KEY=VALUE that one. --replace puts KEY=VALUE\n' +
    'where KEY stands, or at the end. The boot entry changes at once, and the next\n' +
    'deployment takes the arguments over.',
  run: async context => {
    const many = { type: 'string', multiple: true } as const
    const parsed = parseVerb(
      context,
      usage,
      { append: many, delete: many, replace: many },
      [0, 1],
    )
    const index = toIndex(parsed.positionals[0] ?? '0', usage)
    const change = {
      append: parsed.texts('append'),
      delete: parsed.texts('delete'),
      replace: parsed.texts('replace'),
    }
    const isChange = Object.values(change).some(list => list.length > 0)
    await withSysroot(context.global, async sysroot => {
      const deployment = isChange
        ? await changeKernelArguments(sysroot, index, change, onWait)
        : deploymentAt(sysroot.state, index)
      const words = deployment.kernelArguments ?? []
      if (context.global.json)
        printJson({
          deployment: deploymentName(deployment),
          kernelArguments: words,
        })
      else print(words.join(' '))
    })
  },
}
