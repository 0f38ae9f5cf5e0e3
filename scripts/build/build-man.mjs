/**
 * Builds man pages: docs/man/NAME.SECTION.md to man/NAME.SECTION.
 *
 * The pages use a small part of Markdown: `#` and `##` headings, paragraphs,
 * indented examples, and "- `term`: text" lists. Anything else is an error, so
 * that a page cannot be built wrong in silence. Macros: man(7).
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const escape = text =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
const inline = text =>
  escape(text)
    .replace(/`([^`]+)`/g, '\\fB$1\\fR')
    .replace(/\*([^*]+)\*/g, '\\fI$1\\fR')

const convert = (text, name, section) => {
  const out = []
  let isExample = false
  const endExample = () => {
    if (isExample) out.push('.EE', '.RE')
    isExample = false
  }
  for (const line of text.split('\n')) {
    if (line.startsWith('    ')) {
      if (!isExample) out.push('.PP', '.RS 4', '.EX')
      isExample = true
      out.push(escape(line.slice(4)))
      continue
    }
    endExample()
    const item = /^- (`[^`]+`(?:, `[^`]+`)*): (.*)$/.exec(line)
    if (line.startsWith('# '))
      out.push(
        `.TH "${name.toUpperCase()}" "${section}" "" "dendro ${version}"`,
        '.SH NAME',
        `${name} \\- ${escape(line.replace(/^# [^:]+: /, ''))}`,
      )
    else if (line.startsWith('## '))
      out.push(`.SH ${line.slice(3).toUpperCase()}`)
    else if (item !== null) out.push('.TP', inline(item[1]), inline(item[2]))
    else if (/^(#|[-*+] |\d+\. |\||>|```)/.test(line))
      throw new Error(`${name}: this Markdown is not known here: ${line}`)
    else if (line === '') out.push('.PP')
    else out.push(inline(line))
  }
  endExample()
  return `${out
    .join('\n')
    .replace(/(\n\.PP)+(?=\n\.(SH|TP|PP))/g, '')
    .trim()}\n`
}

mkdirSync(join(root, 'man'), { recursive: true })
const pages = readdirSync(join(root, 'docs/man')).filter(page =>
  page.endsWith('.md'),
)
for (const page of pages) {
  const [, name, section] = /^(.+)\.(\d)\.md$/.exec(page)
  writeFileSync(
    join(root, 'man', `${name}.${section}`),
    convert(readFileSync(join(root, 'docs/man', page), 'utf8'), name, section),
  )
}
console.log(`man: ${pages.length} pages`)
