/** What the kernel of a deployment is told, besides the deployment's name. */

import { DendroError } from '../errors.ts'
import { lostInGrub } from '../sysroot/kernel-words.ts'
import { deploymentAt } from './switch.ts'
import {
  isKernelArgument,
  isSameDeployment,
  shortName,
} from '../sysroot/sysroot.ts'
import type { Sysroot } from '../sysroot/session.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'
import { withTransaction } from '../sysroot/transaction.ts'

export interface KernelArgumentChange {
  readonly append: readonly string[]
  /** `KEY` or `KEY=VALUE`. */
  readonly delete: readonly string[]
  /** `KEY=VALUE`, or `KEY` for a flag. */
  readonly replace: readonly string[]
}

const keyOf = (argument: string): string => argument.split('=', 1)[0] as string

const whyBad = (text: string): string | undefined => {
  if (!isKernelArgument(text))
    return 'it must be one word of printable ASCII; put double quotes around spaces'
  if (keyOf(text) === 'dendro')
    return 'it names the deployment, which the boot entry does'
  const lost = lostInGrub(text)
  return lost === undefined
    ? undefined
    : `GRUB would put a backslash before the ${lost} in it; only double quotes around a whole value reach the kernel`
}

/** Errors: `INVALID_ARGUMENT`. */
export const checkKernelArgument = (text: string): string => {
  const why = whyBad(text)
  if (why === undefined) return text
  throw new DendroError(
    'INVALID_ARGUMENT',
    `bad kernel argument '${text}': ${why}`,
  )
}

/** Deletes, then replaces, then appends. Errors: `INVALID_ARGUMENT`. */
export const changedArguments = (
  before: readonly string[],
  change: KernelArgumentChange,
): string[] => {
  let list = [...before]
  for (const argument of change.delete) {
    const isWhole = argument.includes('=')
    const rest = list.filter(
      word => (isWhole ? word : keyOf(word)) !== argument,
    )
    if (rest.length === list.length)
      throw new DendroError(
        'INVALID_ARGUMENT',
        `cannot delete the kernel argument '${argument}': it is not there`,
        { hint: 'dendro kargs shows them' },
      )
    list = rest
  }
  for (const argument of change.replace.map(checkKernelArgument)) {
    const at = list.findIndex(word => keyOf(word) === keyOf(argument))
    list = list.filter(word => keyOf(word) !== keyOf(argument))
    list.splice(at < 0 ? list.length : at, 0, argument)
  }
  return [...list, ...change.append.map(checkKernelArgument)]
}

/** Changes those of one deployment, and its boot entry. Errors: `NO_DEPLOYMENT`. */
export const changeKernelArguments = (
  sysroot: Sysroot,
  index: number,
  change: KernelArgumentChange,
  onWait?: () => void,
): Promise<ListedDeployment> =>
  withTransaction(sysroot, onWait, async transaction => {
    const { state } = transaction
    const chosen = deploymentAt(state, index)
    const before = chosen.kernelArguments ?? []
    const kernelArguments = changedArguments(before, change)
    if (kernelArguments.join(' ') === before.join(' ')) return chosen
    const changed = { ...chosen, kernelArguments }
    await transaction.commit(
      'kargs',
      `kargs of ${shortName(chosen)}: ${kernelArguments.join(' ')}`,
      state.deployments.map(id =>
        isSameDeployment(id, chosen) ? changed : id,
      ),
    )
    return changed
  })
