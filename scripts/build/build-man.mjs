/**
 * Builds man pages: docs/man/NAME.1.md, and what src/cli/definitions/ says of
 * the verb, to man/NAME.1. Run it after the build. A verb without a page, a page
 * without a verb, and prose that repeats what is generated are errors.
 *
 * Macros: man(7); SY and YS are understood by groff and mandoc.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERB_GROUPS } from '../../dist/src/cli/definitions/verb-list.js'
import { programPage, verbPage } from '../../dist/src/cli/shared/manual.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const { version, man } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
)

const escape = text =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
const inline = text =>
  escape(text)
    .replace(/`([^`]+)`/g, '\\fB$1\\fR')
    .replace(/\*([^*]+)\*/g, '\\fI$1\\fR')

/** What belongs together is not broken: `[--os NAME]`. */
const unbroken = word => escape(word).replaceAll(' ', '\\ ')

const blockLines = block => {
  switch (block.kind) {
    case 'paragraph':
      return ['.PP', inline(block.text)]
    case 'item':
      return ['.TP', inline(block.term), inline(block.text)]
    case 'example':
      return ['.PP', '.RS 4', '.EX', ...block.lines.map(escape), '.EE', '.RE']
    case 'usage': {
      const [command, ...words] = block.words
      return [`.SY ${command}`, ...words.map(unbroken), '.YS']
    }
  }
}

const toRoff = page =>
  [
    `.TH "${page.name.toUpperCase()}" "1" "" "dendro ${version}"`,
    '.SH NAME',
    `${page.name} \\- ${escape(page.summary)}`,
    ...page.sections.flatMap(({ title, blocks }) => [
      `.SH ${title.toUpperCase()}`,
      ...blocks
        .flatMap(blockLines)
        .filter((line, index) => index > 0 || line !== '.PP'),
    ]),
  ].join('\n') + '\n'

const proseOf = name => {
  try {
    return readFileSync(join(root, `docs/man/${name}.1.md`), 'utf8')
  } catch (error) {
    throw new Error(`docs/man/${name}.1.md is missing: write its prose`, {
      cause: error,
    })
  }
}

const groups = await Promise.all(
  VERB_GROUPS.map(async ({ title, verbs }) => ({
    title,
    verbs: await Promise.all(
      Object.values(verbs).map(
        async verb => (await verb.definition()).definition,
      ),
    ),
  })),
)
const pages = [
  programPage(groups, proseOf('dendro')),
  ...groups.flatMap(({ verbs }) =>
    verbs.map(verb => verbPage(verb, proseOf(`dendro-${verb.name}`))),
  ),
]
const names = new Set(pages.map(({ name }) => name))
for (const file of readdirSync(join(root, 'docs/man')))
  if (!names.has(file.replace(/\.1\.md$/, '')))
    throw new Error(`docs/man/${file} is of no verb`)
const listed = [...names].map(name => `./man/${name}.1`).sort()
if (JSON.stringify(man) !== JSON.stringify(listed))
  throw new Error(`"man" in package.json is not ${JSON.stringify(listed)}`)

rmSync(join(root, 'man'), { recursive: true, force: true })
mkdirSync(join(root, 'man'))
for (const page of pages)
  writeFileSync(join(root, 'man', `${page.name}.1`), toRoff(page))
console.log(`man: ${pages.length} pages`)
