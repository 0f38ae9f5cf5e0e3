/**
 * Manual pages: prose from docs/man/*.md, and from the definitions the name,
 * the synopsis, the options and the verbs.
 *
 * The prose uses a small part of Markdown: `#` and `##` headings, paragraphs,
 * indented examples, and "- `term`: text" lists. Anything else is an error, so
 * that a page cannot be shown wrong in silence.
 */

import { GLOBAL_OPTIONS } from '../definitions/values.ts'
import type {
  OptionDefinition,
  VerbDefinition,
} from '../definitions/verb-definition.ts'
import { usageWords } from './usage.ts'

/** Texts have `code` and *emphasis* in them. */
export type ManualBlock =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'example'; readonly lines: readonly string[] }
  | { readonly kind: 'item'; readonly term: string; readonly text: string }
  /** A line of usage; where it is broken, it is between these words. */
  | { readonly kind: 'usage'; readonly words: readonly string[] }

export interface ManualSection {
  readonly title: string
  readonly blocks: readonly ManualBlock[]
}

export interface ManualPage {
  /** `dendro-commit` */
  readonly name: string
  readonly summary: string
  readonly sections: readonly ManualSection[]
}

/** What is made of the definitions; the prose must not have it as well. */
const GENERATED = ['Name', 'Synopsis', 'Options', 'Global options', 'Verbs']

const ITEM = /^- (`[^`]+`(?:, `[^`]+`)*): (.*)$/

const blockOf = (line: string, page: string): ManualBlock => {
  const item = ITEM.exec(line)
  if (item !== null)
    return { kind: 'item', term: item[1] as string, text: item[2] as string }
  if (/^(#|[-*+] |\d+\. |\||>|```)/.test(line))
    throw new TypeError(`${page}: this Markdown is not known here: ${line}`)
  return { kind: 'paragraph', text: line }
}

/** Errors: `TypeError` (Markdown that is not known, or what is generated). */
const parseProse = (markdown: string, page: string): ManualSection[] => {
  const sections: { title: string; blocks: ManualBlock[] }[] = []
  for (const line of markdown.split('\n')) {
    if (line === '') continue
    if (line.startsWith('# ')) {
      if (line !== `# ${page}` || sections.length > 0)
        throw new TypeError(`${page}: the title is not "# ${page}": ${line}`)
      continue
    }
    if (line.startsWith('## ')) {
      const title = line.slice(3)
      if (GENERATED.includes(title))
        throw new TypeError(
          `${page}: "${title}" is made of src/cli/definitions/, leave it out`,
        )
      sections.push({ title, blocks: [] })
      continue
    }
    const blocks = sections.at(-1)?.blocks
    if (blocks === undefined)
      throw new TypeError(`${page}: text before the first "## ": ${line}`)
    const last = blocks.at(-1)
    if (!line.startsWith('    ')) blocks.push(blockOf(line, page))
    else if (last?.kind === 'example')
      blocks.splice(-1, 1, {
        kind: 'example',
        lines: [...last.lines, line.slice(4)],
      })
    else blocks.push({ kind: 'example', lines: [line.slice(4)] })
  }
  return sections
}

const code = (text: string): string => `\`${text}\``

/** Terms and texts of options: `-b REF`, `--branch REF`. */
export const describeOptions = (
  options: Readonly<Record<string, OptionDefinition>>,
): (readonly [terms: readonly string[], text: string])[] =>
  Object.entries(options).flatMap(([name, option]) => {
    if (option.isHidden === true) return []
    if (option.details !== undefined)
      return option.details.map(
        ([terms, text]) => [terms.split(', '), text] as const,
      )
    const value = option.value === undefined ? '' : ` ${option.value.label}`
    const terms = [
      ...(option.short === undefined ? [] : [`-${option.short}${value}`]),
      `--${name}${value}`,
    ]
    return [[terms, option.help] as const]
  })

const optionItems = (
  options: Readonly<Record<string, OptionDefinition>>,
): ManualBlock[] =>
  describeOptions(options).map(([terms, text]) => ({
    kind: 'item',
    term: terms.map(code).join(', '),
    text,
  }))

/** Puts generated sections where a page has them. */
const assemble = (
  prose: readonly ManualSection[],
  afterDescription: readonly ManualSection[],
): ManualSection[] => {
  const globals: ManualSection = {
    title: 'Global options',
    blocks: optionItems(GLOBAL_OPTIONS),
  }
  const at = prose.findIndex(({ title }) => title === 'Description') + 1
  const end = prose.findIndex(({ title }) => title === 'Exit status')
  const last = end < 0 ? prose.length : end
  return [
    ...prose.slice(0, at),
    ...afterDescription.filter(({ blocks }) => blocks.length > 0),
    ...prose.slice(at, last),
    globals,
    ...prose.slice(last),
  ]
}

/**
 * The page of a verb; `prose` is that of docs/man/dendro-VERB.1.md. Errors:
 * `TypeError` (prose that does not fit).
 */
export const verbPage = (verb: VerbDefinition, prose: string): ManualPage => {
  const name = `dendro-${verb.name}`
  const synopsis: ManualBlock[] = [
    ...verb.forms.map(
      form => ({ kind: 'usage', words: usageWords(verb, form) }) as const,
    ),
    ...(verb.otherUsage ?? []).map(
      line => ({ kind: 'usage', words: line.split(/ (?![^[]*\])/) }) as const,
    ),
  ]
  return {
    name,
    summary: verb.summary,
    sections: [
      { title: 'Synopsis', blocks: synopsis },
      ...assemble(parseProse(prose, name), [
        { title: 'Options', blocks: optionItems(verb.options) },
      ]),
    ],
  }
}

export interface TitledVerbs {
  readonly title: string
  readonly verbs: readonly VerbDefinition[]
}

/** What comes before a verb. */
export const PROGRAM_USAGE = [
  'dendro',
  '[--repo DIR]',
  '[--sysroot DIR]',
  '[--json]',
  'VERB',
  '...',
] as const

/** The page of the program itself, dendro(1). */
export const programPage = (
  groups: readonly TitledVerbs[],
  prose: string,
): ManualPage => ({
  name: 'dendro',
  summary: 'every version of an operating-system tree, mounted',
  sections: [
    {
      title: 'Synopsis',
      blocks: [
        { kind: 'usage', words: PROGRAM_USAGE },
        { kind: 'usage', words: ['dendro', 'help', '[VERB]'] },
      ],
    },
    ...assemble(parseProse(prose, 'dendro'), [
      {
        title: 'Verbs',
        blocks: groups.flatMap(({ title, verbs }) => [
          {
            kind: 'paragraph',
            text: `${title[0]?.toUpperCase()}${title.slice(1)}:`,
          } as const,
          ...verbs.map(
            ({ name, summary }) =>
              ({
                kind: 'item',
                term: code(name),
                text: summary,
              }) as const,
          ),
        ]),
      },
    ]),
  ],
})
