#!/usr/bin/env node
/**
 * The command line: finds the verb, loads only its file, prints one line for
 * an error.
 */

import { DendroError, errorLine, exitStatusOf } from '../errors.ts'
import { isLaunched, tellLauncher } from '../server/launcher.ts'
import { callerArguments } from '../system/caller.ts'
import { writeNote } from '../system/standard-streams.ts'
import type { GlobalOptions, Verb } from './arguments.ts'
import { print, printLines, warn } from './output.ts'

/** Verb to the module that holds it; loaded when called, to start fast. */
const VERBS: Readonly<Record<string, () => Promise<{ verb: Verb }>>> = {
  init: () => import('./init.ts'),
  commit: () => import('./commit.ts'),
  log: () => import('./log.ts'),
  show: () => import('./show.ts'),
  refs: () => import('./refs.ts'),
  tag: () => import('./tag.ts'),
  'rev-parse': () => import('./rev-parse.ts'),
  ls: () => import('./ls.ts'),
  cat: () => import('./cat.ts'),
  diff: () => import('./diff.ts'),
  checkout: () => import('./checkout.ts'),
  mount: () => import('./mount.ts'),
  umount: () => import('./umount.ts'),
  fsck: () => import('./fsck.ts'),
  prune: () => import('./prune.ts'),
  events: () => import('./events.ts'),
  repo: () => import('./repo.ts'),
  deploy: () => import('./deploy.ts'),
  upgrade: () => import('./upgrade.ts'),
  rollback: () => import('./rollback.ts'),
  status: () => import('./status.ts'),
  pin: () => import('./pin.ts'),
  unpin: () => import('./unpin.ts'),
  undeploy: () => import('./undeploy.ts'),
  etc: () => import('./etc.ts'),
  root: () => import('./root.ts'),
  run: () => import('./run.ts'),
  shell: () => import('./shell.ts'),
  live: () => import('./live.ts'),
  instance: () => import('./instance.ts'),
  kargs: () => import('./kargs.ts'),
  integrate: () => import('./integrate.ts'),
  install: () => import('./install.ts'),
  profile: () => import('./profile.ts'),
  'boot-root': () => import('./boot-root.ts'),
  'boot-complete': () => import('./boot-complete.ts'),
  op: () => import('./op.ts'),
  undo: () => import('./undo.ts'),
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
    const { packageVersion } = await import('./version.ts')
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
if (isLaunched()) process.on('exit', code => tellLauncher(`exit ${code}`))

run(given).catch((error: unknown) => {
  report(error)
  process.exitCode = exitStatusOf(error)
})
