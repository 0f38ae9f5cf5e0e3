#!/usr/bin/env node
/**
 * The command line: finds the verb, loads only its file, prints one line for
 * an error.
 */

import { DendroError, errorLine, exitStatusOf } from '../errors.ts'
import { isLaunched, tellStarter } from '../server/starter.ts'
import { callerArguments } from '../system/caller.ts'
import { writeNote } from '../system/standard-streams.ts'
import type { GlobalOptions, Verb } from './shared/arguments.ts'
import { print, printLines, warn } from './shared/output.ts'

/** Verb to the module that holds it; loaded when called, to start fast. */
const VERBS: Readonly<Record<string, () => Promise<{ verb: Verb }>>> = {
  init: () => import('./verbs/init.ts'),
  commit: () => import('./verbs/commit.ts'),
  log: () => import('./verbs/log.ts'),
  show: () => import('./verbs/show.ts'),
  refs: () => import('./verbs/refs.ts'),
  tag: () => import('./verbs/tag.ts'),
  'rev-parse': () => import('./verbs/rev-parse.ts'),
  ls: () => import('./verbs/ls.ts'),
  cat: () => import('./verbs/cat.ts'),
  diff: () => import('./verbs/diff.ts'),
  checkout: () => import('./verbs/checkout.ts'),
  mount: () => import('./verbs/mount.ts'),
  umount: () => import('./verbs/umount.ts'),
  fsck: () => import('./verbs/fsck.ts'),
  prune: () => import('./verbs/prune.ts'),
  events: () => import('./verbs/events.ts'),
  repo: () => import('./verbs/repo.ts'),
  deploy: () => import('./verbs/deploy.ts'),
  upgrade: () => import('./verbs/upgrade.ts'),
  rollback: () => import('./verbs/rollback.ts'),
  status: () => import('./verbs/status.ts'),
  pin: () => import('./verbs/pin.ts'),
  unpin: () => import('./verbs/unpin.ts'),
  undeploy: () => import('./verbs/undeploy.ts'),
  etc: () => import('./verbs/etc.ts'),
  root: () => import('./verbs/root.ts'),
  run: () => import('./verbs/run.ts'),
  shell: () => import('./verbs/shell.ts'),
  live: () => import('./verbs/live.ts'),
  instance: () => import('./verbs/instance.ts'),
  kargs: () => import('./verbs/kargs.ts'),
  integrate: () => import('./verbs/integrate.ts'),
  install: () => import('./verbs/install.ts'),
  profile: () => import('./verbs/profile.ts'),
  'boot-root': () => import('./verbs/boot-root.ts'),
  'boot-complete': () => import('./verbs/boot-complete.ts'),
  op: () => import('./verbs/op.ts'),
  undo: () => import('./verbs/undo.ts'),
}

const HELP = 'usage: dendro [--repo DIR] [--sysroot DIR] [--json] VERB ...'

const help = async (name: string | undefined): Promise<void> => {
  const load = name === undefined ? undefined : VERBS[name]
  if (load !== undefined) {
    const { verb } = await load()
    printLines(`usage: dendro ${verb.usage}\n\n${verb.summary}`.split('\n'))
    return
  }
  const lines = [HELP, '']
  for (const [verbName, loadVerb] of Object.entries(VERBS)) {
    const { verb } = await loadVerb()
    lines.push(`  ${verbName.padEnd(13)} ${verb.summary.split('\n')[0]}`)
  }
  lines.push('', 'dendro VERB --help tells more.')
  printLines(lines)
}

interface Invocation {
  readonly global: GlobalOptions
  readonly name: string | undefined
  readonly args: readonly string[]
  readonly wantsHelp: boolean
  readonly wantsVersion: boolean
}

/** Global options may stand before the verb, and `--json` and `--repo` behind it too. */
const parseInvocation = (argv: readonly string[]): Invocation => {
  let repo: string | undefined
  let sysroot = '/'
  let json = false
  let debug = false
  let name: string | undefined
  let wantsHelp = false
  let wantsVersion = false
  const args: string[] = []
  const queue = [...argv]
  const value = (option: string, inline: string | undefined): string => {
    const found = inline ?? queue.shift()
    if (found === undefined || found === '')
      throw new DendroError(
        'USAGE',
        `bad command line: ${option} needs a value`,
        {
          hint: HELP,
        },
      )
    return found
  }
  while (queue.length > 0) {
    const word = queue.shift() as string
    if (word === '--') {
      args.push(word, ...queue)
      break
    }
    const [option, inline] = splitOption(word)
    if (option === '--repo') repo = value(option, inline)
    else if (option === '--sysroot') sysroot = value(option, inline)
    else if (word === '--json') json = true
    else if (word === '--debug') debug = true
    else if (word === '--help' || word === '-h') wantsHelp = true
    else if (word === '--version' && name === undefined) wantsVersion = true
    else if (name === undefined && word.startsWith('-'))
      throw new DendroError(
        'USAGE',
        `bad command line: unknown option ${word}`,
        {
          hint: HELP,
        },
      )
    else if (name === undefined) name = word
    else args.push(word)
  }
  const global = { repo, sysroot, json, debug }
  return { global, name, args, wantsHelp, wantsVersion }
}

const splitOption = (word: string): [string, string | undefined] => {
  const equals = word.indexOf('=')
  return word.startsWith('--') && equals > 0
    ? [word.slice(0, equals), word.slice(equals + 1)]
    : [word, undefined]
}

const run = async (argv: readonly string[]): Promise<void> => {
  const { global, name, args, wantsHelp, wantsVersion } = parseInvocation(argv)
  if (wantsVersion) {
    const { packageVersion } = await import('./verbs/version.ts')
    print(`dendro ${packageVersion()}`)
    return
  }
  if (wantsHelp || name === 'help' || name === undefined) {
    await help(name === 'help' ? args[0] : name)
    if (name === undefined && !wantsHelp) process.exitCode = 2
    return
  }
  const load = VERBS[name]
  if (load === undefined)
    throw new DendroError('USAGE', `bad command line: unknown verb '${name}'`, {
      hint: 'dendro --help lists the verbs',
    })
  const { verb } = await load()
  await verb.run({ global, args })
}

const given = callerArguments()

const report = (error: unknown): void => {
  warn(errorLine(error))
  if (given.includes('--debug') && error instanceof Error)
    writeNote(`${error.stack}\n`)
}

// A server says another line before it comes to this.
if (isLaunched())
  process.on('exit', status => tellStarter({ kind: 'exit', status }))

run(given).catch((error: unknown) => {
  report(error)
  process.exitCode = exitStatusOf(error)
})
