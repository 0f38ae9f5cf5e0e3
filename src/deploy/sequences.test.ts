/**
 * Sequences of changes through the real code on a real file system, each step
 * compared with the model (small-model.ts), and with a rule that knows no
 * model: what stood in an /etc and stands there no more is in the history.
 *
 *     SEQUENCES=N        random sequences (20), from seed SEQUENCE_SEED
 *     SEQUENCE_DEPTH=N   besides every sequence up to that length (1)
 */

import { createHash } from 'node:crypto'
import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { textToLatin1 } from '../bytes/latin1.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { EffectiveEtc } from '../etc/effective-etc.ts'
import { readWhole } from '../etc/etc-node.ts'
import { LayerHistory } from '../etc/history.ts'
import { readLayerFrom } from '../etc/layer.ts'
import { beginBoot } from '../root/begin-boot.ts'
import { inspectCommit } from '../sysroot/commit-layout.ts'
import { deploy } from './deploy.ts'
import { readRecord, wasBooted } from '../sysroot/deployment.ts'
import { ownPath, resolveConflict } from './etc-verbs.ts'
import { remerge } from './remerge.ts'
import { defaultsOf, PATHS, SmallModel } from '../sysroot/small-model.ts'
import type { Step, Values } from '../sysroot/small-model.ts'
import { SmallSysroot } from '../sysroot/small-sysroot.ts'
import { rollback, setPinned } from './switch.ts'
import { commitOf, deploymentName } from '../sysroot/sysroot.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'
import { conflictVersion, readEtc } from './etc-view.ts'
import { undo } from './undo.ts'
import { DendroError } from '../errors.ts'

const STEPS: readonly Step[] = [
  { do: 'edit running', path: 'a', value: 'running' },
  { do: 'edit running', path: 'n', value: undefined },
  { do: 'edit running', path: 'n', value: 'running' },
  { do: 'edit running', path: 'b', value: 'running' },
  { do: 'edit running', path: 'c', value: undefined },
  { do: 'edit pending', path: 'a', value: 'pending' },
  { do: 'edit pending', path: 'n', value: 'pending' },
  { do: 'edit pending', path: 'b', value: 'pending' },
  { do: 'edit pending', path: 'c', value: 'pending' },
  { do: 'deploy' },
  { do: 'rollback' },
  { do: 'boot' },
  { do: 'remerge' },
  { do: 'pin' },
  { do: 'own' },
  { do: 'settle', as: 'mine' },
  { do: 'settle', as: 'theirs' },
  { do: 'undo' },
]

const nameOf = (step: Step): string => Object.values(step).join(' ')

/** The system under test, and what is read of it without its own code. */
class Machine {
  readonly s = new SmallSysroot()
  #version = 1
  #running: string | undefined

  async begin(): Promise<void> {
    await this.#commit()
    await deploy(this.s.sysroot, { revision: 'os' })
    this.#boot()
  }

  async #commit(): Promise<void> {
    const files = Object.fromEntries(
      [...defaultsOf(this.#version)].map(([path, value]) => [
        path,
        value ?? null,
      ]),
    )
    await this.s.version(String(this.#version++), files)
  }

  get first(): ListedDeployment {
    return this.s.deployments[0] as ListedDeployment
  }

  #boot(): void {
    beginBoot(this.s.paths, this.first)
    this.#running = deploymentName(this.first)
    this.see()
  }

  /** Whatever is asked next sees what runs here. */
  see(): void {
    const etc = { pid: undefined, mountpoint: '/etc', device: '' }
    const running = { ...etc, isUnlocked: false }
    this.s.pretendRunning(new Map([[this.#running as string, running]]))
  }

  #edit(index: number, path: string, value: string | undefined): void {
    const { version } = readRecord(
      this.s.paths,
      this.s.deployments[index] as ListedDeployment,
    )
    this.s.edit({ [path]: value ?? null }, index)
    const isHidden = defaultsOf(Number(version)).get(path) !== undefined
    if (value === undefined && isHidden) this.s.hide(path, index)
  }

  /** What took place; errors are told by the caller's model. */
  async take(step: Step): Promise<void> {
    const { repository, paths, sysroot } = this.s
    const runs = this.s.deployments.findIndex(
      id => deploymentName(id) === this.#running,
    )
    switch (step.do) {
      case 'edit running':
        return this.#edit(runs, step.path, step.value)
      case 'edit pending':
        return runs === 0 ? undefined : this.#edit(0, step.path, step.value)
      case 'boot':
        return this.#boot()
      case 'deploy':
        await this.#commit()
        await deploy(sysroot, { revision: 'os' })
        return
      case 'rollback':
        await rollback(sysroot, undefined)
        return
      case 'remerge':
        await remerge(sysroot)
        return
      case 'pin':
        await setPinned(sysroot, 0, !this.first.isPinned)
        return
      case 'own': {
        const { owned } = readRecord(paths, this.first)
        await ownPath(sysroot, 'b', !owned.includes('b'), 0)
        return
      }
      case 'settle': {
        const { conflicts } = readRecord(paths, this.first)
        const path = conflicts.map(one => one.path).sort()[0]
        if (path !== undefined) await resolveConflict(sysroot, path, step.as, 0)
        return
      }
      case 'undo':
        await undo(repository, sysroot, undefined)
    }
  }

  #values(index: number): Values {
    const id = this.s.deployments[index] as ListedDeployment
    const { version } = readRecord(this.s.paths, id)
    const defaults = defaultsOf(Number(version))
    return new Map(
      PATHS.map(path => {
        const file = join(this.s.layer(index), path)
        const status = lstatSync(file, { throwIfNoEntry: false })
        if (status === undefined) return [path, defaults.get(path)]
        const isThere = status.isFile()
        return [path, isThere ? readFileSync(file, 'utf8') : undefined]
      }),
    )
  }

  seen() {
    const { paths, sysroot } = this.s
    return this.s.deployments.map((id, index) => {
      const record = readRecord(paths, id)
      const view = readEtc(sysroot, id)
      const said = (side: 'mine' | 'theirs', number: number): string => {
        const conflict = record.conflicts.find(one => one.number === number)
        const node = conflict && conflictVersion(view, conflict, side)
        return node?.kind === 'file'
          ? String(readWhole(node)?.toString())
          : 'undefined'
      }
      return {
        version: Number(record.version),
        isPinned: id.isPinned,
        wasBooted: wasBooted(paths, id),
        isRunning: deploymentName(id) === this.#running,
        values: [...this.#values(index)].map(
          ([path, value]) => `${path}=${value}`,
        ),
        owned: [...record.owned].sort(),
        conflicts: record.conflicts
          .map(
            ({ path, number }) =>
              `${path}: ${said('mine', number)}, ${said('theirs', number)}`,
          )
          .sort(),
      }
    })
  }

  /** Name of each deployment and what is in its /etc. */
  contents(): Map<string, string> {
    return new Map(
      this.s.deployments.map((id, index) => [
        deploymentName(id),
        JSON.stringify([...this.#values(index)].map(pair => pair.join('='))),
      ]),
    )
  }

  /** The same, of every snapshot. */
  *snapshots(): Generator<string> {
    const { paths, repository } = this.s
    const history = new LayerHistory(paths.history)
    for (const { id, commit, deployment } of history.list('os')) {
      const layout = inspectCommit(
        repository,
        commitOf({ os: 'os', commit, serial: 0 }),
      )
      const defaults = new CommitDefaults(repository, layout.defaults)
      const layer = readLayerFrom(history.layer(id), defaults)
      const etc = new EffectiveEtc(layer, defaults)
      const values = PATHS.map(path => {
        const node = etc.get(textToLatin1(path))
        const value =
          node?.kind === 'file' ? readWhole(node)?.toString() : undefined
        return [path, value].join('=')
      })
      yield `${deployment} ${JSON.stringify(values)}`
    }
    history.close()
  }
}

const EDITS = new Set(['edit running', 'edit pending'])

/** Runs a sequence; the model's states it went through. */
const run = async (t: Test, steps: readonly Step[]): Promise<void> => {
  const machine = new Machine()
  const model = new SmallModel()
  const told: string[] = []
  try {
    await machine.begin()
    for (const step of steps) {
      told.push(nameOf(step))
      const before = machine.contents()
      const isTaken = model.take(step)
      let refused: DendroError | undefined
      try {
        await machine.take(step)
      } catch (error) {
        if (!(error instanceof DendroError)) throw error
        refused = error
      }
      const where = `${told.join(', ')} (${refused?.message ?? 'done'})`
      if (isTaken && refused !== undefined) return void t.fail(where)
      const seen = machine.seen()
      const wanted = model.seen()
      if (JSON.stringify(seen) !== JSON.stringify(wanted))
        return void t.same(seen, wanted, where)
      const after = machine.contents()
      const gone = [...before].filter(
        ([name, values]) => after.get(name) !== values,
      )
      if (EDITS.has(step.do) || gone.length === 0) continue
      const kept = new Set(machine.snapshots())
      for (const [name, values] of gone)
        if (!kept.has(`${name} ${values}`))
          return void t.fail(`${where}: ${name} ${values} is in no snapshot`)
    }
  } catch (error) {
    t.fail(`${told.join(', ')}: ${String(error)}`)
  } finally {
    machine.s.remove()
  }
}

/** Every sequence of a length whose last step leads to a state not seen yet. */
function* everySequence(depth: number): Generator<Step[]> {
  let open: Step[][] = [[]]
  const known = new Set<string>()
  for (let length = 1; length <= depth; length++) {
    const next: Step[][] = []
    for (const begin of open)
      for (const step of STEPS) {
        const steps = [...begin, step]
        yield steps
        const state = createHash('sha256').update(after(steps)).digest('hex')
        if (!known.has(state)) next.push(steps)
        known.add(state)
      }
    open = next
  }
}

const named = (...words: string[]): Step[] =>
  words.map(word => {
    const found = STEPS.find(step => nameOf(step) === word)
    if (found === undefined) throw new Error(`there is no step '${word}'`)
    return found
  })

/** The model's state after some steps. */
const after = (steps: readonly Step[]): string => {
  const model = new SmallModel()
  for (const step of steps) model.take(step)
  return model.whole()
}

/** Where random sequences begin: what they are about takes steps to come to. */
const BEGINNINGS = [
  [],
  named('deploy'),
  named('edit running a running', 'deploy'),
  named('edit running a running', 'deploy', 'boot'),
  named('deploy', 'boot', 'rollback', 'boot'),
]

const LENGTH = 6
const DEPTH = Number(process.env['SEQUENCE_DEPTH'] ?? '1')
const COUNT = Number(process.env['SEQUENCES'] ?? '20')
const SEED = Number(process.env['SEQUENCE_SEED'] ?? Date.now() % 1_000_000)

t.setTimeout(24 * 60 * 60 * 1000)

t.test(`every sequence up to ${DEPTH}`, async t => {
  let count = 0
  for (const steps of everySequence(DEPTH)) {
    await run(t, steps)
    count++
  }
  t.ok(count > 0, `${count} sequences`)
})

t.test(`${COUNT} random sequences from seed ${SEED}`, async t => {
  let state = SEED >>> 0
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  for (let i = 0; i < COUNT; i++) {
    const steps = [...(BEGINNINGS[below(BEGINNINGS.length)] as Step[])]
    const end = steps.length + LENGTH
    while (steps.length < end) {
      // One that does something where it stands.
      const step = STEPS[below(STEPS.length)] as Step
      if (after([...steps, step]) !== after(steps)) steps.push(step)
    }
    await run(t, steps)
  }
  t.pass('all as the model has it')
})

/** Those that were found to matter, by name. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'a late write into a used deployment': [
    'deploy',
    'edit running a running',
    'boot',
    'edit running n running',
    'remerge',
  ],
  'rollback and forward again': [
    'deploy',
    'boot',
    'edit running n running',
    'rollback',
    'boot',
    'edit running c ',
    'rollback',
    'remerge',
    'boot',
  ],
  'prepared in the pending one, merged twice': [
    'edit running a running',
    'deploy',
    'settle theirs',
    'edit pending n pending',
    'edit running b running',
    'remerge',
    'edit running n running',
    'remerge',
    'undo',
    'undo',
  ],
}
for (const [name, words] of Object.entries(KNOWN))
  t.test(name, async t => {
    await run(t, named(...words))
    t.pass('as the model has it')
  })
