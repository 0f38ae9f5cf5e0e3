/**
 * Lists a directory of a commit: a page is one copy of records that are encoded
 * already, and then each gets its node's id.
 */

import type { DirectorySink } from '../fuse/handler.ts'
import { attributesOf, FIRST_COOKIE } from './attributes.ts'
import type { Presentation } from './attributes.ts'
import type { Directory } from './directory.ts'
import { isDirectoryRecord } from './directory-records.ts'
import { NODE_DIRECTORY, NODE_OBJECT } from './node-kind.ts'
import type { NodeIdentity, NodeKey } from './node-kind.ts'
import type { NodeTable } from './node-table.ts'

/** What is listed. */
export interface Listing {
  readonly nodeId: number
  readonly directory: Directory
  /** The directory's path key. */
  readonly path: NodeKey
  /** The commit root of what is in it. */
  readonly place: number
}

/**
 * Adds entries from `first` on, with their nodes, each of which counts a lookup.
 * Returns the entry to go on from, `directory.count` at the end; undefined where
 * the sink wants no attributes, and nothing was added.
 */
export const listRecords = (
  { nodeId, directory, path, place }: Listing,
  first: number,
  nodes: NodeTable,
  sink: DirectorySink,
): number | undefined => {
  let index = first
  while (index < directory.count) {
    const records = directory.records(index, path)
    const { first: base, keys, count } = records
    // One for all records: it is filled for each, and not kept by the table.
    const identity: NodeIdentity = { kind: NODE_OBJECT, place, keys, keyAt: 0 }
    const added = sink.addRecords?.(records, index - base, {
      acquire: i => {
        const isDirectory = isDirectoryRecord(records, i)
        identity.kind = isDirectory ? NODE_DIRECTORY : NODE_OBJECT
        identity.place = isDirectory ? place : nodeId
        identity.keyAt = i * 4
        return nodes.acquire(identity, directory.treeId, base + i)
      },
      generationOf: id => nodes.generationOf(id),
    })
    if (added === undefined) return undefined
    index += added
    if (index < base + count) return index
  }
  return index
}

/** Adds names, kinds and inode numbers from entry `first` on. */
export const listPlain = (
  { directory, path }: Listing,
  first: number,
  sink: DirectorySink,
  presentation: Presentation,
): void => {
  for (let i = first; i < directory.count; i++) {
    const object = directory.object(i)
    const { inode } = directory.identity(i, object, path)
    const shown = attributesOf(object, inode, presentation)
    const cookie = i + FIRST_COOKIE + 1
    if (!sink.add(directory.name(i), cookie, shown)) return
  }
}
