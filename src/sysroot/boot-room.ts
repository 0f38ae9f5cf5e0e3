/** Room for kernels: /boot is often a small file system of its own. */

import { join } from 'node:path'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { existsSync, statfsSync } from '../system/files.ts'
import { bootedRoot, findKernel } from './bootable.ts'
import type { CommitKernel } from './bootable.ts'
import type { ListedDeployment, SysrootPaths } from './sysroot.ts'

/** What a file system may need besides the bytes of a kernel's files. */
const SLACK_BYTES = 64 * 1024

/** What is there for kernels, and what they take. */
export interface Room {
  /** Bytes that kernels take which are not in /boot yet. */
  readonly neededBytes: number
  readonly freeBytes: number
  /** Bytes that come free when what leaves has left. */
  readonly leavingBytes: number
}

const bytesOf = ({ linux, initrd }: CommitKernel): number =>
  linux.sizeBytes + (initrd?.sizeBytes ?? 0) + SLACK_BYTES

/** The kernels of deployments, each once, by key. */
const kernelsOf = (
  repository: Repository,
  deployments: readonly ListedDeployment[],
): Map<string, CommitKernel> => {
  const kernels = new Map<string, CommitKernel>()
  for (const deployment of deployments) {
    const root: DirectoryObject | undefined = bootedRoot(repository, deployment)
    const kernel = root && findKernel(repository, root)
    if (kernel !== undefined) kernels.set(kernel.key, kernel)
  }
  return kernels
}

/** Whether the kernels of `after` fit into /boot; undefined where there is none. */
export const roomFor = (
  repository: Repository,
  paths: SysrootPaths,
  before: readonly ListedDeployment[],
  after: readonly ListedDeployment[],
): Room | undefined => {
  if (!existsSync(paths.bootLoader)) return undefined
  const isThere = ({ key }: CommitKernel) =>
    existsSync(join(paths.kernels, key))
  const wanted = kernelsOf(repository, after)
  const missing = [...wanted.values()].filter(kernel => !isThere(kernel))
  const leaving = [...kernelsOf(repository, before).values()].filter(
    kernel => !wanted.has(kernel.key) && isThere(kernel),
  )
  const { bavail, bsize } = statfsSync(paths.bootLoader)
  const sum = (kernels: readonly CommitKernel[]) =>
    kernels.reduce((bytes, kernel) => bytes + bytesOf(kernel), 0)
  return {
    neededBytes: sum(missing),
    freeBytes: bavail * bsize,
    // What they take besides their bytes is not counted on.
    leavingBytes: sum(leaving) - leaving.length * SLACK_BYTES,
  }
}

/** Numbers of deployments whose kernel no other one needs, as `status` has them. */
export const freeingNumbers = (
  repository: Repository,
  deployments: readonly ListedDeployment[],
): number[] =>
  deployments.flatMap((deployment, index) => {
    const others = deployments.filter(other => other !== deployment)
    const [key] = kernelsOf(repository, [deployment]).keys()
    const isOwn = key !== undefined && !kernelsOf(repository, others).has(key)
    return index > 0 && isOwn && !deployment.isPinned ? index : []
  })
