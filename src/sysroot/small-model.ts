/**
 * What deployments and their /etc must be after any sequence of changes, for
 * tests: a program of its own that knows docs/etc-merge.md and single-line
 * files, and nothing of layers on disks, merges of text, or the code under test.
 */

/** Content of a file; undefined where there is none. */
export type Value = string | undefined
export type Values = ReadonlyMap<string, Value>

export const PATHS = ['a', 'b', 'c', 'n'] as const
export type ModelPath = (typeof PATHS)[number]

/** The defaults of a version: `a` changes in each, `b` and `c` never do. */
export const defaultsOf = (version: number): Values =>
  new Map<string, Value>([
    ['a', `a${version}`],
    ['b', 'b'],
    ['c', 'c'],
    ['n', undefined],
  ])

interface Pair {
  readonly mine: Value
  readonly theirs: Value
}

interface Deployment {
  readonly id: number
  readonly version: number
  isPinned: boolean
  wasBooted: boolean
  /** What stands in the layer, also where it equals the default. */
  layer: Map<string, Value>
  owned: string[]
  conflicts: Map<string, Pair>
  settled: (Pair & { readonly path: string })[]
  /** Of the merge that made it. */
  readonly from: number | undefined
  readonly fromLayer: string
  readonly fromOwned: readonly string[]
  readonly left: Values
}

type Undoable =
  | { readonly kind: 'ref' }
  | { readonly kind: 'list'; readonly before: readonly [number, boolean][] }
  | {
      readonly kind: 'edit'
      readonly id: number
      /** What it changed, as it was. */
      readonly values: Values
      readonly record: Pick<Deployment, 'owned' | 'conflicts' | 'settled'>
    }

export type Step =
  | {
      readonly do: 'edit running' | 'edit pending'
      path: ModelPath
      value: Value
    }
  | { readonly do: 'own' | 'pin' | 'deploy' | 'rollback' | 'boot' | 'remerge' }
  | { readonly do: 'undo' }
  | { readonly do: 'settle'; readonly as: 'mine' | 'theirs' }

const OWNED_PATH = 'b'
const KEEP = 3

const text = (map: ReadonlyMap<string, unknown>): string =>
  JSON.stringify([...map].map(([key, value]) => [key, value ?? null]).sort())

/** What is owned and settled in the prepared one comes along, as 3-way sets. */
const carrySets = (
  made: Deployment,
  from: Deployment,
  prepared: Deployment,
): void => {
  const [then, here, there] = [prepared.fromOwned, from.owned, prepared.owned]
  made.owned = [
    ...there.filter(path => here.includes(path) || !then.includes(path)),
    ...here.filter(path => !then.includes(path) && !there.includes(path)),
  ]
  made.settled = [...prepared.settled]
}

const isSettledIn = (
  deployment: Deployment | undefined,
  path: string,
  pair: Pair,
): boolean =>
  deployment?.settled.some(
    one =>
      one.path === path && one.mine === pair.mine && one.theirs === pair.theirs,
  ) ?? false

export class SmallModel {
  deployments: Deployment[] = []
  running = 0
  version = 1
  readonly #left = new Map<number, Deployment>()
  #undo: Undoable[] = []
  #ids = 0

  /** Version 1 is deployed and runs. */
  constructor() {
    const [first] = [this.#make(1, undefined)]
    first.wasBooted = true
    this.deployments = [first]
  }

  #make(version: number, from: Deployment | undefined): Deployment {
    return {
      id: this.#ids++,
      version,
      isPinned: false,
      wasBooted: false,
      layer: new Map(),
      owned: [...(from?.owned ?? [])],
      conflicts: new Map(),
      settled: [],
      from: from?.id,
      fromLayer: text(from?.layer ?? new Map()),
      fromOwned: [...(from?.owned ?? [])],
      left: new Map(),
    }
  }

  values({ version, layer }: Pick<Deployment, 'version' | 'layer'>): Values {
    const defaults = defaultsOf(version)
    return new Map(
      PATHS.map(path => [
        path,
        layer.has(path) ? layer.get(path) : defaults.get(path),
      ]),
    )
  }

  get first(): Deployment {
    return this.deployments[0] as Deployment
  }

  get #runs(): Deployment {
    return this.deployments.find(({ id }) => id === this.running) as Deployment
  }

  get isPending(): boolean {
    return this.first.id !== this.running
  }

  /** False where the step is refused, or there is nothing to do. */
  take(step: Step): boolean {
    switch (step.do) {
      case 'edit running':
        this.#runs.layer.set(step.path, step.value)
        return this.#forgetNothing(this.#runs, step.path)
      case 'edit pending':
        if (!this.isPending) return false
        this.first.layer.set(step.path, step.value)
        return this.#forgetNothing(this.first, step.path)
      case 'boot':
        this.running = this.first.id
        this.first.wasBooted = true
        return true
      case 'pin':
        this.#log()
        this.first.isPinned = !this.first.isPinned
        return true
      case 'rollback':
        return this.#rollback()
      case 'own':
        return this.#own()
      case 'settle':
        return this.#settle(step.as)
      case 'deploy':
        return this.#deploy()
      case 'remerge':
        return this.#remerge()
      case 'undo':
        return this.#takeBack()
    }
  }

  /** What is not there and is no default leaves nothing in a layer. */
  #forgetNothing({ layer, version }: Deployment, path: string): boolean {
    const isNothing =
      layer.get(path) === undefined &&
      defaultsOf(version).get(path) === undefined
    if (isNothing) layer.delete(path)
    return true
  }

  #log(): void {
    const before = this.deployments.map(
      ({ id, isPinned }): [number, boolean] => [id, isPinned],
    )
    this.#undo.push({ kind: 'list', before })
  }

  #rollback(): boolean {
    const chosen = this.isPending ? this.#runs : this.deployments[1]
    if (chosen === undefined) return false
    this.#log()
    this.deployments = [
      chosen,
      ...this.deployments.filter(other => other !== chosen),
    ]
    return true
  }

  #logEdit(deployment: Deployment, values: Values): void {
    const { id, owned, conflicts, settled } = deployment
    const record = {
      owned: [...owned],
      conflicts: new Map(conflicts),
      settled: [...settled],
    }
    this.#undo.push({ kind: 'edit', id, values, record })
  }

  #own(): boolean {
    const deployment = this.first
    const { owned } = deployment
    this.#logEdit(deployment, new Map())
    deployment.owned = owned.includes(OWNED_PATH)
      ? owned.filter(path => path !== OWNED_PATH)
      : [...owned, OWNED_PATH]
    return true
  }

  #settle(as: 'mine' | 'theirs'): boolean {
    const deployment = this.first
    const path = [...deployment.conflicts.keys()].sort()[0]
    if (path === undefined) return false
    const pair = deployment.conflicts.get(path) as Pair
    const before = this.values(deployment).get(path)
    this.#logEdit(deployment, new Map(as === 'mine' ? [] : [[path, before]]))
    deployment.conflicts.delete(path)
    deployment.settled.push({ path, ...pair })
    if (as === 'theirs') this.#put(deployment, path, pair.theirs)
    return true
  }

  /** As a change through dendro leaves a layer: no copy of a default. */
  #put(deployment: Deployment, path: string, value: Value): void {
    if (value === defaultsOf(deployment.version).get(path))
      deployment.layer.delete(path)
    else deployment.layer.set(path, value)
  }

  /** The table, for one path: what is in force, and whether both changed it. */
  #merge(base: Value, mine: Value, theirs: Value): [Value, boolean] {
    if (mine === base) return [theirs, false]
    if (theirs === base || mine === theirs) return [mine, false]
    return [mine, true]
  }

  /** A waiting deployment, merged from the one that runs. */
  get #prepared(): Deployment | undefined {
    const { first } = this
    return this.isPending && !first.wasBooted && first.from === this.running
      ? first
      : undefined
  }

  #mergeInto(version: number): Deployment {
    const from = this.#runs
    const prepared = this.#prepared
    const made = this.#make(version, from)
    const base = defaultsOf(from.version)
    const theirs = defaultsOf(version)
    const mine = this.values(from)
    const left = made.left as Map<string, Value>
    const stays = new Set<string>()
    const isSettled = (path: string, pair: Pair) =>
      isSettledIn(prepared, path, pair)
    const conflict = (path: string, pair: Pair): void => {
      made.conflicts.delete(path)
      if (!isSettled(path, pair)) made.conflicts.set(path, pair)
    }
    if (prepared !== undefined) carrySets(made, from, prepared)
    for (const path of PATHS) {
      const here = mine.get(path)
      const there = theirs.get(path)
      const isOwned = from.owned.includes(path)
      const [value, isBoth] = isOwned
        ? [here, false]
        : this.#merge(base.get(path), here, there)
      if (isBoth) conflict(path, { mine: here, theirs: there })
      const isMine = isOwned || (here !== base.get(path) && here !== there)
      if (isMine) stays.add(path)
      left.set(path, value)
    }
    const result = new Map(left)
    if (prepared !== undefined) {
      const is = this.values(prepared)
      for (const path of PATHS) {
        const [was, now, next] = [
          prepared.left.get(path),
          is.get(path),
          left.get(path),
        ]
        if (now === was) continue
        const [value, isBoth] = this.#merge(was, now, next)
        if (isBoth) conflict(path, { mine: now, theirs: next })
        if (now === next) stays.delete(path)
        else stays.add(path)
        result.set(path, value)
      }
    }
    for (const source of [prepared, from])
      for (const [path, pair] of source?.conflicts ?? [])
        if (
          stays.has(path) &&
          !made.conflicts.has(path) &&
          !isSettled(path, pair)
        )
          made.conflicts.set(path, pair)
    for (const [path, value] of result) {
      const isKept = made.owned.includes(path) && stays.has(path)
      if (value !== theirs.get(path) || isKept) made.layer.set(path, value)
    }
    return made
  }

  #deploy(): boolean {
    this.version++
    this.#undo.push({ kind: 'ref' })
    const from = this.#runs
    const made = this.#mergeInto(this.version)
    this.#log()
    let count = 1
    const kept = this.deployments.filter(old => {
      const isNeeded = old.isPinned || old === from
      if (!isNeeded && count >= KEEP) return false
      count++
      return true
    })
    this.#become([made, ...kept])
    return true
  }

  #remerge(): boolean {
    const prepared = this.#prepared
    const from = this.#runs
    if (prepared === undefined) return false
    const isSame =
      prepared.fromLayer === text(from.layer) &&
      String(prepared.fromOwned) === String(from.owned)
    if (isSame) return false
    const made = this.#mergeInto(prepared.version)
    made.isPinned = prepared.isPinned
    this.#log()
    this.#become([made, ...this.deployments.slice(1)])
    return true
  }

  #become(list: Deployment[]): void {
    for (const old of this.deployments)
      if (!list.includes(old)) this.#left.set(old.id, old)
    this.deployments = list
  }

  #takeBack(): boolean {
    const last = this.#undo.at(-1)
    if (last === undefined) return false
    if (last.kind === 'list') {
      const ids = last.before.map(([id]) => id)
      const isRunning = this.deployments.some(
        ({ id }) => id === this.running && !ids.includes(id),
      )
      if (isRunning) return false
      const known = new Map(this.deployments.map(one => [one.id, one]))
      const list = last.before.map(([id, isPinned]) => {
        const one = (known.get(id) ?? this.#left.get(id)) as Deployment
        one.isPinned = isPinned
        return one
      })
      this.#become(list)
    } else if (last.kind === 'edit') {
      const one = this.deployments.find(
        ({ id }) => id === last.id,
      ) as Deployment
      for (const [path, value] of last.values) this.#put(one, path, value)
      Object.assign(one, last.record)
    }
    this.#undo.pop()
    return true
  }

  /** All that what follows depends on. */
  whole(): string {
    return JSON.stringify(
      [this.deployments, [...this.#left], this.running, this.#undo],
      (_key, value: unknown) =>
        value instanceof Map ? [...(value as Map<unknown, unknown>)] : value,
    )
  }

  /** All that can be seen, for a comparison. */
  seen() {
    return this.deployments.map(one => ({
      version: one.version,
      isPinned: one.isPinned,
      wasBooted: one.wasBooted,
      isRunning: one.id === this.running,
      values: [...this.values(one)].map(([path, value]) => `${path}=${value}`),
      owned: [...one.owned].sort(),
      conflicts: [...one.conflicts]
        .map(([path, { mine, theirs }]) => `${path}: ${mine}, ${theirs}`)
        .sort(),
    }))
  }
}
