/** Files of a commit by their path, as a program inside it would reach them. */

import type {
  DirectoryObject,
  FileObject,
  FsObject,
} from '../objects/fs-object.ts'
import type {
  FileReader,
  LocalLeases,
  TreeLoader,
} from '../store/object-reader.ts'
import { lookUpPath } from './lookup.ts'
import { readRange } from './read-file.ts'

/** Symlinks that one path may lead over. */
const MAX_LINKS = 16

/** The object a path leads to, links followed inside the commit. */
export const followPath = (
  store: TreeLoader,
  root: DirectoryObject,
  path: string,
): FsObject | undefined => {
  const queue = path.split('/')
  const done: string[] = []
  let links = 0
  while (queue.length > 0) {
    const name = queue.shift() as string
    if (name === '' || name === '.') continue
    if (name === '..') {
      done.pop()
      continue
    }
    const object = lookUpPath(store, root, [...done, name].join('/'))
    if (object === undefined) return undefined
    if (object.kind !== 'symlink') {
      done.push(name)
      continue
    }
    if (++links > MAX_LINKS) return undefined
    if (object.target.startsWith('/')) done.length = 0
    queue.unshift(...object.target.split('/'))
  }
  return lookUpPath(store, root, done.join('/'))
}

/** The content of a file of a commit; undefined where there is none or it is too large. */
export const readFileOf = (
  store: FileReader,
  root: DirectoryObject,
  path: string,
  maxBytes: number,
): Buffer | undefined => {
  const object = followPath(store, root, path)
  if (object?.kind !== 'file' || object.sizeBytes > maxBytes) return undefined
  return readFile(store, object)
}

const readFile = (store: LocalLeases, file: FileObject): Buffer => {
  const bytes = Buffer.alloc(file.sizeBytes)
  readRange(store, file, 0, bytes)
  return bytes
}
