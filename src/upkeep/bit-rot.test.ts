/**
 * Every byte of every file of a small repository is flipped, one at a time:
 * the check finds it, and a reader gets the right bytes or an error.
 */

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import t from 'tap'
import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { Repository } from '../store/repository.ts'
import { commitDirectory } from '../tree/commit.ts'
import { readContent } from '../tree/read-file.ts'
import { walkTree } from '../tree/walk.ts'
import { checkRepository } from './fsck.ts'
import { pruneRepository } from './prune.ts'

const base = mkdtempSync(join(tmpdir(), 'dendro-rot-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))

const source = join(base, 'source')
const path = join(base, 'repo')
const ref = toRefName('a')

const commit = (repository: Repository, timeSec: number) =>
  commitDirectory(
    repository,
    {
      ref,
      source,
      subject: 's',
      body: '',
      metadata: new Map([['version', '1']]),
      timeSec,
    },
    { mtime: { kind: 'clamp', epochSec: 1 } },
  )

const build = async (): Promise<void> => {
  mkdirSync(join(source, 'dir'), { recursive: true })
  writeFileSync(join(source, 'file'), 'some text, some text, some text\n')
  writeFileSync(join(source, 'dir', 'other'), 'other\n')
  symlinkSync('file', join(source, 'link'))
  const repository = Repository.create(path)
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(source, 'changing'), `number ${i}\n`)
    const { id } = await commit(repository, 1000 + i)
    if (i === 2)
      await repository.publish([], () =>
        new RefStore(repository.paths, 'tags').set(toRefName('t'), id),
      )
  }
  // Leaves grafts behind.
  await pruneRepository(repository, { rules: { last: 1 } })
  repository.close()
}

/** Everything that can be read by name, as one text; throws on any damage. */
const readAll = (): string => {
  const repository = Repository.open(path)
  try {
    const parts: string[] = []
    for (const kind of ['refs', 'tags'] as const)
      for (const { name, commit: id } of new RefStore(
        repository.paths,
        kind,
      ).list()) {
        const { root } = repository.commits.load(id)
        parts.push(`${kind}/${name} ${digestToHex(id)}`)
        for (const { path: name, object } of walkTree(repository, root)) {
          parts.push(`${name} ${JSON.stringify(object)}`)
          if (object.kind === 'file')
            for (const { bytes } of readContent(repository, object))
              parts.push(bytes?.toString('latin1') ?? 'hole')
        }
      }
    return parts.join('\n')
  } finally {
    repository.close()
  }
}

const finds = (): boolean => {
  let repository: Repository
  try {
    repository = Repository.open(path, { isTolerant: true })
  } catch (error) {
    return error instanceof DendroError
  }
  try {
    return checkRepository(repository).findings.some(
      ({ severity }) => severity === 'damage',
    )
  } finally {
    repository.close()
  }
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap(entry => {
    const name = join(directory, entry.name)
    return entry.isDirectory() ? filesBelow(name) : [name]
  })

/** News and locks hold nothing that anything is decided by. */
const IGNORED = /^(events|generation|[a-z]+\.lock)$/

await build()

t.test('every flipped byte is found, and never read as something else', t => {
  const right = readAll()
  t.notOk(finds(), 'whole')
  let flips = 0
  for (const file of filesBelow(path)) {
    const name = relative(path, file)
    if (IGNORED.test(name)) continue
    const bytes = readFileSync(file)
    const { mtime, atime } = statSync(file)
    t.ok(bytes.length > 0 && mtime <= new Date() && atime <= new Date(), name)
    for (let at = 0; at < bytes.length; at++) {
      const bad = Buffer.from(bytes)
      bad[at] = (bad[at] as number) ^ (1 << ((at * 3) % 8))
      writeFileSync(file, bad)
      flips++
      if (!finds()) t.fail(`${name}: the flip of byte ${at} is not found`)
      try {
        const now = readAll()
        if (now !== right && !isHidden(right, now))
          t.fail(`${name}: byte ${at} is served wrongly`)
      } catch (error) {
        if (!(error instanceof DendroError))
          t.fail(`${name}: byte ${at}: ${String(error)}`)
      }
    }
    writeFileSync(file, bytes)
  }
  t.ok(flips > 1500, `${flips} bytes`)
  t.equal(readAll(), right)
  t.end()
})

/** A ref that does not show is no wrong bytes; what shows must be right. */
const isHidden = (right: string, now: string): boolean => right.includes(now)

t.test('a file that is cut short at any length is found', t => {
  let cuts = 0
  for (const file of filesBelow(path)) {
    const name = relative(path, file)
    if (IGNORED.test(name)) continue
    const bytes = readFileSync(file)
    for (let length = 0; length < bytes.length; length += 7) {
      writeFileSync(file, bytes.subarray(0, length))
      cuts++
      if (!finds()) t.fail(`${name}: cut at ${length} is not found`)
    }
    writeFileSync(file, bytes)
  }
  t.ok(cuts > 200, `${cuts} cuts`)
  t.end()
})
