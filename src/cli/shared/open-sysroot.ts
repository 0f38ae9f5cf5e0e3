/** The sysroot that a command means, with its repository. */

import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { Sysroot } from '../../sysroot/session.ts'
import type { Repository } from '../../store/repository.ts'
import { usageError } from './arguments.ts'
import type { GlobalOptions } from './arguments.ts'
import { withReader } from './open-repository.ts'
import { warn } from './output.ts'

/** The sysroot of the command, with what was opened for it. */
export const useSysroot = async <T>(
  repository: Repository,
  global: GlobalOptions,
  work: (sysroot: Sysroot) => T | Promise<T>,
): Promise<T> => {
  const sysroot = new Sysroot(repository, sysrootPaths(global.sysroot))
  try {
    return await work(sysroot)
  } finally {
    sysroot.close()
  }
}

/** Opens both for `work`; nothing that it needs is pruned meanwhile. */
export const withSysroot = <T>(
  global: GlobalOptions,
  work: (sysroot: Sysroot) => T | Promise<T>,
): Promise<T> =>
  withReader(global, repository => useSysroot(repository, global, work))

export const onWait = (): void =>
  warn('waiting for another change of the deployments to finish')

/** A number of `status`. Errors: `USAGE`. */
export const toIndex = (text: string, usage: string): number => {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw usageError(`'${text}' is no number of a deployment`, usage)
}

/** The same where it may be left out. */
export const optionalIndex = (
  text: string | undefined,
  usage: string,
): number | undefined => (text === undefined ? undefined : toIndex(text, usage))

/** What stands before and behind `--`. */
export const splitCommand = (
  args: readonly string[],
): { readonly own: readonly string[]; readonly command: readonly string[] } => {
  const at = args.indexOf('--')
  return at < 0
    ? { own: args, command: [] }
    : { own: args.slice(0, at), command: args.slice(at + 1) }
}
