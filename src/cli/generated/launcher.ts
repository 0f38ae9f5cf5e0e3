/**
 * What scripts/dendro has to know of the verbs, as a function of sh: whether
 * the program goes on in the background. It may say no where the answer is yes
 * (the server is then started by the program, a start of Node later), never
 * yes where it is no.
 */

import { GLOBAL_OPTIONS } from '../definitions/values.ts'
import type {
  OptionDefinition,
  VerbDefinition,
} from '../definitions/verb-definition.ts'

type Options = readonly (readonly [string, OptionDefinition])[]

const namesOf = (options: Options, inVerb: (name: string) => string) =>
  options.flatMap(([name, { short }]) => [
    inVerb(`--${name}`),
    ...(short === undefined ? [] : [inVerb(`-${short}`)]),
  ])

/** Patterns of the words after which the next one is a value. */
const valuePatterns = (options: Options, inVerb: (name: string) => string) =>
  namesOf(
    options.filter(([, { value }]) => value !== undefined),
    inVerb,
  )

/** Patterns of the words with which a verb stays in front. */
const attachedPatterns = (options: Options, inVerb: (name: string) => string) =>
  options
    .filter(([, { isAttached }]) => isAttached === true)
    .flatMap(([name, { short, value }]) => [
      inVerb(`--${name}`),
      ...(value === undefined ? [] : [inVerb(`--${name}=*`)]),
      // Letters may stand together; what follows may be a value.
      ...(short === undefined ? [] : [inVerb(`-${short}*`)]),
    ])

const anywhere = (word: string): string => `*:${word}`

/** A file to be sourced: `dendro_detaches "$@"`. */
export const launcherScript = (verbs: readonly VerbDefinition[]): string => {
  const globals = Object.entries(GLOBAL_OPTIONS) as Options
  const detaching = verbs.filter(({ detaches }) => detaches !== undefined)
  const values = valuePatterns(globals, anywhere)
  const attached = attachedPatterns(globals, anywhere)
  const other: string[] = []
  for (const verb of detaching) {
    const of = (word: string): string => `${verb.name}:${word}`
    const own = Object.entries(verb.options)
    attached.push(...attachedPatterns(own, of))
    values.push(
      ...valuePatterns(
        own.filter(([, { isAttached }]) => isAttached !== true),
        of,
      ),
    )
    other.push(...(verb.detaches?.exceptFor ?? []).map(of))
  }
  return `# Made of src/cli/definitions/ by the build.

# Whether the words "$@" are of a verb that goes on in the background.
dendro_detaches() {
  dendro_verb= dendro_operands=no dendro_next=word
  for dendro_word in "$@"; do
    case $dendro_next in
    value)
      dendro_next=word
      continue
      ;;
    word)
      case $dendro_verb:$dendro_word in
      *:--)
        dendro_next=operand
        continue
        ;;
      ${attached.join(' | ')}) return 1 ;;
      ${values.join(' | ')})
        dendro_next=value
        continue
        ;;
      *:-?*) continue ;;
      esac
      ;;
    esac
    if [ -z "$dendro_verb" ]; then
      dendro_verb=$dendro_word
      case $dendro_verb in
      ${detaching.map(({ name }) => name).join(' | ')}) ;;
      *) return 1 ;;
      esac
    elif [ "$dendro_operands" = no ]; then
      dendro_operands=yes
      case $dendro_verb:$dendro_word in
      ${other.join(' | ')}) return 1 ;;
      esac
    fi
  done
  [ -n "$dendro_verb" ]
}
`
}
