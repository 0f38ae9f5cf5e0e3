#!/usr/bin/env node
/**
 * The command line: finds the verb, loads only its files, prints one line for
 * an error.
 */

import { DendroError, errorLine, exitStatusOf } from '../errors.ts'
import { isLaunched, tellStarter } from '../server/starter.ts'
import { callerArguments } from '../system/caller.ts'
import { writeNote } from '../system/standard-streams.ts'
import { GLOBAL_OPTIONS } from './definitions/values.ts'
import { VERBS } from './definitions/verb-list.ts'
import { flawOf, parseVerb, splitWords } from './shared/arguments.ts'
import { print, warn } from './shared/output.ts'
import { nearest } from './shared/suggest.ts'

const USAGE = 'usage: dendro [--repo DIR] [--sysroot DIR] [--json] VERB ...'

/** What stands before the verb, the verb, and what stands behind it. */
interface Words {
  readonly before: readonly string[]
  readonly name: string | undefined
  readonly behind: readonly string[]
}

/** Options before the verb that take the next word. */
const TAKES_VALUE: ReadonlySet<string> = new Set(
  Object.entries(GLOBAL_OPTIONS).flatMap(([name, option]) =>
    'value' in option ? [`--${name}`] : [],
  ),
)

const divide = (words: readonly string[]): Words => {
  let at = 0
  while (at < words.length) {
    const word = words[at] as string
    if (word === '--' || !word.startsWith('-') || word === '-') break
    at += TAKES_VALUE.has(word) ? 2 : 1
  }
  return {
    before: words.slice(0, at),
    name: words[at] === '--' ? undefined : words[at],
    behind: words.slice(at + 1),
  }
}

const BEFORE_VERB = {
  ...GLOBAL_OPTIONS,
  version: { help: 'print the version of this program' },
} as const

/** Options before the verb; those that ask for something instead of one. */
const readBefore = (
  before: readonly string[],
): { readonly wantsHelp: boolean; readonly wantsVersion: boolean } => {
  const { options } = splitWords(before, BEFORE_VERB)
  for (const option of options) {
    const flaw = flawOf(option, BEFORE_VERB)
    if (flaw !== undefined)
      throw new DendroError('USAGE', `bad command line: ${flaw}`, {
        hint: USAGE,
      })
  }
  const has = (name: string): boolean =>
    options.some(option => option.name === name)
  return { wantsHelp: has('help'), wantsVersion: has('version') }
}

const unknownVerb = (name: string): DendroError => {
  const near = nearest(name, [...VERBS.keys(), 'help'])
  return new DendroError(
    'USAGE',
    `bad command line: unknown verb '${name}'${near === undefined ? '' : `, did you mean ${near}?`}`,
    { hint: 'dendro --help lists the verbs' },
  )
}

const run = async (words: readonly string[]): Promise<void> => {
  const { before, name, behind } = divide(words)
  const { wantsHelp, wantsVersion } = readBefore(before)
  if (wantsVersion) {
    const { packageVersion } = await import('./verbs/version.ts')
    print(`dendro ${packageVersion()}`)
    return
  }
  if (name === undefined || name === 'help') {
    const { showManual, showVerbs } = await import('./shared/help.ts')
    const [topic] = behind.filter(word => !word.startsWith('-'))
    if (name === undefined || topic === undefined) await showVerbs()
    else await showManual(topic, unknownVerb)
    if (name === undefined && !wantsHelp) process.exitCode = 2
    return
  }
  const listed = VERBS.get(name)
  if (listed === undefined) throw unknownVerb(name)
  const { definition } = await listed.definition()
  const parsed = parseVerb(definition, [...before, ...behind])
  if (parsed === undefined) {
    const { showVerb } = await import('./shared/help.ts')
    showVerb(definition)
    return
  }
  const { verb } = await listed.verb()
  // It is of the definition that the verb stands beside in the list.
  await verb.run(parsed as never)
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
