/**
 * Completion for shells. One script of sh says what may stand next; it is made
 * of the definitions, so it starts no Node unless names of a repository are
 * wanted. bash, zsh and fish each call it: scripts/shipped/completions/
 *
 *     sh complete.sh WORD... CURRENT
 *
 * with the words behind `dendro`, the last of them as far as it is written. A
 * line for each candidate: the word, a tab, what it is; or `:directories`,
 * `:files` and `:commands`, which shells know better.
 */

import { GLOBAL_OPTIONS } from '../definitions/values.ts'
import type {
  FormDefinition,
  OptionDefinition,
  ValueDefinition,
  VerbDefinition,
} from '../definitions/verb-definition.ts'
import { plainText } from '../shared/layout.ts'

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** The first part of a sentence, to stand beside a word. */
const brief = (text: string): string =>
  plainText(text).split(/; |, which |\. /)[0] as string

const globals = Object.entries(GLOBAL_OPTIONS) as (readonly [
  string,
  OptionDefinition,
])[]

const offerOption = (
  verb: VerbDefinition | undefined,
  name: string,
): string[] => {
  const option: OptionDefinition | undefined =
    verb?.options[name] ?? globals.find(([global]) => global === name)?.[1]
  if (option === undefined || option.isHidden === true) return []
  const text = quote(brief(option.help))
  const words = [
    ...(option.short === undefined ? [] : [`-${option.short}`]),
    `--${name}`,
  ]
  return words.map(word => `offer ${word} ${text}`)
}

const offerValue = ({ kind, words = [] }: ValueDefinition): string =>
  [...words.map(word => `offer ${quote(word)} ''`), `offer_kind ${kind}`].join(
    '; ',
  )

/** What may stand at each place: where words may be left out, several things. */
const operandCases = (key: string, form: FormDefinition): string[] => {
  const cases = new Map<number | string, Set<string>>()
  let optional = 0
  const operands = form.operands.filter(({ kind }) => kind !== 'command')
  for (const [index, operand] of operands.entries()) {
    for (let place = index - optional; place <= index; place++)
      cases.set(place, (cases.get(place) ?? new Set()).add(offerValue(operand)))
    if (operand.isMany === true) cases.set('*', new Set([offerValue(operand)]))
    if (operand.isOptional === true) optional++
  }
  return [...cases].map(
    ([place, offers]) =>
      `  ${quote(key)}:${place}) ${[...offers].join('; ')} ;;`,
  )
}

/** Forms by what is written behind `dendro`: the verb, and its action. */
const formsByKey = (
  verb: VerbDefinition,
): (readonly [key: string, form: FormDefinition])[] =>
  verb.forms.map(form => [
    form.action === undefined ? verb.name : `${verb.name} ${form.action}`,
    form,
  ])

const optionCases = (verb: VerbDefinition): string[] => {
  const keys = new Map<string, Set<string>>()
  for (const [key, form] of formsByKey(verb)) {
    const names = keys.get(key) ?? new Set<string>()
    if (form.chosenBy !== undefined) names.add(form.chosenBy)
    for (const name of form.options) names.add(name)
    keys.set(key, names)
  }
  return [...keys].map(
    ([key, names]) =>
      `  ${quote(key)}) ${[...names].flatMap(name => offerOption(verb, name)).join('; ') || ':'} ;;`,
  )
}

const valueCases = (
  verb: string,
  options: readonly (readonly [string, OptionDefinition])[],
): string[] =>
  options.flatMap(([name, { short, value }]) => {
    if (value === undefined) return []
    const words = [
      `${verb}:--${name}`,
      ...(short === undefined ? [] : [`${verb}:-${short}`]),
    ]
    return [`  ${words.join(' | ')}) ${offerValue(value)} ;;`]
  })

const actionCases = (verb: VerbDefinition): string[] => {
  const actions = verb.forms.flatMap(({ action }) => action ?? [])
  return actions.length === 0
    ? []
    : [
        `  ${verb.name}) ${actions.map(action => `offer ${action} ''`).join('; ')} ;;`,
      ]
}

const PARTS = String.raw`
offer() {
  case $1 in
  "$current"*) printf '%s%s\t%s\n' "$prefix" "$1" "$2" ;;
  esac
}
program() {
  "$root/scripts/dendro" ${'${repo:+"--repo=$repo"}'} ${'${sysroot:+"--sysroot=$sysroot"}'} "$@" 2>/dev/null
}
offer_names() {
  program refs "$@" | while read -r id name; do offer "$name" "$id"; done
}
offer_kind() {
  case $1 in
  revision) offer_names; offer_names --tags ;;
  ref) offer_names ;;
  tag) offer_names --tags ;;
  deployment)
    program status | sed -n 's/^[* ] \([0-9][0-9]*\) \(.*\)$/\1 \2/p' |
      while read -r number what; do offer "$number" "$what"; done
    ;;
  mountpoint)
    while read -r _ _ _ _ place rest; do
      case $place:$rest in
      # What servers keep for themselves.
      /run/dendro/*) ;;
      *' - fuse.dendro '*) offer "$(printf '%b' "$place")" '' ;;
      esac
    done </proc/self/mountinfo
    ;;
  directory) echo :directories ;;
  file) echo :files ;;
  command) echo :commands ;;
  esac
}
`

const MAIN = String.raw`
root=${'${0%/dist/bundle/*}'}
verb= action= position=0 repo= sysroot= waiting= behind=no
while [ $# -gt 1 ]; do
  word=$1
  shift
  if [ -n "$waiting" ]; then
    # bash divides --option=value.
    [ "$word" = = ] && continue
    case $waiting in
    --repo) repo=$word ;;
    --sysroot) sysroot=$word ;;
    esac
    waiting=
    continue
  fi
  if [ $behind = no ]; then
    case $word in
    --) behind=yes; continue ;;
    --repo=*) repo=${'${word#*=}'}; continue ;;
    --sysroot=*) sysroot=${'${word#*=}'}; continue ;;
    --*=*) continue ;;
    -?*)
      if is_value "$verb" "$word"; then waiting=$word; fi
      continue
      ;;
    esac
  fi
  if [ -z "$verb" ]; then verb=$word
  elif [ -z "$action" ] && has_actions "$verb"; then action=$word
  else position=$((position + 1)); fi
done
current=${'${1-}'} prefix=
key=$verb${'${action:+ $action}'}
if [ -n "$waiting" ]; then
  [ "$current" != = ] || current=
  offer_value "$verb" "$waiting"
elif [ $behind = yes ]; then
  offer_behind "$key"
else
  case $current in
  --*=*)
    prefix=${'${current%%=*}'}=
    current=${'${current#*=}'}
    offer_value "$verb" "${'${prefix%=}'}"
    ;;
  -*) offer_options "$key" ;;
  *)
    if [ -z "$verb" ] || [ "$verb" = help ]; then offer_verbs
    elif [ -z "$action" ] && has_actions "$verb"; then offer_actions "$verb"
    else offer_operand "$key" "$position"; fi
    ;;
  esac
fi
`

/** dist/bundle/complete.sh */
export const completionScript = (verbs: readonly VerbDefinition[]): string => {
  const withActions = verbs.filter(({ forms: [first] }) => first.action)
  const values = [
    ...valueCases('*', globals),
    ...verbs.flatMap(verb =>
      valueCases(verb.name, Object.entries(verb.options)),
    ),
  ]
  const isValue = values.map(line => line.replace(/\) .*$/, ') return 0 ;;'))
  const commands = verbs
    .flatMap(formsByKey)
    .filter(([, form]) => form.operands.some(({ kind }) => kind === 'command'))
    .map(([key]) => quote(key))
  const lines = [
    '# Made of src/cli/definitions/ by the build; src/cli/generated/completion.ts',
    PARTS.trim(),
    'offer_verbs() {',
    ...verbs.map(verb => `  offer ${verb.name} ${quote(verb.summary)}`),
    "  offer help 'show the manual page of a verb'",
    '}',
    `has_actions() {\n  case $1 in\n  ${withActions.map(({ name }) => name).join(' | ')}) return 0 ;;\n  esac\n  return 1\n}`,
    'offer_actions() {\n  case $1 in',
    ...withActions.flatMap(actionCases),
    '  esac\n}',
    'is_value() {\n  case $1:$2 in',
    ...isValue,
    '  esac\n  return 1\n}',
    'offer_value() {',
    '  # Options of a mount may stand together.',
    '  case $1:$2:$current in',
    '  mount:-o:*,* | mount:--options:*,*)',
    '    prefix=$prefix${current%,*},',
    '    current=${current##*,}',
    '    ;;',
    '  esac',
    '  case $1:$2 in',
    ...values,
    '  esac\n}',
    'offer_options() {',
    ...globals
      .flatMap(([name]) => offerOption(undefined, name))
      .map(line => `  ${line}`),
    '  case $1 in',
    ...verbs.flatMap(optionCases),
    '  esac\n}',
    'offer_operand() {\n  case $1:$2 in',
    ...verbs.flatMap(verb =>
      formsByKey(verb)
        .filter(([, form]) => form.chosenBy === undefined)
        .flatMap(([key, form]) => operandCases(key, form)),
    ),
    '  esac\n}',
    'offer_behind() {',
    `  case $1 in\n  ${commands.join(' | ')}) offer_kind command; offer_kind file ;;`,
    '  *) offer_operand "$1" "$position" ;;\n  esac\n}',
    MAIN.trim(),
  ]
  return `${lines.join('\n')}\n`
}
