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
import { definition } from '../definitions/etc.ts'
import { usageError } from '../shared/arguments.ts'
import type { GlobalOptions, Invocation, Verb } from '../shared/arguments.ts'
import { etcPath, planLines, planToJson } from '../shared/deploy-output.ts'
import { formatTime } from '../shared/describe.ts'
import {
  choiceOf,
  listConflicts,
  resolveCommand,
} from '../shared/etc-conflicts.ts'
import { onWait, withSysroot } from '../shared/open-sysroot.ts'
import {
  counted,
  jsonPath,
  print,
  printJson,
  printRaw,
} from '../shared/output.ts'

/** A command line of the form `F`. */
type Etc<F> = Extract<Invocation<typeof definition>, { readonly form: F }>

const diff = async ({
  global,
  operands,
  options,
}: Etc<'diff'>): Promise<void> => {
  await withSysroot(global, sysroot => {
    const chosen = chooseDeployment(sysroot, operands.deployment)
    const changes = changesOf(readEtc(sysroot, chosen))
    if (global.json)
      printJson({
        changes: changes.map(({ kind, path, fields }) => ({
          kind,
          ...jsonPath(path),
          fields,
        })),
      })
    else if (options.unified) for (const change of changes) printUnified(change)
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

const merge = async ({
  global,
  operands: { revision },
  options: { os },
}: Etc<'merge'>): Promise<void> => {
  await withSysroot(global, sysroot => {
    const { plan } = planDeploy(sysroot, { revision, os })
    if (global.json) {
      printJson({ etc: planToJson(plan) })
      return
    }
    for (const line of planLines(plan)) print(line)
    const count = conflictsOf(plan).length
    if (count > 0) writeNote(`${counted(count, 'conflict')}\n`)
  })
}

const reset = async ({
  global,
  operands,
  options,
}: Etc<'reset'>): Promise<void> => {
  await withSysroot(global, async sysroot => {
    const changed = await resetEtc(sysroot, {
      paths: operands.paths.map(toEtcPath),
      keep: options.keep,
      index: options.deployment,
      onWait,
    })
    printPaths(
      global,
      changed,
      'reset',
      'nothing to reset: no difference from the defaults',
    )
  })
}

const own = async ({
  global,
  operands,
  options: { off, deployment },
}: Etc<'own'>): Promise<void> => {
  await withSysroot(global, async sysroot => {
    const changed = await ownPath(
      sysroot,
      toEtcPath(operands.path),
      !off,
      deployment,
    )
    const what = off ? 'not owned' : 'owned'
    printPaths(global, changed, what, `nothing to do: it is ${what} already`)
  })
}

const restore = async ({
  global,
  operands,
  options: { deployment },
}: Etc<'restore'>): Promise<void> => {
  const match = /^(.*)@\{(\d{1,6})\}$/s.exec(operands.path)
  if (match === null) throw usageError('restore takes PATH@{N}', definition)
  const path = toEtcPath(match[1] as string)
  const number = Number(match[2])
  await withSysroot(global, async sysroot => {
    const changed = await restorePath(sysroot, path, number, deployment)
    printPaths(
      global,
      changed.slice(0, 1),
      'restored',
      'nothing to restore: it is as it was then',
    )
  })
}

const printPaths = (
  global: GlobalOptions,
  changed: readonly string[],
  what: string,
  ifNothing: string,
): void => {
  if (global.json) printJson({ paths: changed.map(jsonPath) })
  else if (changed.length === 0) print(ifNothing)
  else for (const path of changed) print(`${what} ${etcPath(path)}`)
}

const log = async ({ global, options }: Etc<'log'>): Promise<void> => {
  await withSysroot(global, sysroot => {
    const os = options.os ?? chooseDeployment(sysroot, undefined).os
    const snapshots = etcLog(sysroot, os)
    if (global.json) printJson({ snapshots })
    else
      for (const [number, snapshot] of snapshots.entries())
        print(
          `${`@{${number}}`.padEnd(7)} ${formatTime(snapshot.timeSec)} ${snapshot.deployment.replace(/(\/.{12}).*\./, '$1.')} ${snapshot.subject}`,
        )
  })
}

export const verb: Verb<typeof definition> = {
  run: invocation => {
    const { global, options } = invocation
    switch (invocation.form) {
      case 'diff':
        return diff(invocation)
      case 'merge':
        return merge(invocation)
      case 'conflicts':
        return listConflicts(
          global,
          invocation.operands.deployment,
          options.unified,
        )
      case 'resolve':
        return resolveCommand(
          global,
          toEtcPath(invocation.operands.path),
          choiceOf(options),
          options.deployment,
        )
      case 'reset':
        return reset(invocation)
      case 'own':
        return own(invocation)
      case 'log':
        return log(invocation)
      case 'restore':
        return restore(invocation)
    }
  },
}
