/**
 * A commit: a named, complete, immutable filesystem tree with its history.
 *
 * Metadata keys are sorted and unique; `version` is the key that revisions
 * such as `REF@{23.32}` look at. The summary holds what a mount must know
 * before it has read any tree.
 * Errors: `CORRUPT_OBJECT`. Format: docs/formats/commit.md
 */

import { MsgpackReader } from '../bytes/msgpack-reader.ts'
import { MsgpackWriter } from '../bytes/msgpack-writer.ts'
import { checkTime } from './check-object.ts'
import { digestOf } from './digest.ts'
import type { Digest } from './digest.ts'
import { decodeDigest, decodeFsObject, encodeFsObject } from './fs-object.ts'
import type { DirectoryObject } from './fs-object.ts'
import {
  beyondLimit,
  MAX_BODY_BYTES,
  MAX_COMMIT_BYTES,
  MAX_METADATA_ENTRIES,
  MAX_METADATA_KEY_BYTES,
  MAX_METADATA_VALUE_BYTES,
  MAX_PARENTS,
  MAX_SUBJECT_BYTES,
  MAX_SUMMARY_XATTR_NAMES,
  MAX_XATTR_NAME_BYTES,
} from './limits.ts'

/** Counts over the whole tree; hard-linked names count once each. */
export interface CommitSummary {
  readonly files: number
  readonly directories: number
  /** Symlinks, devices, fifos and sockets. */
  readonly others: number
  /** Sum of the sizes of the files, each hard-linked inode once. */
  readonly logicalBytes: number
  /** Names of the xattrs that stand anywhere in the tree, sorted. */
  readonly xattrNames: readonly string[]
}

export interface Commit {
  readonly root: DirectoryObject
  readonly parents: readonly Digest[]
  /** Seconds since 1970. */
  readonly timeSec: number
  readonly subject: string
  readonly body: string
  readonly metadata: ReadonlyMap<string, string>
  readonly summary: CommitSummary
}

const TAG = 'commit'

/** The canonical bytes of a commit. Errors: `LIMIT_EXCEEDED`. */
export const encodeCommit = (commit: Commit): Buffer => {
  checkCommit(commit)
  const writer = new MsgpackWriter()
  writer.array(8)
  writer.text(TAG)
  encodeFsObject(writer, commit.root)
  writer.array(commit.parents.length)
  for (const parent of commit.parents) writer.binary(parent)
  writer.int(commit.timeSec)
  writer.text(commit.subject)
  writer.text(commit.body)
  const keys = [...commit.metadata.keys()].sort(compareUtf8)
  writer.array(keys.length * 2)
  for (const key of keys) {
    writer.text(key)
    writer.text(commit.metadata.get(key) as string)
  }
  const { summary } = commit
  writer.array(4 + summary.xattrNames.length)
  writer.uint(summary.files)
  writer.uint(summary.directories)
  writer.uint(summary.others)
  writer.uint(summary.logicalBytes)
  for (const name of summary.xattrNames) writer.binary(name)
  if (writer.lengthBytes > MAX_COMMIT_BYTES)
    throw beyondLimit(
      `the commit's own data take ${writer.lengthBytes} bytes`,
      MAX_COMMIT_BYTES,
    )
  return writer.finish()
}

/** What people say of a commit. */
export type CommitMessage = Pick<Commit, 'subject' | 'body' | 'metadata'>

const limit = (what: string, value: number, max: number): void => {
  if (value > max) throw beyondLimit(`${what} ${value}`, max)
}

/** Errors: `LIMIT_EXCEEDED`. */
export const checkMessage = (message: CommitMessage): void => {
  const { subject, body, metadata } = message
  const text = (what: string, value: string, max: number): void =>
    limit(`the bytes of ${what} are`, Buffer.byteLength(value), max)
  text('the subject', subject, MAX_SUBJECT_BYTES)
  text('the body', body, MAX_BODY_BYTES)
  limit('the number of metadata keys is', metadata.size, MAX_METADATA_ENTRIES)
  for (const [key, value] of metadata) {
    text(`the key ${key.slice(0, SHOWN)}`, key, MAX_METADATA_KEY_BYTES)
    text(`the value of ${key}`, value, MAX_METADATA_VALUE_BYTES)
  }
}

/** Characters of a key that is too long in its error. */
const SHOWN = 40

/** `count` names stand anywhere in the tree. Errors: `LIMIT_EXCEEDED`. */
export const checkXattrNames = (count: number): void =>
  limit(
    'the number of xattr names in the tree is',
    count,
    MAX_SUMMARY_XATTR_NAMES,
  )

/** Refuses what `decodeCommit` would not take. Errors: `LIMIT_EXCEEDED`. */
const checkCommit = (commit: Commit): void => {
  const { parents, timeSec, summary } = commit
  checkMessage(commit)
  limit('the number of parents is', parents.length, MAX_PARENTS)
  checkTime(timeSec)
  limit(
    'the number of bytes of all files is',
    summary.logicalBytes,
    Number.MAX_SAFE_INTEGER,
  )
  checkXattrNames(summary.xattrNames.length)
  for (const name of summary.xattrNames)
    limit('the bytes of an xattr name are', name.length, MAX_XATTR_NAME_BYTES)
}

/** The identity of a commit. */
export const commitDigest = (commit: Commit): Digest =>
  digestOf(encodeCommit(commit))

/** Counterpart of `encodeCommit`. */
export const decodeCommit = (bytes: Uint8Array): Commit => {
  const reader = new MsgpackReader(bytes, 'commit')
  if (bytes.length > MAX_COMMIT_BYTES)
    throw reader.corrupt(`${bytes.length} bytes are too many`)
  reader.arrayOf(8)
  if (reader.text(16) !== TAG) throw reader.corrupt('not a commit')
  const root = decodeFsObject(reader)
  if (root.kind !== 'directory') throw reader.corrupt('root is no directory')
  const parents: Digest[] = []
  for (let left = reader.array(MAX_PARENTS); left > 0; left--)
    parents.push(decodeDigest(reader))
  const timeSec = reader.int()
  const subject = reader.text(MAX_SUBJECT_BYTES)
  const body = reader.text(MAX_BODY_BYTES)
  const metadata = decodeMetadata(reader)
  const summary = decodeSummary(reader)
  reader.expectEnd()
  return { root, parents, timeSec, subject, body, metadata, summary }
}

const decodeMetadata = (reader: MsgpackReader): Map<string, string> => {
  const length = reader.array(MAX_METADATA_ENTRIES * 2)
  if (length % 2 !== 0) throw reader.corrupt('metadata key without a value')
  const metadata = new Map<string, string>()
  let previous: string | undefined
  for (let i = 0; i < length; i += 2) {
    const key = reader.text(MAX_METADATA_KEY_BYTES)
    if (previous !== undefined && compareUtf8(key, previous) <= 0)
      throw reader.corrupt('metadata not sorted or not unique')
    metadata.set(key, reader.text(MAX_METADATA_VALUE_BYTES))
    previous = key
  }
  return metadata
}

const decodeSummary = (reader: MsgpackReader): CommitSummary => {
  const length = reader.array(4 + MAX_SUMMARY_XATTR_NAMES)
  if (length < 4) throw reader.corrupt('summary too short')
  const files = reader.uint()
  const directories = reader.uint()
  const others = reader.uint()
  const logicalBytes = reader.uint()
  const xattrNames: string[] = []
  let previous = ''
  for (let i = 4; i < length; i++) {
    const name = reader.binary(MAX_XATTR_NAME_BYTES)
    if (name <= previous) throw reader.corrupt('xattr names not sorted')
    xattrNames.push(name)
    previous = name
  }
  return { files, directories, others, logicalBytes, xattrNames }
}

const compareUtf8 = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'))
