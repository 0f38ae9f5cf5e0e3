/** dendro etc conflicts and resolve */

import {
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from '../../system/files.ts'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { bytesToText } from '../../bytes/byte-text.ts'
import { latin1ToBytes, latin1ToDisplay } from '../../bytes/latin1.ts'
import { conflictPath } from '../../sysroot/deployment.ts'
import type { Conflict } from '../../sysroot/deployment.ts'
import { resolveConflict } from '../../deploy/etc-verbs.ts'
import type { Resolution } from '../../deploy/etc-verbs.ts'
import {
  chooseDeployment,
  conflictVersion,
  editableConflict,
  readEtc,
  requireConflict,
  textOf,
} from '../../deploy/etc-view.ts'
import type { EtcView } from '../../deploy/etc-view.ts'
import { DendroError } from '../../errors.ts'
import { hasMarkers } from '../../etc/merge-text.ts'
import { unifiedDiff } from '../../etc/unified-diff.ts'
import { spawnSync } from '../../system/spawn.ts'
import { callerVariable } from '../../system/caller.ts'
import type { GlobalOptions } from './arguments.ts'
import { etcPath } from './deploy-output.ts'
import { withSysroot } from './open-sysroot.ts'
import { jsonPath, print, printJson, printRaw } from './output.ts'

export const listConflicts = async (
  global: GlobalOptions,
  index: number | undefined,
  isUnified: boolean,
): Promise<void> => {
  await withSysroot(global, sysroot => {
    const { deployments } = sysroot.state
    const chosen = chooseDeployment(
      sysroot,
      index ?? (deployments.length > 0 ? 0 : undefined),
    )
    const view = readEtc(sysroot, chosen)
    const { directory, record } = view
    const { conflicts } = record
    if (global.json)
      printJson({
        conflicts: conflicts.map(conflict => ({
          ...jsonPath(conflict.path),
          why: conflict.why,
          versions: conflictPath(directory, conflict.number),
        })),
      })
    else
      for (const conflict of conflicts) {
        print(`${etcPath(conflict.path)}: ${conflict.why}`)
        print(
          `    base, mine, theirs: ${conflictPath(directory, conflict.number)}`,
        )
        if (isUnified) printConflict(view, conflict)
      }
  })
}

const printConflict = (view: EtcView, conflict: Conflict): void => {
  const mine = textOf(conflictVersion(view, conflict, 'mine'))
  const theirs = textOf(conflictVersion(view, conflict, 'theirs'))
  if (mine === undefined || theirs === undefined) return
  const name = latin1ToDisplay(conflict.path)
  const names = [`mine/${name}`, `theirs/${name}`] as const
  for (const line of unifiedDiff(mine, theirs, names)) printRaw(line)
}

const CHOICES = ['mine', 'theirs', 'edit', 'merged'] as const

export type ConflictChoice = (typeof CHOICES)[number]

/** Which of the options `--mine` to `--merged` was given: there is one. */
export const choiceOf = (
  options: Readonly<Record<ConflictChoice, boolean>>,
): ConflictChoice => CHOICES.find(choice => options[choice]) as ConflictChoice

/** Settles the conflict at `path`, of the default deployment if none is named. */
export const resolveCommand = async (
  global: GlobalOptions,
  path: string,
  choice: ConflictChoice,
  // Conflicts come with a new deployment, which does not run yet.
  index = 0,
): Promise<void> => {
  await withSysroot(global, async sysroot => {
    const view = readEtc(sysroot, chooseDeployment(sysroot, index))
    const conflict = requireConflict(view, path)
    const resolution: Resolution =
      choice === 'edit' ? { bytes: edit(view, conflict) } : choice
    if (choice === 'merged') refuseMarkers(view, path)
    await resolveConflict(sysroot, path, resolution, index)
    if (global.json) printJson({ ...jsonPath(path), resolved: choice })
    else print(`settled ${etcPath(path)}: ${choice}`)
  })
}

const refuseMarkers = (view: EtcView, path: string): void => {
  const text = textOf(view.changes.get(path))
  if (text !== undefined && hasMarkers(text)) throw marked(path)
}

const marked = (path: string): DendroError =>
  new DendroError(
    'NOT_A_CONFLICT',
    `cannot settle ${etcPath(path)}: it still has conflict markers`,
    { hint: 'edit them out, or settle it with --mine or --theirs' },
  )

/** What the editor makes of the three versions. */
const edit = (view: EtcView, conflict: Conflict): Buffer => {
  const text = editableConflict(view, conflict)
  if (text === undefined)
    throw new DendroError(
      'NOT_A_CONFLICT',
      `cannot edit ${etcPath(conflict.path)}: not both versions are text`,
      { hint: 'settle it with --mine, --theirs or --merged' },
    )
  const directory = mkdtempSync(join(tmpdir(), 'dendro-edit-'))
  const file = join(
    directory,
    basename(bytesToText(latin1ToBytes(conflict.path))),
  )
  try {
    writeFileSync(file, Buffer.from(text, 'latin1'), { mode: 0o600 })
    const editor = callerVariable('VISUAL') ?? callerVariable('EDITOR') ?? 'vi'
    const { status, error } = spawnSync(
      'sh',
      ['-c', `${editor} "$1"`, 'sh', file],
      { stdio: 'inherit' },
    )
    if (status !== 0)
      throw new DendroError(
        'IO_ERROR',
        `cannot edit ${etcPath(conflict.path)}: ${editor} ended with ${error?.message ?? status}`,
        { hint: 'set VISUAL or EDITOR' },
      )
    const bytes = readFileSync(file)
    if (hasMarkers(bytes.toString('latin1'))) throw marked(conflict.path)
    return bytes
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
