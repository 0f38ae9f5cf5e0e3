/** What kinds of nodes there are, and what tells one from another. */

export const NODE_FREE = 0
/** A directory or link of the view itself. */
export const NODE_VIRTUAL = 1
/** The root directory of a commit. */
export const NODE_ROOT = 2
/** A directory inside a commit. */
export const NODE_DIRECTORY = 3
/** Anything else inside a commit. */
export const NODE_OBJECT = 4

export type NodeKind = 0 | 1 | 2 | 3 | 4

/** 128 bits that identify a node among those of its kind and place. */
export type NodeKey = Uint32Array

/**
 * Who a node is. `place` is the commit root of a directory, and the directory
 * of an object: where one is met is no part of what it is. The key is four
 * words of `keys` from `keyAt` on.
 */
export interface NodeIdentity {
  kind: NodeKind
  place: number
  readonly keys: NodeKey
  keyAt: number
}
