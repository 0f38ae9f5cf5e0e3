/** What a commit brings to boot with: a kernel with its initramfs, a runtime. */

import { digestToHex } from '../objects/digest.ts'
import type { DirectoryObject, FileObject } from '../objects/fs-object.ts'
import { compareDebianVersions } from '../packages/package-version.ts'
import type { Repository } from '../store/repository.ts'
import { lookUpPath } from '../tree/lookup.ts'

/** Where a commit has its kernels: one directory for each release. */
const MODULES = 'usr/lib/modules'
const INITRD_NAMES = ['initramfs.img', 'initrd.img', 'initrd'] as const
/** Where a commit has the runtime that boots it. */
export const RUNTIME_IN_COMMIT = 'usr/lib/dendro'
/** A runtime without it is none. */
const RUNTIME_PROGRAM = 'bin/node'
const KEY_DIGITS = 16

export interface CommitKernel {
  /** As `uname -r` tells it. */
  readonly release: string
  readonly linux: FileObject
  readonly initrd: FileObject | undefined
  /** Names its copy: the release and what the directory holds. */
  readonly key: string
}

/** The newest kernel in /usr/lib/modules of a commit, if it has one. */
export const findKernel = (
  repository: Repository,
  root: DirectoryObject,
): CommitKernel | undefined => {
  const modules = lookUpPath(repository, root, MODULES)
  if (modules?.kind !== 'directory') return undefined
  const found = repository
    .loadTree(modules.tree)
    .entries.flatMap(({ name, object }) => {
      if (object.kind !== 'directory' || !/^[\w.+~-]+$/.test(name)) return []
      const files = repository.loadTree(object.tree)
      const fileOf = (file: string): FileObject | undefined => {
        const entry = files.get(file)?.object
        return entry?.kind === 'file' ? entry : undefined
      }
      const linux = fileOf('vmlinuz')
      if (linux === undefined) return []
      const initrd = INITRD_NAMES.map(fileOf).find(file => file !== undefined)
      const content = digestToHex(object.tree).slice(0, KEY_DIGITS)
      return [{ release: name, linux, initrd, key: `${name}-${content}` }]
    })
  return found.sort((a, b) => compareDebianVersions(b.release, a.release))[0]
}

/** The directory of the runtime that a commit brings. */
export const runtimeTree = (
  repository: Repository,
  root: DirectoryObject,
): DirectoryObject | undefined => {
  const directory = lookUpPath(repository, root, RUNTIME_IN_COMMIT)
  if (directory?.kind !== 'directory') return undefined
  const program = lookUpPath(repository, directory, RUNTIME_PROGRAM)
  return program?.kind === 'file' ? directory : undefined
}

/** The runtime that a commit brings, in hex. */
export const runtimeOf = (
  repository: Repository,
  root: DirectoryObject,
): string | undefined => {
  const tree = runtimeTree(repository, root)?.tree
  return tree === undefined ? undefined : digestToHex(tree)
}
