/**
 * /var, which all deployments of an OS share and no deployment replaces: what
 * a new commit has there and the one before had not is added, and nothing that
 * exists is touched.
 */

import { existsSync, lstatSync } from '../system/files.ts'
import { dirname, join } from 'node:path'
import { latin1ToBytes, textToLatin1 } from '../bytes/latin1.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import type { EtcNode } from '../etc/etc-node.ts'
import { makeEtcNode } from '../etc/node-writer.ts'
import type { Repository } from '../store/repository.ts'
import { syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably } from '../system/durable-file.ts'
import { joinRaw } from '../tree/scan.ts'
import type { CommitLayout } from './commit-layout.ts'
import { PACKAGE_DATABASES } from './packages.ts'
import type { SysrootPaths } from './sysroot.ts'

export const varPath = (paths: SysrootPaths, os: string): string =>
  join(paths.deploy, os, 'var')

/** Directories that programs expect of any /var. */
const USUAL: ReadonlyMap<string, number> = new Map([
  ['cache', 0o755],
  ['lib', 0o755],
  ['log', 0o755],
  ['spool', 0o755],
  ['tmp', 0o1777],
])

/** The package database belongs to the commit and is mounted over its place. */
const isDatabase = (path: string): boolean =>
  (PACKAGE_DATABASES as readonly string[]).includes(`var/${path}`)

const varOf = (
  repository: Repository,
  layout: CommitLayout,
): CommitDefaults | undefined => {
  const entry = repository.loadTree(layout.root.tree).get('var')
  return entry?.object.kind === 'directory'
    ? new CommitDefaults(repository, entry.object)
    : undefined
}

/** Adds to the shared /var what `next` has beyond `before`. */
export const growVar = (
  repository: Repository,
  paths: SysrootPaths,
  os: string,
  before: CommitLayout | undefined,
  next: CommitLayout,
): void => {
  const target = varPath(paths, os)
  makeDirectoryDurably(target)
  const root = textToLatin1(target)
  const source = varOf(repository, next)
  const base = before === undefined ? undefined : varOf(repository, before)
  const isThere = (path: string) =>
    lstatSync(latin1ToBytes(`${root}/${path}`), { throwIfNoEntry: false }) !==
    undefined
  const touched = new Set<string>()
  const add = (path: string, node: EtcNode): void => {
    const full = `${root}/${path}`
    makeEtcNode(full, node)
    touched.add(dirname(full))
    if (node.kind === 'directory') touched.add(full)
  }
  const grow = (path: string): void => {
    if (source === undefined) return
    const object = source.object(path)
    if (object === undefined) return
    const old = base?.object(path)
    if (old !== undefined && old.kind !== 'directory') return
    const node = source.get(path)
    if (
      path !== '' &&
      old === undefined &&
      node !== undefined &&
      !isThere(path)
    )
      add(path, node)
    if (object.kind !== 'directory' || isDatabase(path)) return
    if (old?.kind === 'directory' && old.tree === object.tree) return
    // A directory that the administrator removed or replaced stays away.
    if (path !== '' && !isDirectory(`${root}/${path}`)) return
    for (const name of source.names(path)) grow(joinRaw(path, name))
  }
  grow('')
  for (const [name, mode] of USUAL)
    if (!isThere(name))
      add(name, { kind: 'directory', mode, uid: 0, gid: 0, xattrs: [] })
  for (const directory of touched)
    if (existsSync(latin1ToBytes(directory)))
      syncDirectory(latin1ToBytes(directory))
}

const isDirectory = (path: string): boolean =>
  lstatSync(latin1ToBytes(path), { throwIfNoEntry: false })?.isDirectory() ===
  true
