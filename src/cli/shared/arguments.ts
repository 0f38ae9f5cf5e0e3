/**
 * From the words of a command line to the values that a definition tells of.
 *
 * Words are text in which bytes that are not UTF-8 are escaped
 * (bytes/byte-text.ts); node:util splits them, and takes any text.
 */

import { parseArgs } from 'node:util'
import { isEscaped } from '../../bytes/byte-text.ts'
import { DendroError } from '../../errors.ts'
import type {
  FormDefinition,
  GlobalOptions,
  OperandDefinition,
  OptionDefinition,
  ValueDefinition,
  VerbDefinition,
} from '../definitions/verb-definition.ts'
import { GLOBAL_OPTIONS } from '../definitions/values.ts'
import { nearest } from './suggest.ts'
import { usageHint } from './usage.ts'

export type {
  GlobalOptions,
  Invocation,
  Verb,
} from '../definitions/verb-definition.ts'

/** What was typed wrongly, with the usage of the verb, or of one of its forms. */
export const usageError = (
  why: string,
  verb: VerbDefinition,
  form?: FormDefinition,
): DendroError =>
  new DendroError('USAGE', `bad command line: ${why}`, {
    hint: usageHint(verb, form),
  })

/** A value of a command line: as the kind says, text or a number. */
type Value = string | number

export interface ParsedLine {
  readonly global: GlobalOptions
  readonly form: string
  readonly options: Readonly<
    Record<string, boolean | Value | readonly Value[] | undefined>
  >
  readonly operands: Readonly<
    Record<string, Value | readonly Value[] | undefined>
  >
}

/** An option as it was written. */
interface GivenOption {
  readonly name: string
  /** With its dashes. */
  readonly raw: string
  readonly value: string | undefined
  readonly isInline: boolean
}

interface GivenWords {
  readonly options: readonly GivenOption[]
  readonly operands: readonly string[]
  /** What stands behind `--`. */
  readonly rest: readonly string[]
}

/** Divides `words`; what is no option of `known` is given as it is. */
export const splitWords = (
  words: readonly string[],
  known: Readonly<Record<string, OptionDefinition>>,
): GivenWords => {
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(known).map(([name, { short, value }]) => [
        name,
        {
          type: value === undefined ? 'boolean' : 'string',
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options: GivenOption[] = []
  const operands: string[] = []
  const rest: string[] = []
  let place = operands
  for (const token of tokens)
    if (token.kind === 'option-terminator') place = rest
    else if (token.kind === 'positional') place.push(token.value)
    else
      options.push({
        name: token.name,
        raw: token.rawName,
        value: token.value,
        isInline: token.inlineValue === true,
      })
  return { options, operands, rest }
}

/** Why an option cannot be as it was written, or undefined. */
export const flawOf = (
  given: GivenOption,
  known: Readonly<Record<string, OptionDefinition>>,
): string | undefined => {
  const { name, raw, value, isInline } = given
  const option = Object.hasOwn(known, name) ? known[name] : undefined
  if (option === undefined)
    return `Unknown option '${raw}'${didYouMean(raw, known)}`
  if (option.value === undefined)
    return isInline ? `Option '${raw}' does not take an argument` : undefined
  if (
    value === undefined ||
    (value === '' && option.value.isNeverEmpty === true)
  )
    return `${raw} needs a value (${option.value.label})`
  // Who forgot the value has the next option taken for it. Paths that scripts
  // hand on may begin so.
  const mayBeOption = !isInline && option.value.isNeverEmpty !== true
  return mayBeOption && value.length > 1 && value.startsWith('-')
    ? `Option '${raw}' argument is ambiguous`
    : undefined
}

const didYouMean = (
  raw: string,
  known: Readonly<Record<string, OptionDefinition>>,
): string => {
  const names = Object.entries(known).flatMap(([name, { isHidden }]) =>
    isHidden === true ? [] : [`--${name}`],
  )
  const found = raw.startsWith('--') ? nearest(raw, names) : undefined
  return found === undefined ? '' : `, did you mean ${found}?`
}

/**
 * Parses the words behind (and the global options before) a verb. Undefined
 * where help is asked for. Errors: `USAGE`.
 */
export const parseVerb = (
  verb: VerbDefinition,
  words: readonly string[],
): ParsedLine | undefined => {
  const known = { ...GLOBAL_OPTIONS, ...verb.options }
  const given = splitWords(words, known)
  if (given.options.some(({ name }) => name === 'help')) return undefined
  for (const option of given.options) {
    const flaw = flawOf(option, known)
    if (flaw !== undefined) throw usageError(flaw, verb)
  }
  return new FormParser(verb, given).parse()
}

const dashed = (name: string): string => `--${name}`

/** Finds the form that is meant and holds what was given to it. */
class FormParser {
  readonly #verb: VerbDefinition
  readonly #given: GivenWords
  /** Of the verb, without the global ones. */
  readonly #own: readonly GivenOption[]
  readonly #names: ReadonlySet<string>

  constructor(verb: VerbDefinition, given: GivenWords) {
    this.#verb = verb
    this.#given = given
    this.#own = given.options.filter(({ name }) =>
      Object.hasOwn(verb.options, name),
    )
    this.#names = new Set(this.#own.map(({ name }) => name))
  }

  parse(): ParsedLine {
    const form = this.#chooseForm()
    this.#checkOptions(form)
    return {
      global: this.#global(),
      form: form.action ?? form.chosenBy ?? 'plain',
      operands: this.#operands(form),
      options: this.#options(form),
    }
  }

  #global(): GlobalOptions {
    const last = (name: string): string | undefined =>
      this.#given.options.findLast(option => option.name === name)?.value
    const has = (name: string): boolean =>
      this.#given.options.some(option => option.name === name)
    return {
      repo: last('repo'),
      sysroot: last('sysroot') ?? '/',
      json: has('json'),
      debug: has('debug'),
    }
  }

  #chooseForm(): FormDefinition {
    const { forms } = this.#verb
    if (forms[0].action !== undefined) return this.#formOfAction()
    const chosen = forms.filter(
      ({ chosenBy }) => chosenBy !== undefined && this.#names.has(chosenBy),
    )
    if (chosen.length > 1)
      throw usageError(
        `${chosen.map(form => dashed(form.chosenBy ?? '')).join(' and ')} exclude each other`,
        this.#verb,
      )
    return (
      chosen[0] ??
      forms.find(({ chosenBy }) => chosenBy === undefined) ??
      forms[0]
    )
  }

  #formOfAction(): FormDefinition {
    const [word] = this.#given.operands
    const { forms } = this.#verb
    if (word === undefined) throw usageError('too few arguments', this.#verb)
    const form = forms.find(({ action }) => action === word)
    if (form !== undefined) return form
    const near = nearest(
      word,
      forms.flatMap(({ action }) => action ?? []),
    )
    throw usageError(
      `unknown action ${word}${near === undefined ? '' : `, did you mean ${near}?`}`,
      this.#verb,
      forms.find(({ action }) => action === near),
    )
  }

  #checkOptions(form: FormDefinition): void {
    const fail = (why: string): never => {
      throw usageError(why, this.#verb, form)
    }
    for (const { name, raw } of this.#own) {
      const needed = this.#verb.options[name]?.needs
      if (needed !== undefined && !this.#names.has(needed))
        throw usageError(this.#withNeeded(needed), this.#verb)
      if (name !== form.chosenBy && !form.options.includes(name))
        throw this.#misplaced(name, raw, form)
    }
    for (const name of form.required ?? [])
      if (!this.#names.has(name)) {
        const { short, isShownShort, value } = this.#verb.options[
          name
        ] as OptionDefinition
        const words = isShownShort === true ? `-${short}` : dashed(name)
        fail(
          form.whyRequired ??
            `${value === undefined ? words : `${words} ${value.label}`} is missing`,
        )
      }
    for (const group of form.oneOf ?? [])
      if (group.filter(name => this.#names.has(name)).length !== 1)
        fail(`name one of ${group.map(dashed).join(', ')}`)
    for (const group of form.atMostOne ?? []) {
      const options = group.filter(name => this.#names.has(name))
      if (options.length > 1)
        fail(`${options.map(dashed).join(' and ')} exclude each other`)
    }
  }

  /** `--size and --wipe go with --disk` */
  #withNeeded(needed: string): string {
    const names = Object.entries(this.#verb.options)
      .filter(([, { needs }]) => needs === needed)
      .map(([name]) => dashed(name))
    return `${names.join(' and ')} ${names.length > 1 ? 'go' : 'goes'} with ${dashed(needed)}`
  }

  #misplaced(name: string, raw: string, form: FormDefinition): DendroError {
    const homes = this.#verb.forms.filter(
      other => other.options.includes(name) || other.chosenBy === name,
    )
    const where = homes.map(({ action, chosenBy }) =>
      action === undefined
        ? chosenBy === undefined
          ? ''
          : dashed(chosenBy)
        : `'${this.#verb.name} ${action}'`,
    )
    const here = form.action ?? dashed(form.chosenBy ?? '')
    return usageError(
      where.some(word => word === '')
        ? `${raw} does not go with ${here}`
        : `${raw} goes with ${where.join(', ')}`,
      this.#verb,
    )
  }

  #options(
    form: FormDefinition,
  ): Record<string, ParsedLine['options'][string]> {
    const options: Record<string, ParsedLine['options'][string]> = {}
    for (const [name, option] of Object.entries(this.#verb.options)) {
      const { value, isMany } = option
      const given = this.#own.filter(one => one.name === name)
      if (value === undefined) {
        options[name] = given.length > 0
        continue
      }
      const values = given.map(one =>
        this.#value(one.value ?? '', value, form, { name, raw: one.raw }),
      )
      options[name] = isMany === true ? values : values.at(-1)
    }
    return options
  }

  #operands(form: FormDefinition): Record<string, Value | Value[] | undefined> {
    const fail = (why: string): never => {
      throw usageError(why, this.#verb, form)
    }
    const command = form.operands.find(({ kind }) => kind === 'command')
    const before = this.#given.operands.slice(form.action === undefined ? 0 : 1)
    const words =
      command === undefined ? [...before, ...this.#given.rest] : before
    const operands = form.operands.filter(operand => operand !== command)
    const found: Record<string, Value | Value[] | undefined> = {}
    const needed = operands.filter(({ isOptional }) => isOptional !== true)
    let spare = words.length - needed.length
    if (spare < 0)
      fail(
        `too few arguments, ${(needed[words.length] as OperandDefinition).label} is missing`,
      )
    for (const operand of operands) {
      const { name, isOptional, isMany } = operand
      if (isMany === true) {
        const count = spare + (isOptional === true ? 0 : 1)
        spare = 0
        found[name] = words
          .splice(0, count)
          .map(word => this.#value(word, operand, form))
      } else if (isOptional !== true || spare-- > 0)
        found[name] = this.#value(words.shift() as string, operand, form)
    }
    if (words.length > 0)
      fail(
        `unexpected argument '${words[0]}'${form.chosenBy === undefined ? '' : ` with ${dashed(form.chosenBy)}`}`,
      )
    if (command !== undefined) {
      if (this.#given.rest.length === 0)
        fail("a command is missing behind '--'")
      found[command.name] = [...this.#given.rest]
    }
    this.#checkOperandGroups(form, found)
    return found
  }

  /** An operand may exclude an option: `[--deployment N | REV]`. */
  #checkOperandGroups(
    form: FormDefinition,
    found: Readonly<Record<string, unknown>>,
  ): void {
    for (const group of form.atMostOne ?? [])
      for (const { name, label } of form.operands) {
        if (!group.includes(name) || found[name] === undefined) continue
        const other = group.find(one => this.#names.has(one))
        if (other !== undefined)
          throw usageError(
            `${dashed(other)} and ${label} exclude each other`,
            this.#verb,
            form,
          )
      }
  }

  #value(
    word: string,
    definition: ValueDefinition,
    form: FormDefinition,
    option?: { readonly name: string; readonly raw: string },
  ): Value {
    const { kind, min = 0, max = 999_999_999 } = definition
    const fail = (why: string): never => {
      throw usageError(why, this.#verb, form)
    }
    if (kind === 'text' && isEscaped(word))
      fail(`the ${option?.name ?? definition.label} is not UTF-8`)
    if (kind === 'deployment')
      return /^\d{1,6}$/.test(word)
        ? Number(word)
        : fail(`'${word}' is no number of a deployment`)
    if (kind !== 'number') return word
    const what = option?.raw ?? definition.label
    if (!/^\d{1,15}$/.test(word)) fail(`${what} ${word} is not a number`)
    const number = Number(word)
    if (number >= min && number <= max) return number
    if (definition.max !== undefined)
      return fail(`${what} ${word} is not from ${min} to ${max}`)
    return fail(
      number < min ? `${what} is at least ${min}` : `${what} is at most ${max}`,
    )
  }
}
