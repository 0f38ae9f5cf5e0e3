/**
 * A writable overlay over the mount of a real tree does what it does over a
 * plain copy, whatever is changed in it, at once and when it is mounted again.
 */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { changeTree } from '../change-tree.ts'
import { TestContext } from '../context.ts'
import type { TestTable } from '../context.ts'
import { pictureOf } from '../tree-picture.ts'

const FIXTURES = process.env['DENDRO_FIXTURES'] ?? '/var/tmp/dendro-fixtures'
const PAIR = join(FIXTURES, 'pair')
const MAKE_PAIR = new URL(
  '../../../scripts/testing/make-release-pair',
  import.meta.url,
).pathname
/** In this tree all times are the same. */
const CLAMP = '--mtime=clamp=1000000000'

let shared: TestContext | undefined

/** A repository with three trees, and beside it a copy of the third. */
const repository = (t: TestContext): TestContext => {
  if (shared !== undefined) return shared
  t.run(MAKE_PAIR, [PAIR])
  mkdirSync(FIXTURES, { recursive: true })
  const made = new TestContext(mkdtempSync(join(FIXTURES, 'overlays-')))
  process.on('exit', () =>
    rmSync(made.directory, { recursive: true, force: true }),
  )
  made.dendro('init')
  made.commit('old', join(PAIR, 'old'))
  made.commit('new', join(PAIR, 'new'))
  made.commit('clamped', join(PAIR, 'new'), CLAMP)
  made.dendro('checkout', 'clamped', made.path('clamped'))
  shared = made
  return made
}

/** Differences of two pictures, as few lines as say it. */
const assertSame = (
  seen: readonly string[],
  wanted: readonly string[],
  where: string,
): void => {
  const known = new Set(wanted)
  const found = new Set(seen)
  const wrong = [
    ...seen.filter(line => !known.has(line)).map(line => `+ ${line}`),
    ...wanted.filter(line => !found.has(line)).map(line => `- ${line}`),
  ]
  assert.deepEqual(wrong.slice(0, 10), [], where)
  assert.equal(seen.length, wanted.length, where)
}

/** An overlay over `lower`: its layer stays when it is mounted again. */
class Overlay {
  readonly root: string
  readonly layer: string
  readonly #t: TestContext
  readonly #lower: string
  readonly #options: string

  constructor(t: TestContext, name: string, lower: string, options: string) {
    this.#t = t
    this.#lower = lower
    this.#options = options
    this.root = t.makeDirectory(name)
    this.layer = t.makeDirectory('layers', name, 'upper')
    t.makeDirectory('layers', name, 'work')
    this.mount()
  }

  mount(): void {
    const work = join(this.layer, '../work')
    const directories = `lowerdir=${this.#lower},upperdir=${this.layer},workdir=${work}`
    const options = `${directories}${this.#options}`
    this.#t.run('mount', ['-t', 'overlay', 'overlay', '-o', options, this.root])
  }

  umount(): void {
    this.#t.run('umount', [this.root])
  }
}

const changesAlike =
  (ref: string, lower: (made: TestContext) => string, options = '') =>
  (t: TestContext): void => {
    const made = repository(t)
    // The layers are on another file system than what is below them, as over
    // a mount: overlayfs tells inode numbers in other ways then.
    t.sh('mount -t tmpfs tmpfs "$1"', t.makeDirectory('layers'))
    const mounted = made.mount(ref, t.path('mnt'))
    const overMount = new Overlay(t, 'mount', mounted, options)
    const overCopy = new Overlay(t, 'copy', lower(made), options)
    const since = new Date()
    const compare = (when: string, of: (overlay: Overlay) => string): void =>
      assertSame(
        pictureOf(of(overMount), since),
        pictureOf(of(overCopy), since),
        when,
      )
    // All is read before anything is changed.
    compare('before', ({ root }) => root)
    const refused = changeTree(overMount.root)
    assert.deepEqual(refused, changeTree(overCopy.root))
    compare('changed', ({ root }) => root)
    compare('the layer', ({ layer }) => layer)
    for (const overlay of [overMount, overCopy]) overlay.umount()
    made.dendro('umount', mounted)
    made.mount(ref, mounted)
    for (const overlay of [overMount, overCopy]) overlay.mount()
    compare('mounted again', ({ root }) => root)
    for (const overlay of [overMount, overCopy]) overlay.umount()
    made.dendro('umount', mounted)
  }

export const tests: TestTable = {
  'over Debian 12': changesAlike('old', () => join(PAIR, 'old')),
  'over Debian 13, where a layer may hold attributes alone': changesAlike(
    'new',
    () => join(PAIR, 'new'),
    ',redirect_dir=on,metacopy=on',
  ),
  'over a tree whose times are all the same, as a deployment mounts it':
    changesAlike(
      'clamped',
      made => made.path('clamped'),
      ',redirect_dir=on,index=off,metacopy=off,xino=off',
    ),
}
