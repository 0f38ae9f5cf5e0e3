/**
 * What a verb of the command line takes, as data. From it come parsing, usage
 * lines, help, the synopsis and the options of the man page, the completion of
 * the shells and what the launcher decides; docs/decisions/command-line.md
 *
 * Texts of definitions are for people: one sentence without a full stop, with
 * the Markdown that the man pages know (`code`, *emphasis*).
 */

/**
 * What a value is: how it is checked, and what a shell offers for it.
 *
 * - `name`: any bytes; nothing is offered
 * - `text`: for people, must be UTF-8
 * - `number`: digits, from `min` to `max`
 * - `deployment`: a number that `dendro status` shows
 * - `revision`, `ref`, `tag`: names of commits, as bytes
 * - `directory`, `file`: paths of the host, as bytes
 * - `mountpoint`: a directory where something of ours is mounted
 * - `command`: a program and its arguments, behind `--`
 */
export type ValueKind =
  | 'name'
  | 'text'
  | 'number'
  | 'deployment'
  | 'revision'
  | 'ref'
  | 'tag'
  | 'directory'
  | 'file'
  | 'mountpoint'
  | 'command'

export interface ValueDefinition {
  readonly kind: ValueKind
  /** What stands for it in usage lines: `REV`. */
  readonly label: string
  /** Of a number: the least (0 when absent). */
  readonly min?: number
  /** Of a number: the most (9 digits when absent). */
  readonly max?: number
  /** Words that a shell offers; others are as good. */
  readonly words?: readonly string[]
  /** Whether an empty one is none, and any other word is one. */
  readonly isNeverEmpty?: true
}

export interface OptionDefinition {
  readonly help: string
  /** One letter. */
  readonly short?: string
  /** Whether usage lines show the letter instead of the name. */
  readonly isShownShort?: true
  /** Absent: a flag. */
  readonly value?: ValueDefinition
  /** Whether it may be given again; else the last one counts. */
  readonly isMany?: true
  /** The option that this one belongs to, and means nothing without. */
  readonly needs?: string
  /** For our own scripts: taken, and told to nobody. */
  readonly isHidden?: true
  /** Instead of one line in the list of options: several terms and texts. */
  readonly details?: readonly (readonly [term: string, text: string])[]
  /** Whether a verb that detaches stays where it is called with this one. */
  readonly isAttached?: true
}

export interface OperandDefinition extends ValueDefinition {
  /** Under which the verb finds it. */
  readonly name: string
  readonly isOptional?: true
  /** Whether it may be repeated, from no time on when it is optional. */
  readonly isMany?: true
}

/** One way to call a verb: a line of its usage. */
export interface FormDefinition {
  /** The word behind the verb that chooses this form. */
  readonly action?: string
  /** The option that chooses this form. */
  readonly chosenBy?: string
  readonly operands: readonly OperandDefinition[]
  /** Names of options, in the order of the usage line. */
  readonly options: readonly string[]
  /** Those of them that must be given. */
  readonly required?: readonly string[]
  /** What is said where one of these is missing, if there is more to say. */
  readonly whyRequired?: string
  /** Groups of options of which exactly one is given. */
  readonly oneOf?: readonly (readonly string[])[]
  /** Groups of options, and an operand maybe, of which at most one is given. */
  readonly atMostOne?: readonly (readonly string[])[]
}

export interface VerbDefinition {
  readonly name: string
  /** One line for lists, and the NAME of the man page. */
  readonly summary: string
  /** What `--help` tells besides: a paragraph, or none. */
  readonly about?: string
  readonly options: Readonly<Record<string, OptionDefinition>>
  readonly forms: readonly [FormDefinition, ...FormDefinition[]]
  /** Other programs' ways to the same, for the man page. */
  readonly otherUsage?: readonly string[]
  /**
   * Whether the launcher starts it in the background as a server
   * (docs/decisions/one-process-mount.md).
   */
  readonly detaches?: {
    /** Words that, as the first operand, ask for something else. */
    readonly exceptFor: readonly string[]
  }
}

/** Gives a definition its exact type, from which that of its values follows. */
export const defineVerb = <const D extends VerbDefinition>(definition: D): D =>
  definition

export interface GlobalOptions {
  readonly repo: string | undefined
  readonly sysroot: string
  readonly json: boolean
  readonly debug: boolean
}

type ScalarOf<V> = V extends { readonly kind: 'number' | 'deployment' }
  ? number
  : string

type OptionValue<O> = O extends { readonly value: infer V }
  ? O extends { readonly isMany: true }
    ? readonly ScalarOf<V>[]
    : ScalarOf<V> | undefined
  : boolean

/** The values of all options of a verb; those of other forms are absent. */
export type OptionsOf<D extends VerbDefinition> = {
  readonly [N in keyof D['options']]: OptionValue<D['options'][N]>
}

type OperandValue<O> = O extends { readonly isMany: true }
  ? readonly ScalarOf<O>[]
  : O extends { readonly isOptional: true }
    ? ScalarOf<O> | undefined
    : ScalarOf<O>

export type OperandsOf<F extends FormDefinition> = {
  readonly [O in F['operands'][number] as O['name']]: OperandValue<O>
}

/** `plain` is the form that neither a word nor an option chooses. */
export type FormName<F> = F extends { readonly action: infer A }
  ? A
  : F extends { readonly chosenBy: infer C }
    ? C
    : 'plain'

/** A command line that was parsed: one variant for each form of the verb. */
export type Invocation<D extends VerbDefinition> =
  D['forms'][number] extends infer F
    ? F extends FormDefinition
      ? {
          readonly global: GlobalOptions
          readonly form: FormName<F>
          readonly options: OptionsOf<D>
          readonly operands: OperandsOf<F>
        }
      : never
    : never

/** What a verb does with its command line. */
export interface Verb<D extends VerbDefinition> {
  run(invocation: Invocation<D>): Promise<void> | void
}
