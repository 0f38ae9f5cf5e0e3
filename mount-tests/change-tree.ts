/** Changes every few files of a tree, each in one of the ways there are. */

import {
  appendFileSync,
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  renameSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { bytesOf, pathsBelow } from './tree-picture.ts'

/** Changes what is at `path`, whose name in the tree is `name`. */
type Change = (path: string, name: string) => void

/** What is written tells by which name. */
const append: Change = (path, name) => {
  if (lstatSync(bytesOf(path)).isFile())
    appendFileSync(bytesOf(path), bytesOf(`more of ${name}\n`))
}

const setMode: Change = path => {
  if (!lstatSync(bytesOf(path)).isSymbolicLink())
    chmodSync(bytesOf(path), 0o4711)
}

const setOwner: Change = path => lchownSync(bytesOf(path), 7, 8)

const rename: Change = path =>
  renameSync(bytesOf(path), bytesOf(`${path}~renamed`))

const link: Change = path => linkSync(bytesOf(path), bytesOf(`${path}~linked`))

/** Writes by the new name of a file. */
const linkAndAppend: Change = (path, name) => {
  link(path, name)
  append(`${path}~linked`, `${name}~linked`)
}

const remove: Change = path => unlinkSync(bytesOf(path))

/** Of ten files one is written to, and half stay as they are. */
const CHANGES: readonly (Change | undefined)[] = [
  append,
  undefined,
  rename,
  undefined,
  link,
  undefined,
  remove,
  setMode,
  undefined,
  setOwner,
  undefined,
  append,
  rename,
  undefined,
  linkAndAppend,
  undefined,
  undefined,
  remove,
  undefined,
  undefined,
]

/** Every so many directories one is renamed. */
const DIRECTORIES = 20

/**
 * Changes a tree, the same in each tree of the same names. Returns a line for
 * each change that was refused.
 */
export const changeTree = (root: string): string[] => {
  const refused: string[] = []
  const attempt = (change: Change, path: string): void => {
    try {
      change(join(root, path), path)
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      refused.push(`${syscall} ${path}: ${code}`)
    }
  }
  const paths = pathsBelow(root)
  const isDirectory = (path: string): boolean =>
    lstatSync(bytesOf(join(root, path))).isDirectory()
  const directories = paths.filter(isDirectory)
  const files = paths.filter(path => !isDirectory(path))
  files.forEach((path, i) => {
    const change = CHANGES[i % CHANGES.length]
    if (change !== undefined) attempt(change, path)
  })
  // From the leaves up: the names of the others stay what they were.
  directories.reverse().forEach((path, i) => {
    if (i % DIRECTORIES === 0) attempt(rename, path)
  })
  return refused
}
