/** Text in lines that fit the terminal. */

import { isatty } from 'node:tty'
import { callerVariable } from '../../system/caller.ts'

const WIDEST = 80
const NARROWEST = 30
const STANDARD_OUTPUT = 1

/**
 * Columns for text: those of the terminal, 80 at most, for longer lines are
 * hard to read. COLUMNS is for where there is none.
 */
export const textWidth = (): number => {
  const given = Number(callerVariable('COLUMNS') ?? '')
  const columns =
    isatty(STANDARD_OUTPUT) && process.stdout.columns > 0
      ? process.stdout.columns
      : Number.isSafeInteger(given) && given > 0
        ? given
        : WIDEST
  return Math.max(NARROWEST, Math.min(WIDEST, columns))
}

/**
 * Puts words into lines of `width` columns at most (a longer word stands
 * alone); the first begins with `first`, the others with `others`.
 */
export const fillLines = (
  words: readonly string[],
  width: number,
  first: string,
  others: string,
): string[] => {
  const lines: string[] = []
  let line = first
  let isEmpty = true
  for (const word of words) {
    const space = isEmpty ? '' : ' '
    if (!isEmpty && line.length + space.length + word.length > width) {
      lines.push(line)
      line = others + word
    } else line += space + word
    isEmpty = false
  }
  return [...lines, line]
}

/** The same for a text. */
export const fillText = (
  text: string,
  width: number,
  first: string,
  others: string,
): string[] => fillLines(text.split(' '), width, first, others)

/** A term, and beside it or below it what is said of it. */
export const termLines = (
  term: string,
  text: string,
  width: number,
  column: number,
): string[] => {
  const indent = ' '.repeat(column)
  return term.length + 2 <= column
    ? fillText(text, width, term.padEnd(column), indent)
    : [
        ...fillText(term, width, '', ' '.repeat(4)),
        ...fillText(text, width, indent, indent),
      ]
}

/** Without the marks of `code` and *emphasis*. */
export const plainText = (text: string): string =>
  text.replace(/`([^`]+)`/g, '$1').replace(/\*([^*]+)\*/g, '$1')
