/**
 * What of a deployment must stand outside the repository for it to boot: the
 * kernel with its initramfs, where a boot loader reads them, and the runtime,
 * the program that serves the mount from the initramfs on.
 *
 * Both are copies, named by what they hold, made whole before a state names
 * them and removed when none does. Only sysroots with a directory /boot have
 * them. Format: docs/formats/sysroot.md
 */

import { existsSync, readdirSync, statSync } from '../system/files.ts'
import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import type { DirectoryObject, FileObject } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import {
  closeFile,
  createFile,
  makeDirectory,
  renameFile,
  setLength,
  syncDirectory,
  syncFile,
} from '../system/disk.ts'
import {
  makeDirectoryDurably,
  syncTree,
  temporaryName,
  writeFully,
} from '../system/durable-file.ts'
import { readMountTable } from '../system/mount-table.ts'
import { removeTree } from '../system/remove-tree.ts'
import { checkoutTree } from '../tree/checkout.ts'
import { readContent } from '../tree/read-file.ts'
import { runtimeTree } from './commit-boot.ts'
import type { CommitKernel } from './commit-boot.ts'
import type { Sysroot } from './session.ts'
import type { ListedDeployment, SysrootPaths } from './sysroot.ts'

/** Whether the machine boots from here. */
const isBooting = (paths: SysrootPaths): boolean => existsSync(paths.bootLoader)

/** What stands before a kernel's key in the words of a boot loader. */
export const kernelPrefix = ({ deploy, bootLoader }: SysrootPaths): string => {
  if (!existsSync(bootLoader)) return '/boot/dendro'
  // A file system of its own begins at its own root. The deployments tell where
  // the store is: the root of a machine that runs is in memory.
  const isOwn = statSync(deploy).dev !== statSync(bootLoader).dev
  return isOwn ? '/dendro' : '/boot/dendro'
}

/**
 * Makes what `deployments` boot from, durably, where it is not there yet.
 * Errors: `NO_SPACE`, `NOT_FOUND` for a runtime that nothing can bring, damage.
 */
export const publishBoot = (
  sysroot: Sysroot,
  deployments: readonly ListedDeployment[],
): void => {
  const { repository, paths } = sysroot
  if (!isBooting(paths)) return
  for (const deployment of deployments) {
    const root = sysroot.rootOf(deployment)
    if (root === undefined) continue
    const kernel = sysroot.kernelOf(deployment)
    if (kernel !== undefined) publishKernel(repository, paths, kernel)
    if (deployment.runtime !== undefined)
      publishRuntime(repository, paths, root, deployment.runtime)
  }
}

const publishKernel = (
  repository: Repository,
  { kernels }: SysrootPaths,
  { key, linux, initrd }: CommitKernel,
): void => {
  const target = join(kernels, key)
  if (existsSync(target)) return
  makeDirectoryDurably(kernels)
  const temporary = temporaryName(target)
  try {
    makeDirectory(temporary, 0o755)
    writeFile(repository, linux, join(temporary, 'vmlinuz'))
    if (initrd !== undefined)
      writeFile(repository, initrd, join(temporary, 'initrd.img'))
    syncDirectory(temporary)
    renameFile(temporary, target)
  } catch (error) {
    removeTree(textToBytes(temporary))
    throw wrapSystemError(`cannot write the kernel ${target}`, error)
  }
  syncDirectory(kernels)
}

const writeFile = (
  repository: Repository,
  file: FileObject,
  path: string,
): void => {
  const fd = createFile(path, 0o600)
  try {
    setLength(fd, path, file.sizeBytes)
    for (const { offsetBytes, bytes } of readContent(repository, file))
      if (bytes !== undefined) writeFully(fd, bytes, offsetBytes)
    syncFile(fd)
  } finally {
    closeFile(fd)
  }
}

const publishRuntime = (
  repository: Repository,
  { runtimes }: SysrootPaths,
  root: DirectoryObject,
  runtime: string,
): void => {
  const target = join(runtimes, runtime)
  if (existsSync(target)) return
  const tree = runtimeTree(repository, root)
  if (tree === undefined || digestToHex(tree.tree) !== runtime)
    throw new DendroError(
      'NOT_FOUND',
      `the runtime ${runtime.slice(0, 12)} is missing: ${target} is not there, and the commit does not bring it`,
      { hint: 'dendro install makes one' },
    )
  makeDirectoryDurably(runtimes)
  const temporary = temporaryName(target)
  checkoutTree(repository, tree, textToLatin1(temporary))
  syncTree(temporary)
  renameFile(temporary, target)
  syncDirectory(runtimes)
}

/** Removes copies that no deployment boots from and that nothing runs from. */
export const dropUnusedBoot = (
  sysroot: Sysroot,
  deployments: readonly ListedDeployment[],
): void => {
  if (!isBooting(sysroot.paths)) return
  dropUnusedKernels(sysroot, deployments)
  const used = new Set(mountedRuntimes())
  for (const { runtime } of deployments)
    if (runtime !== undefined) used.add(runtime)
  dropBut(sysroot.paths.runtimes, used)
}

/** Removes kernels that no deployment boots. */
export const dropUnusedKernels = (
  sysroot: Sysroot,
  deployments: readonly ListedDeployment[],
): void => {
  if (!isBooting(sysroot.paths)) return
  const used = new Set<string>()
  for (const deployment of deployments) {
    const kernel = sysroot.kernelOf(deployment)
    if (kernel !== undefined) used.add(kernel.key)
  }
  dropBut(sysroot.paths.kernels, used)
}

/** Removes what is ours in a directory, but for the names in `used`. */
const dropBut = (directory: string, used: ReadonlySet<string>): void => {
  if (!existsSync(directory)) return
  for (const name of readdirSync(directory))
    if (!used.has(name) && OWN_NAME.test(name))
      removeTree(textToBytes(join(directory, name)))
}

/** A kernel, a runtime, or one of them on its way. */
const OWN_NAME =
  /^(?:[\w.+~-]+-[0-9a-f]{16}|[0-9a-f]{64})(?:\.\d+\.[0-9a-f]{12}\.tmp)?$/

/** Runtimes that a jail of the initramfs is made of. */
const mountedRuntimes = (): string[] =>
  readMountTable().flatMap(
    ({ root }) => /\/dendro\/runtime\/([0-9a-f]{64})$/.exec(root)?.[1] ?? [],
  )
