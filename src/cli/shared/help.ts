/** What `--help` and `dendro help` print. */

import { spawnSync } from '../../system/spawn.ts'
import { join } from 'node:path'
import { isatty } from 'node:tty'
import type { DendroError } from '../../errors.ts'
import { existsSync, readFileSync } from '../../system/files.ts'
import { packageRoot } from '../../system/native.ts'
import { GLOBAL_OPTIONS } from '../definitions/values.ts'
import type { VerbDefinition } from '../definitions/verb-definition.ts'
import { VERB_GROUPS, VERBS } from '../definitions/verb-list.ts'
import {
  fillLines,
  fillText,
  plainText,
  termLines,
  textWidth,
} from './layout.ts'
import {
  describeOptions,
  PROGRAM_USAGE,
  programPage,
  verbPage,
} from './manual.ts'
import type { ManualPage, TitledVerbs } from './manual.ts'
import { manualLines } from './manual-text.ts'
import { printBytes } from './output.ts'
import { usageWords } from './usage.ts'

/** The text is ours: nothing in it is quoted. */
const printText = (lines: readonly string[]): void =>
  printBytes(Buffer.from(`${lines.join('\n')}\n`))

const groupsOfVerbs = (): Promise<TitledVerbs[]> =>
  Promise.all(
    VERB_GROUPS.map(async ({ title, verbs }) => ({
      title,
      verbs: await Promise.all(
        Object.values(verbs).map(
          async listed => (await listed.definition()).definition,
        ),
      ),
    })),
  )

const VERB_COLUMN = 17

/** Lists all verbs. */
export const showVerbs = async (): Promise<void> => {
  const width = textWidth()
  const lines = fillLines(PROGRAM_USAGE, width, 'usage: ', '           ')
  for (const { title, verbs } of await groupsOfVerbs()) {
    lines.push('', `${title}:`)
    for (const { name, summary } of verbs)
      lines.push(...termLines(`  ${name}`, summary, width, VERB_COLUMN))
  }
  lines.push(
    '',
    ...fillText(
      '"dendro VERB --help" tells what a verb takes, "dendro help VERB" all about it.',
      width,
      '',
      '',
    ),
  )
  printText(lines)
}

const OPTION_COLUMN = 22

const optionLines = (verb: VerbDefinition, width: number): string[] =>
  describeOptions(verb.options).flatMap(([terms, text]) =>
    termLines(`  ${terms.join(', ')}`, plainText(text), width, OPTION_COLUMN),
  )

const verbLines = (verb: VerbDefinition): string[] => {
  const width = textWidth()
  const lines = verb.forms.flatMap((form, index) =>
    fillLines(
      usageWords(verb, form),
      width,
      index === 0 ? 'usage: ' : '       ',
      ' '.repeat(11),
    ),
  )
  lines.push('', ...fillText(verb.summary, width, '', ''))
  if (verb.about !== undefined)
    lines.push('', ...fillText(verb.about, width, '', ''))
  const options = optionLines(verb, width)
  if (options.length > 0) lines.push('', ...options)
  const globals = Object.entries(GLOBAL_OPTIONS).map(([name, option]) =>
    'value' in option ? `--${name} ${option.value.label}` : `--${name}`,
  )
  lines.push(
    '',
    ...fillText(`Every verb takes ${globals.join(', ')}.`, width, '', ''),
    ...fillText(`"dendro help ${verb.name}" tells more.`, width, '', ''),
  )
  return lines
}

/** Tells what a verb takes. */
export const showVerb = (verb: VerbDefinition): void =>
  printText(verbLines(verb))

/** The prose of a page; undefined where the pages are not installed. */
const proseOf = (name: string): string | undefined => {
  const path = join(packageRoot(), 'docs', 'man', `${name}.1.md`)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** Has man(1) show a page on a terminal; false where it cannot. */
const showByMan = (name: string): boolean => {
  const path = join(packageRoot(), 'man', `${name}.1`)
  if (!isatty(0) || !isatty(1) || !existsSync(path)) return false
  return spawnSync('man', ['-l', path], { stdio: 'inherit' }).status === 0
}

/**
 * Shows the manual page of a verb, or of the program (`dendro`): in a pager on
 * a terminal that has man(1), else as text. Without the pages it is what
 * `--help` tells. Errors: what `unknown` makes of another topic.
 */
export const showManual = async (
  topic: string,
  unknown: (topic: string) => DendroError,
): Promise<void> => {
  const listed = VERBS.get(topic)
  if (listed === undefined && topic !== 'dendro') throw unknown(topic)
  const name = listed === undefined ? topic : `dendro-${topic}`
  if (showByMan(name)) return
  const prose = proseOf(name)
  let page: ManualPage
  if (listed === undefined) {
    if (prose === undefined) return showVerbs()
    page = programPage(await groupsOfVerbs(), prose)
  } else {
    const { definition } = await listed.definition()
    if (prose === undefined) return showVerb(definition)
    page = verbPage(definition, prose)
  }
  printText(manualLines(page, textWidth()))
}
