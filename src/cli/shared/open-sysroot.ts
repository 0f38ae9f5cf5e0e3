/** The sysroot that a command means, with its repository. */

import { sysrootPaths } from '../../sysroot/sysroot.ts'
import { Sysroot } from '../../sysroot/session.ts'
import type { Repository } from '../../store/repository.ts'
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
