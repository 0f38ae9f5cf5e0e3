/** Manual pages as plain text. */

import { fillLines, fillText, plainText } from './layout.ts'
import type { ManualBlock, ManualPage } from './manual.ts'

const INDENT = ' '.repeat(4)
const DEEPER = ' '.repeat(8)

const blockLines = (block: ManualBlock, width: number): string[] => {
  switch (block.kind) {
    case 'paragraph':
      return fillText(plainText(block.text), width, INDENT, INDENT)
    case 'example':
      return block.lines.map(line => DEEPER + line)
    case 'item':
      return [
        ...fillText(plainText(block.term), width, INDENT, DEEPER),
        ...fillText(plainText(block.text), width, DEEPER, DEEPER),
      ]
    case 'usage':
      return fillLines(block.words, width, INDENT, DEEPER)
  }
}

/** The page in lines of `width` columns, as far as its words let it. */
export const manualLines = (page: ManualPage, width: number): string[] => {
  const lines = [
    'NAME',
    ...fillText(`${page.name} - ${page.summary}`, width, INDENT, DEEPER),
  ]
  for (const { title, blocks } of page.sections) {
    lines.push('', title.toUpperCase())
    for (const [index, block] of blocks.entries()) {
      // Usage lines and the verbs of a list stand close together.
      const isClose = block.kind === 'usage'
      if (index > 0 && !isClose) lines.push('')
      lines.push(...blockLines(block, width))
    }
  }
  return lines
}
