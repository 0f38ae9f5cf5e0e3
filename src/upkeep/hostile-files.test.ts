/**
 * What an enemy can put in the place of a repository's files and directories,
 * against all that reads them: each ends, with an error that says what to do or
 * without, and nothing outside of the repository is changed.
 */

import { execFileSync } from 'node:child_process'
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import type { Digest } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { firstParents, resolveRevision } from '../refs/revision.ts'
import { EventLog, readEvents } from '../store/event-log.ts'
import { setHold } from '../store/holds.ts'
import { Repository } from '../store/repository.ts'
import { repositoryStatistics } from '../store/statistics.ts'
import { commitDirectory } from '../tree/commit.ts'
import { readContent } from '../tree/read-file.ts'
import { checkRepository } from './fsck.ts'
import { pruneRepository } from './prune.ts'
import { repairRepository } from './repair.ts'

const isRoot = process.geteuid?.() === 0
const base = mkdtempSync(join(tmpdir(), 'dendro-hostile-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))
const outside = join(base, 'outside')
const source = join(base, 'source')
const template = join(base, 'template')
const repo = join(base, 'repo')
const STRANGER = 12345

const commit = async (
  repository: Repository,
  subject: string,
): Promise<Digest> => {
  const request = {
    ref: toRefName('r'),
    source: textToLatin1(source),
    subject,
    body: '',
    metadata: new Map(),
    timeSec: 1_700_000_000,
  }
  const options = { mtime: { kind: 'exact' } } as const
  return (await commitDirectory(repository, request, options)).id
}

const keepLast = { rules: { last: 1 } }

/** A repository that has a file of every kind. */
const makeTemplate = async (): Promise<void> => {
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'untouched\n')
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'x'.repeat(300_000))
  const repository = Repository.create(template)
  for (const subject of ['first', 'second', 'third']) {
    writeFileSync(join(source, 'small'), subject)
    const id = await commit(repository, subject)
    if (subject === 'first')
      await repository.publish([], () => {
        new RefStore(repository.paths, 'tags').set(toRefName('t'), id)
        setHold(repository.paths, 'owner.a', id)
      })
  }
  await pruneRepository(repository, keepLast)
  new EventLog(repository.paths.events).append('prune')
  mkdirSync(join(template, 'quarantine'))
  repository.close()
}

/** All files, and all directories but the whole. */
const places = (): string[] =>
  readdirSync(template, { recursive: true, encoding: 'utf8' }).sort()

type Substitute = (path: string) => void

const SUBSTITUTES: Readonly<Record<string, Substitute>> = {
  'a pipe': path => execFileSync('mkfifo', [path]),
  'a link to a file': path => symlinkSync(join(outside, 'file'), path),
  'a link to a directory': path => symlinkSync(outside, path),
  'a link without end': path => symlinkSync('/dev/zero', path),
  'a directory': path => mkdirSync(path),
  'an empty file': path => writeFileSync(path, ''),
  'a sparse file of 1 TiB': path => {
    writeFileSync(path, '')
    truncateSync(path, 2 ** 40)
  },
  ...(isRoot
    ? { 'a device': path => execFileSync('mknod', [path, 'c', '1', '5']) }
    : {}),
}

type Verb = (repository: Repository) => unknown

const VERBS: Readonly<Record<string, Verb>> = {
  refs: repository => {
    for (const kind of ['refs', 'tags'] as const)
      new RefStore(repository.paths, kind).list()
  },
  log: repository => [
    ...firstParents(repository, resolveRevision(repository, 'r')),
  ],
  ls: repository => {
    const { root } = repository.commits.load(resolveRevision(repository, 'r'))
    for (const { object } of repository.loadTree(root.tree).entries)
      if (object.kind === 'file')
        Buffer.concat(
          [...readContent(repository, object)].flatMap(({ bytes = [] }) => [
            Buffer.from(bytes),
          ]),
        )
  },
  events: repository => readEvents(repository.paths.events),
  statistics: repositoryStatistics,
  fsck: checkRepository,
  commit: repository => commit(repository, 'another'),
  prune: repository => pruneRepository(repository, keepLast),
  repair: async repository => {
    await repairRepository(repository)
    new EventLog(repository.paths.events).append('repair')
  },
}

/** Runs every verb; what is wrong with one of them. */
const tryAll = async (): Promise<string[]> => {
  const wrong: string[] = []
  for (const [verb, run] of Object.entries(VERBS)) {
    const began = Date.now()
    let repository: Repository | undefined
    try {
      repository = Repository.open(repo)
      await run(repository)
    } catch (error) {
      const isTold = error instanceof DendroError && error.hint !== undefined
      if (!isTold) wrong.push(`${verb}: ${String(error)}`)
    } finally {
      repository?.close()
    }
    if (Date.now() - began > 5000) wrong.push(`${verb} takes long`)
  }
  if (readFileSync(join(outside, 'file'), 'utf8') !== 'untouched\n')
    wrong.push('what a link led to was changed')
  if (readdirSync(outside).length !== 1)
    wrong.push('a directory that a link led to was changed')
  return wrong
}

const fresh = (): void => {
  rmSync(repo, { recursive: true, force: true })
  cpSync(template, repo, { recursive: true })
}

t.setTimeout(300_000)

t.test('whatever stands in the place of a file', async t => {
  await makeTemplate()
  t.ok(existsSync(join(template, 'grafts')))
  for (const place of places())
    for (const [name, put] of Object.entries(SUBSTITUTES)) {
      fresh()
      const path = join(repo, place)
      rmSync(path, { recursive: true })
      put(path)
      const wrong = await tryAll()
      if (wrong.length > 0) t.fail(`${name} for ${place}`, { wrong })
    }
  t.pass(`${places().length} places`)
})

t.test('sockets, and files of strangers', async t => {
  for (const place of places()) {
    fresh()
    const path = join(repo, place)
    if (isRoot) chownSync(path, STRANGER, STRANGER)
    const wrong = await tryAll()
    if (wrong.length > 0) t.fail(`${place} of a stranger`, { wrong })
    fresh()
    rmSync(path, { recursive: true })
    // By a short name: the address of a socket has 107 bytes.
    const server = createServer().listen(path)
    await new Promise(done => server.on('listening', done))
    const more = await tryAll()
    if (more.length > 0) t.fail(`a socket for ${place}`, { wrong: more })
    await new Promise(done => server.close(done))
  }
  t.pass()
})
