/** dendro etc */

import { latin1ToDisplay } from '../../bytes/latin1.ts'
import { restorePath } from '../../deploy/etc-restore.ts'
import { ownPath, resetEtc } from '../../deploy/etc-verbs.ts'
import {
  changesOf,
  chooseDeployment,
  etcLog,
  readEtc,
  textOf,
  toEtcPath,
} from '../../deploy/etc-view.ts'
import { planDeploy } from '../../deploy/plan-deploy.ts'
import type { EtcChange } from '../../etc/etc-diff.ts'
import { conflictsOf } from '../../etc/plan.ts'
import { unifiedDiff } from '../../etc/unified-diff.ts'
import { writeNote } from '../../system/standard-streams.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type {
  OptionTable,
  Parsed,
  Verb,
  VerbContext,
} from '../shared/arguments.ts'
import { etcPath, planLines, planToJson } from '../shared/deploy-output.ts'
import { formatTime } from '../shared/describe.ts'
import { listConflicts, resolveCommand } from '../shared/etc-conflicts.ts'
import {
  onWait,
  optionalIndex,
  toIndex,
  withSysroot,
} from '../shared/open-sysroot.ts'
import {
  counted,
  jsonPath,
  print,
  printJson,
  printRaw,
} from '../shared/output.ts'

const usage =
  'etc diff [-u] [N]\n' +
  '       dendro etc merge --dry-run REV [--os NAME]\n' +
  '       dendro etc conflicts [-u] [N]\n' +
  '       dendro etc resolve PATH --mine|--theirs|--edit|--merged [--deployment N]\n' +
  '       dendro etc reset [PATH]... [--keep GLOB]... [--deployment N]\n' +
  '       dendro etc own PATH [--off] [--deployment N]\n' +
  '       dendro etc log [--os NAME]\n' +
  '       dendro etc restore PATH@{N} [--deployment N]'

interface Action {
  readonly options: OptionTable
  readonly count: readonly [number, number]
  run(context: VerbContext, parsed: Parsed): Promise<void>
}

const deployment = { type: 'string', short: 'd' } as const

const diff = async (context: VerbContext, parsed: Parsed): Promise<void> => {
  const index = optionalIndex(parsed.positionals[0], usage)
  await withSysroot(context.global, sysroot => {
    const chosen = chooseDeployment(sysroot, index)
    const changes = changesOf(readEtc(sysroot, chosen))
    if (context.global.json)
      printJson({
        changes: changes.map(({ kind, path, fields }) => ({
          kind,
          ...jsonPath(path),
          fields,
        })),
      })
    else if (parsed.flag('unified'))
      for (const change of changes) printUnified(change)
    else for (const change of changes) print(changeLine(change))
  })
}

const changeLine = ({ kind, path, fields }: EtcChange): string => {
  const metadata = fields.filter(field => field !== 'content')
  const what = metadata.length === 0 ? '' : ` (${metadata.join(', ')})`
  return `${kind} ${etcPath(path)}${what}`
}

const printUnified = (change: EtcChange): void => {
  const { kind, path, before, after, fields } = change
  const old = textOf(before)
  const next = textOf(after)
  const isText =
    (before === undefined || old !== undefined) &&
    (after === undefined || next !== undefined)
  const isContent = kind !== 'M' || fields.includes('content')
  if (!isText || !isContent) {
    print(changeLine(change))
    return
  }
  const name = latin1ToDisplay(path)
  const names = [
    before === undefined ? '/dev/null' : `default/${name}`,
    after === undefined ? '/dev/null' : `etc/${name}`,
  ] as const
  for (const line of unifiedDiff(old ?? '', next ?? '', names)) printRaw(line)
}

const merge = async (context: VerbContext, parsed: Parsed): Promise<void> => {
  if (!parsed.flag('dry-run'))
    throw usageError(
      'a merge is part of "dendro deploy"; --dry-run shows it',
      usage,
    )
  const revision = parsed.positionals[0] as string
  const os = parsed.string('os')
  await withSysroot(context.global, sysroot => {
    const { plan } = planDeploy(sysroot, { revision, os })
    if (context.global.json) {
      printJson({ etc: planToJson(plan) })
      return
    }
    for (const line of planLines(plan)) print(line)
    const count = conflictsOf(plan).length
    if (count > 0) writeNote(`${counted(count, 'conflict')}\n`)
  })
}

const reset = async (context: VerbContext, parsed: Parsed): Promise<void> => {
  await withSysroot(context.global, async sysroot => {
    const changed = await resetEtc(sysroot, {
      paths: parsed.positionals.map(toEtcPath),
      keep: parsed.strings('keep'),
      index: optionalIndex(parsed.string('deployment'), usage),
      onWait,
    })
    printPaths(
      context,
      changed,
      'reset',
      'nothing to reset: no difference from the defaults',
    )
  })
}

const own = async (context: VerbContext, parsed: Parsed): Promise<void> => {
  await withSysroot(context.global, async sysroot => {
    const changed = await ownPath(
      sysroot,
      toEtcPath(parsed.positionals[0] as string),
      !parsed.flag('off'),
      optionalIndex(parsed.string('deployment'), usage),
    )
    const off = parsed.flag('off')
    const what = off ? 'not owned' : 'owned'
    printPaths(context, changed, what, `nothing to do: it is ${what} already`)
  })
}

const restore = async (context: VerbContext, parsed: Parsed): Promise<void> => {
  const match = /^(.*)@\{(\d+)\}$/s.exec(parsed.positionals[0] as string)
  if (match === null) throw usageError('restore takes PATH@{N}', usage)
  const path = toEtcPath(match[1] as string)
  const number = toIndex(match[2] as string, usage)
  await withSysroot(context.global, async sysroot => {
    const index = optionalIndex(parsed.string('deployment'), usage)
    const changed = await restorePath(sysroot, path, number, index)
    printPaths(
      context,
      changed.slice(0, 1),
      'restored',
      'nothing to restore: it is as it was then',
    )
  })
}

const printPaths = (
  context: VerbContext,
  changed: readonly string[],
  what: string,
  ifNothing: string,
): void => {
  if (context.global.json) printJson({ paths: changed.map(jsonPath) })
  else if (changed.length === 0) print(ifNothing)
  else for (const path of changed) print(`${what} ${etcPath(path)}`)
}

const log = async (context: VerbContext, parsed: Parsed): Promise<void> => {
  await withSysroot(context.global, sysroot => {
    const os = parsed.string('os') ?? chooseDeployment(sysroot, undefined).os
    const snapshots = etcLog(sysroot, os)
    if (context.global.json) printJson({ snapshots })
    else
      for (const [number, snapshot] of snapshots.entries())
        print(
          `${`@{${number}}`.padEnd(7)} ${formatTime(snapshot.timeSec)} ${snapshot.deployment.replace(/(\/.{12}).*\./, '$1.')} ${snapshot.subject}`,
        )
  })
}

const ACTIONS: Readonly<Record<string, Action>> = {
  diff: {
    options: { unified: { type: 'boolean', short: 'u' } },
    count: [0, 1],
    run: diff,
  },
  merge: {
    options: { 'dry-run': { type: 'boolean' }, os: { type: 'string' } },
    count: [1, 1],
    run: merge,
  },
  conflicts: {
    options: { unified: { type: 'boolean', short: 'u' } },
    count: [0, 1],
    run: (context, parsed) => listConflicts(context, parsed, usage),
  },
  resolve: {
    options: {
      mine: { type: 'boolean' },
      theirs: { type: 'boolean' },
      edit: { type: 'boolean' },
      merged: { type: 'boolean' },
      deployment,
    },
    count: [1, 1],
    run: (context, parsed) => resolveCommand(context, parsed, usage),
  },
  reset: {
    options: { keep: { type: 'string', multiple: true }, deployment },
    count: [0, 100_000],
    run: reset,
  },
  own: {
    options: { off: { type: 'boolean' }, deployment },
    count: [1, 1],
    run: own,
  },
  log: { options: { os: { type: 'string' } }, count: [0, 0], run: log },
  restore: { options: { deployment }, count: [1, 1], run: restore },
}

export const verb: Verb = {
  usage,
  summary:
    "show and change a deployment's /etc against the defaults of its commit\n\n" +
    'Without a number it is the running deployment, else the default one.\n' +
    'diff: what was changed. merge --dry-run: what deploying REV would do with it.\n' +
    'conflicts, resolve: what both sides changed; yours is in force until settled.\n' +
    'reset: defaults again. own: stays yours also where it equals the default.\n' +
    'log, restore: the layer as it was before and after each change.',
  run: context => {
    const [name, ...args] = context.args
    const action = name === undefined ? undefined : ACTIONS[name]
    if (action === undefined)
      throw usageError(
        name === undefined ? 'too few arguments' : `unknown action ${name}`,
        usage,
      )
    const parsed = parseVerb(
      { ...context, args },
      usage,
      action.options,
      action.count,
    )
    return action.run(context, parsed)
  },
}
