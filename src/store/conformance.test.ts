import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { conformanceCases } from './conformance.ts'
import type { MakeStore, StoreFeatures } from './conformance.ts'
import { MemoryStore } from './memory-store.ts'
import { Repository } from './repository.ts'
import type { RepositoryOptions } from './repository.ts'
import { WaitingStore } from './waiting-store.ts'

interface Implementation {
  readonly name: string
  readonly features: StoreFeatures
  readonly make: MakeStore
  /** Cases that apply to it. */
  readonly cases: number
}

const root = t.testdir()
let repositories = 0

const makeRepository = (options: RepositoryOptions = {}): MakeStore => {
  return () => {
    const path = join(root, `repository-${repositories++}`)
    Repository.create(path).close()
    const open = () => Repository.open(path, options)
    return {
      store: open(),
      openAgain: open,
      damage: () => {
        const packs = join(path, 'packs')
        for (const name of readdirSync(packs)) {
          const bytes = readFileSync(join(packs, name))
          for (let at = 5000; at < bytes.length - 100; at += 9000)
            bytes[at] = (bytes[at] as number) ^ 1
          writeFileSync(join(packs, name), bytes)
        }
      },
    }
  }
}

const makeMemory = (overwrites: boolean): MakeStore => {
  return () => {
    const store = new MemoryStore({ overwrites })
    return { store, damage: () => store.damageAll() }
  }
}

const ON_DISK: StoreFeatures = {
  waits: false,
  isPersistent: true,
  isShared: true,
  canBeDamaged: true,
}
const IN_MEMORY: StoreFeatures = {
  waits: false,
  isPersistent: false,
  isShared: false,
  canBeDamaged: true,
}

const implementations: readonly Implementation[] = [
  {
    name: 'a repository',
    features: ON_DISK,
    make: makeRepository(),
    cases: 19,
  },
  {
    name: 'a repository that reuses its buffers',
    features: ON_DISK,
    make: makeRepository({ reusesBuffers: true, frameCacheBytes: 600_000 }),
    cases: 19,
  },
  {
    name: 'a store in memory',
    features: IN_MEMORY,
    make: makeMemory(false),
    cases: 17,
  },
  {
    name: 'a store in memory that overwrites what was leased',
    features: IN_MEMORY,
    make: makeMemory(true),
    cases: 17,
  },
  {
    name: 'a store that always waits',
    features: { ...IN_MEMORY, waits: true },
    make: () => {
      const store = new MemoryStore({ overwrites: true })
      return { store: new WaitingStore(store), damage: () => store.damageAll() }
    },
    cases: 16,
  },
]

for (const { name, features, make, cases } of implementations)
  t.test(name, async t => {
    const made = conformanceCases(features, make)
    t.equal(made.length, cases, 'no case is left out')
    for (const { name, run } of made) t.test(name, run)
  })

t.test('which cases apply is derived from what a store can', async t => {
  const names = (features: StoreFeatures) =>
    conformanceCases(features, makeMemory(false)).map(({ name }) => name)
  const all = names(ON_DISK)
  const without = (feature: Partial<StoreFeatures>) => {
    const left = names({ ...ON_DISK, ...feature })
    return all.filter(name => !left.includes(name))
  }
  t.same(without({ waits: true }), ['answers are at once'])
  t.same(without({ isPersistent: false }), [
    'what was published is there when the store is opened again',
  ])
  t.same(without({ isShared: false }), [
    'several write at the same time, and find what others published',
  ])
  t.same(without({ canBeDamaged: false }), ['damage is never served'])
})
