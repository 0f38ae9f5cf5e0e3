/** An /etc that programs changed at random through a real overlay. */

import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { CommitDefaults } from '../src/etc/defaults.ts'
import type { Maybe } from '../src/etc/etc-node.ts'
import { readEntry } from '../src/etc/layer-entry.ts'
import { inParent } from '../src/etc/layer-tree.ts'
import { resolveRevision } from '../src/refs/revision.ts'
import { Repository } from '../src/store/repository.ts'
import { DirectoryHandle } from '../src/system/directory-handle.ts'
import type { TestContext } from './context.ts'

const OPTIONS = 'redirect_dir=on,index=off,metacopy=off,xino=off'

export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  next(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * n)
  }
  of<T>(values: readonly T[]): T {
    return values[this.next(values.length)] as T
  }
}

const NAMES = ['a', 'b', 'c', 'd']

const readAt = (path: string) =>
  inParent(path, (parent, name) =>
    readEntry(parent, name, () =>
      inParent(path, above => DirectoryHandle.of(openSync(above.itself, 'r'))),
    ),
  )

/** Everything below, as the file system shows it. */
export const scan = (root: string): Map<string, Maybe> => {
  const found = new Map<string, Maybe>()
  const visit = (path: string): void => {
    const entry = readAt(path === '' ? root : `${root}/${path}`)
    if (entry?.type !== 'node') throw new Error(`${path} is not there`)
    found.set(path, entry.node)
    if (entry.node.kind !== 'directory') return
    for (const name of readdirSync(join(root, path)))
      visit(path === '' ? name : `${path}/${name}`)
  }
  visit('')
  return found
}

const directories = (root: string): string[] =>
  [...scan(root)]
    .filter(([, node]) => node?.kind === 'directory')
    .map(([path]) => path)

const attempt = (work: () => void): void => {
  try {
    work()
  } catch {
    // Not possible here: a directory in the way, or onto itself.
  }
}

/** One thing that a program may do below `root`. */
export const act = (root: string, random: Random): void => {
  const place = () => join(root, random.of(directories(root)), random.of(NAMES))
  const path = place()
  switch (random.next(11)) {
    case 0:
    case 1:
      attempt(() => writeFileSync(path, `${random.next(4)}\n`))
      return
    case 2:
      attempt(() => mkdirSync(path))
      return
    case 3:
      attempt(() => rmSync(path, { recursive: true }))
      return
    case 4:
      attempt(() => renameSync(path, place()))
      return
    case 5:
      attempt(() => symlinkSync(String(random.next(3)), path))
      return
    case 6:
      attempt(() => chmodSync(path, random.of([0o600, 0o644, 0o755])))
      return
    case 7:
      attempt(() => chownSync(path, random.next(3), random.next(3)))
      return
    case 8:
      attempt(() => linkSync(path, place()))
      return
    case 9:
      // Gone and made anew: an opaque directory where there was one.
      attempt(() => {
        const isDirectory = lstatSync(path).isDirectory()
        rmSync(path, { recursive: true })
        if (isDirectory) mkdirSync(path)
        else writeFileSync(path, 'new\n')
      })
      return
    case 10: {
      const beside = `${path}.new`
      attempt(() => {
        writeFileSync(beside, `${random.next(4)}\n`)
        renameSync(beside, path)
      })
      rmSync(beside, { force: true, recursive: true })
    }
  }
}

export interface Round {
  readonly base: string
  readonly theirs: string
  readonly mine: string
  readonly upper: string
  readonly work: string
}

export const overlay = (
  t: TestContext,
  lower: string,
  round: Round,
  upper: string,
  options = OPTIONS,
) => {
  rmSync(round.work, { recursive: true, force: true })
  mkdirSync(round.work)
  t.run('mount', [
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=${lower},upperdir=${upper},workdir=${round.work},${options}`,
    round.mine,
  ])
}

export const defaultsOf = (t: TestContext, ref: string, directory: string) => {
  t.commit(ref, directory)
  const repository = Repository.open(t.repository)
  const { root } = repository.commits.load(resolveRevision(repository, ref))
  return { repository, defaults: new CommitDefaults(repository, root) }
}
