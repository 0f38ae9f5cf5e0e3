/** Parsing of a verb's arguments, with errors that show its usage. */

import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import { isEscaped } from '../../bytes/byte-text.ts'
import { DendroError } from '../../errors.ts'

export type OptionTable = NonNullable<ParseArgsConfig['options']>

export interface Parsed {
  readonly positionals: readonly string[]
  /** The last value of a string option. */
  string(name: string): string | undefined
  strings(name: string): readonly string[]
  /** The same of what is text and not a name. Errors: `USAGE` (not UTF-8). */
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  flag(name: string): boolean
}

export interface GlobalOptions {
  readonly repo: string | undefined
  readonly sysroot: string
  readonly json: boolean
  readonly debug: boolean
}

export interface VerbContext {
  readonly global: GlobalOptions
  readonly args: readonly string[]
}

/** One verb of the command line: its help and what it does. */
export interface Verb {
  readonly usage: string
  readonly summary: string
  run(context: VerbContext): Promise<void> | void
}

export const usageError = (why: string, usage: string): DendroError =>
  new DendroError('USAGE', `bad command line: ${why}`, {
    hint: `usage: dendro ${usage.replace(/\n\s*/g, ' | ')}`,
  })

/**
 * Parses `args`. `count` is the least and the most number of positionals.
 * Errors: `USAGE`.
 */
export const parseVerb = (
  context: VerbContext,
  usage: string,
  options: OptionTable,
  count: readonly [number, number],
): Parsed => {
  let result: ReturnType<typeof parseArgs>
  try {
    result = parseArgs({
      args: [...context.args],
      options,
      allowPositionals: true,
      strict: true,
    })
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    // Its first sentence.
    throw usageError(text.split(/\.\s/)[0] as string, usage)
  }
  const { values, positionals } = result
  if (positionals.length < count[0])
    throw usageError('too few arguments', usage)
  if (positionals.length > count[1])
    throw usageError(`unexpected argument '${positionals[count[1]]}'`, usage)
  const strings = (name: string): string[] => {
    const value = values[name]
    if (value === undefined) return []
    return (Array.isArray(value) ? value : [value]).map(String)
  }
  const texts = (name: string): string[] => {
    const found = strings(name)
    if (found.some(isEscaped))
      throw usageError(`the ${name} is not UTF-8`, usage)
    return found
  }
  return {
    positionals,
    strings,
    texts,
    text: name => texts(name).at(-1),
    string: name => strings(name).at(-1),
    flag: name => values[name] === true,
  }
}
