/** Room for kernels: /boot is often a small file system of its own. */

import { join } from 'node:path'
import { existsSync, statfsSync } from '../system/files.ts'
import type { CommitKernel } from './commit-boot.ts'
import type { Sysroot } from './session.ts'
import type { ListedDeployment } from './sysroot.ts'

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
  sysroot: Sysroot,
  deployments: readonly ListedDeployment[],
): Map<string, CommitKernel> => {
  const kernels = new Map<string, CommitKernel>()
  for (const deployment of deployments) {
    const kernel = sysroot.kernelOf(deployment)
    if (kernel !== undefined) kernels.set(kernel.key, kernel)
  }
  return kernels
}

/** Whether the kernels of `after` fit into /boot; undefined where there is none. */
export const roomFor = (
  sysroot: Sysroot,
  before: readonly ListedDeployment[],
  after: readonly ListedDeployment[],
): Room | undefined => {
  const { paths } = sysroot
  if (!existsSync(paths.bootLoader)) return undefined
  const isThere = ({ key }: CommitKernel) =>
    existsSync(join(paths.kernels, key))
  const wanted = kernelsOf(sysroot, after)
  const missing = [...wanted.values()].filter(kernel => !isThere(kernel))
  const leaving = [...kernelsOf(sysroot, before).values()].filter(
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
  sysroot: Sysroot,
  deployments: readonly ListedDeployment[],
): number[] =>
  deployments.flatMap((deployment, index) => {
    const others = deployments.filter(other => other !== deployment)
    const [key] = kernelsOf(sysroot, [deployment]).keys()
    const isOwn = key !== undefined && !kernelsOf(sysroot, others).has(key)
    return index > 0 && isOwn && !deployment.isPinned ? index : []
  })
