/** How commits and objects look to a person and in JSON. */

import { latin1ToDisplay } from '../../bytes/latin1.ts'
import type { Commit } from '../../objects/commit.ts'
import { digestToHex } from '../../objects/digest.ts'
import type { Digest } from '../../objects/digest.ts'
import { nlinkOf, S_IFMT, sizeOf } from '../../objects/fs-object.ts'
import type { FsObject } from '../../objects/fs-object.ts'
import { jsonPath } from './output.ts'

/** RFC 3339 in UTC; times beyond what Date knows are shown as seconds. */
export const formatTime = (sec: number): string => {
  const date = new Date(sec * 1000)
  return Number.isNaN(date.getTime())
    ? `@${sec}`
    : date.toISOString().replace(/\.\d+Z$/, 'Z')
}

export const commitToJson = (id: Digest, commit: Commit) => ({
  commit: digestToHex(id),
  parents: commit.parents.map(digestToHex),
  time: commit.timeSec,
  subject: commit.subject,
  body: commit.body,
  metadata: Object.fromEntries(commit.metadata),
  root: digestToHex(commit.root.tree),
  files: commit.summary.files,
  directories: commit.summary.directories,
  others: commit.summary.others,
  logicalBytes: commit.summary.logicalBytes,
  xattrs: commit.summary.xattrNames.map(latin1ToDisplay),
})

/** The lines of one commit, as `git log` shows it. */
export const commitLines = (id: Digest, commit: Commit): string[] => {
  const lines = [`commit ${digestToHex(id)}`]
  const version = commit.metadata.get('version')
  if (version !== undefined) lines.push(`Version: ${version}`)
  lines.push(`Date:    ${formatTime(commit.timeSec)}`)
  if (commit.subject !== '') lines.push('', `    ${commit.subject}`)
  if (commit.body !== '')
    lines.push(
      '',
      ...commit.body
        .trimEnd()
        .split('\n')
        .map(line => `    ${line}`),
    )
  return lines
}

const TYPE_LETTERS: Readonly<Record<FsObject['kind'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  char: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
}

const permissions = (
  bits: number,
  special: boolean,
  letter: string,
): string => {
  const execute = (bits & 1) !== 0
  const last = special
    ? execute
      ? letter
      : letter.toUpperCase()
    : execute
      ? 'x'
      : '-'
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`
}

/** `drwxr-sr-x`, as ls -l shows a mode. */
export const formatMode = (object: FsObject): string => {
  const { mode } = object
  return (
    TYPE_LETTERS[object.kind] +
    permissions(mode >> 6, (mode & 0o4000) !== 0, 's') +
    permissions(mode >> 3, (mode & 0o2000) !== 0, 's') +
    permissions(mode, (mode & 0o1000) !== 0, 't')
  )
}

/** One line of `ls -l`. */
export const longLine = (name: string, object: FsObject): string => {
  const size =
    object.kind === 'char' || object.kind === 'block'
      ? `${object.major}, ${object.minor}`
      : String(sizeOf(object))
  const link =
    object.kind === 'symlink' ? ` -> ${latin1ToDisplay(object.target)}` : ''
  return [
    formatMode(object) + (object.xattrs.length > 0 ? '+' : ' '),
    String(nlinkOf(object)).padStart(3),
    `${object.uid}:${object.gid}`.padEnd(9),
    size.padStart(10),
    formatTime(object.mtimeSec),
    latin1ToDisplay(name) + link,
  ].join(' ')
}

export const objectToJson = (path: string, object: FsObject) => ({
  ...jsonPath(path),
  kind: object.kind,
  mode: (object.mode & ~S_IFMT).toString(8).padStart(4, '0'),
  uid: object.uid,
  gid: object.gid,
  nlink: nlinkOf(object),
  size: sizeOf(object),
  mtime: object.mtimeSec,
  mtimeNsec: object.mtimeNsec,
  ...(object.kind === 'symlink'
    ? { target: latin1ToDisplay(object.target) }
    : {}),
  ...(object.kind === 'char' || object.kind === 'block'
    ? { major: object.major, minor: object.minor }
    : {}),
  xattrs: object.xattrs.map(({ name, value }) => ({
    name: latin1ToDisplay(name),
    valueHex: Buffer.from(value, 'latin1').toString('hex'),
  })),
})
