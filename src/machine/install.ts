/**
 * Makes a directory the sysroot of a machine that boots: a repository with the
 * commit in it, a runtime, and the first deployment with its boot entry.
 */

import { existsSync, mkdirSync, renameSync, rmSync } from '../system/files.ts'
import { join } from 'node:path'
import { findKernel, runtimeOf } from '../sysroot/commit-boot.ts'
import { Sysroot } from '../sysroot/session.ts'
import { deploy } from '../deploy/deploy.ts'
import type { Deployed } from '../deploy/deploy.ts'
import { checkKernelArgument } from '../deploy/kernel-arguments.ts'
import type { SysrootPaths } from '../sysroot/sysroot.ts'
import { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import { digestToHex } from '../objects/digest.ts'
import type { RefName } from '../refs/ref-name.ts'
import { Repository } from '../store/repository.ts'
import { syncTree } from '../system/durable-file.ts'
import { contentDigest } from './runtime-digest.ts'
import { copyCommit } from '../upkeep/copy-commit.ts'
import { makeRuntime } from './runtime.ts'

export interface InstallRequest {
  /** Where the commit is. */
  readonly from: Repository
  readonly commit: Digest
  /** Names it in the new repository; upgrades follow it. */
  readonly ref: RefName | undefined
  readonly os: string | undefined
  readonly kernelArguments: readonly string[]
  readonly onWait?: () => void
}

/** Arguments that the initramfs of every install needs. */
const ALWAYS = ['boot=dendro']

/**
 * Installs into `paths`. May be run again, also after it was cut short.
 * Errors: `NOT_DEPLOYABLE` for a commit without a kernel, those of `deploy`.
 */
export const install = async (
  paths: SysrootPaths,
  request: InstallRequest,
): Promise<Deployed> => {
  const { from, commit, ref } = request
  const words = [...ALWAYS, ...request.kernelArguments.map(checkKernelArgument)]
  requireKernel(from, commit)
  mkdirSync(paths.bootLoader, { recursive: true })
  const isThere = existsSync(join(paths.repository, 'config.json'))
  const repository = isThere
    ? Repository.open(paths.repository)
    : createIn(paths.repository)
  try {
    if (repository.config.id !== from.config.id)
      await copyCommit(from, repository, commit, request)
    const { root } = repository.commits.load(commit)
    const runtime = runtimeOf(repository, root) ?? ownRuntime(paths)
    return await deploy(new Sysroot(repository, paths), {
      revision: ref ?? digestToHex(commit),
      os: request.os,
      kernelArguments: words,
      runtime,
      ...(request.onWait === undefined ? {} : { onWait: request.onWait }),
    })
  } finally {
    repository.close()
  }
}

const createIn = (path: string): Repository => {
  mkdirSync(join(path, '..'), { recursive: true })
  return Repository.create(path)
}

const requireKernel = (repository: Repository, commit: Digest): void => {
  const { root } = repository.commits.load(commit)
  const kernel = findKernel(repository, root)
  if (kernel?.initrd !== undefined) return
  const lacks =
    kernel === undefined
      ? 'it has no kernel at /usr/lib/modules/<release>/vmlinuz'
      : `its kernel ${kernel.release} has no initramfs.img beside it`
  throw new DendroError(
    'NOT_DEPLOYABLE',
    `cannot install ${digestToHex(commit).slice(0, 12)}: ${lacks}`,
    { hint: 'dendro integrate prepares a tree for booting' },
  )
}

/** The runtime of this very program, for a commit that brings none. */
const ownRuntime = ({ runtimes }: SysrootPaths): string => {
  const temporary = join(runtimes, 'own.tmp')
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(runtimes, { recursive: true })
  makeRuntime(temporary)
  const digest = contentDigest(temporary)
  const target = join(runtimes, digest)
  if (existsSync(target)) rmSync(temporary, { recursive: true })
  else {
    syncTree(temporary)
    renameSync(temporary, target)
  }
  return digest
}
