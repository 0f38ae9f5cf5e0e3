/** Usage lines, and how options and operands are written in them. */

import type {
  FormDefinition,
  OperandDefinition,
  OptionDefinition,
  VerbDefinition,
} from '../definitions/verb-definition.ts'

/** `--count COUNT`, or `-n COUNT` where the letter is what people write. */
export const optionWords = (name: string, option: OptionDefinition): string => {
  const shown =
    option.isShownShort === true && option.short !== undefined
      ? `-${option.short}`
      : `--${name}`
  return option.value === undefined ? shown : `${shown} ${option.value.label}`
}

const operandWords = (operand: OperandDefinition): string => {
  const { label, kind, isOptional, isMany } = operand
  if (kind === 'command') return `-- ${label} [ARGUMENT]...`
  return `${isOptional === true ? `[${label}]` : label}${isMany === true ? '...' : ''}`
}

/** What of a form is written together, such as `[--version V | --auto-version PREFIX]`. */
class FormWords {
  readonly #verb: VerbDefinition
  readonly #form: FormDefinition
  /** Names that stand in words already. */
  readonly #written = new Set<string>()

  constructor(verb: VerbDefinition, form: FormDefinition) {
    this.#verb = verb
    this.#form = form
  }

  words(): string[] {
    const { action, chosenBy, operands, options, required } = this.#form
    const words = action === undefined ? [] : [action]
    const first = chosenBy === undefined ? [] : [chosenBy]
    for (const name of [...first, ...(required ?? [])])
      words.push(this.#plain(name))
    // Those that belong to what chose the form stand beside it.
    for (const name of options)
      if (first.includes(this.#option(name).needs ?? ''))
        words.push(this.#optional(name))
    for (const operand of operands) words.push(this.#operand(operand))
    for (const group of this.#form.oneOf ?? [])
      words.push(group.map(name => this.#plain(name)).join('|'))
    for (const name of options)
      if (
        !this.#written.has(name) &&
        this.#option(name).isHidden !== true &&
        !options.includes(this.#option(name).needs ?? '')
      )
        words.push(this.#optional(name))
    return words
  }

  #option(name: string): OptionDefinition {
    const option = this.#verb.options[name]
    if (option === undefined)
      throw new TypeError(`${this.#verb.name} defines no option ${name}`)
    return option
  }

  #plain(name: string): string {
    this.#written.add(name)
    return optionWords(name, this.#option(name))
  }

  #groupOf(name: string): readonly string[] | undefined {
    return this.#form.atMostOne?.find(group => group.includes(name))
  }

  #operand(operand: OperandDefinition): string {
    const group = this.#groupOf(operand.name)
    return group === undefined ? operandWords(operand) : this.#oneAtMost(group)
  }

  #oneAtMost(group: readonly string[]): string {
    const { operands } = this.#form
    const words = group.map(
      name =>
        operands.find(operand => operand.name === name)?.label ??
        this.#plain(name),
    )
    return `[${words.join(' | ')}]`
  }

  /** An option in brackets, with those in it that need it. */
  #optional(name: string): string {
    const group = this.#groupOf(name)
    if (group !== undefined) return this.#oneAtMost(group)
    const inner = this.#form.options
      .filter(other => this.#option(other).needs === name)
      .map(other => ` ${this.#optional(other)}`)
    const { isMany } = this.#option(name)
    return `[${this.#plain(name)}${inner.join('')}]${isMany === true ? '...' : ''}`
  }
}

/** A line of usage by its words: those in brackets are one. */
export const usageWords = (
  verb: VerbDefinition,
  form: FormDefinition,
): string[] => ['dendro', verb.name, ...new FormWords(verb, form).words()]

/** `dendro ls REV [PATH] [-R] [-l]` */
export const usageLine = (verb: VerbDefinition, form: FormDefinition): string =>
  usageWords(verb, form).join(' ')

/** All its forms in one line, for the end of an error. */
export const usageHint = (
  verb: VerbDefinition,
  form?: FormDefinition,
): string => {
  const forms = form === undefined ? verb.forms : [form]
  return `usage: ${forms.map(each => usageLine(verb, each)).join(' | ')}`
}
