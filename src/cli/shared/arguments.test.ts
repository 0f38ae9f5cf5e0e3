import t from 'tap'
import { DendroError, errorLine } from '../../errors.ts'
import { definition as commit } from '../definitions/commit.ts'
import { definition as deploy } from '../definitions/deploy.ts'
import { definition as etc } from '../definitions/etc.ts'
import { definition as install } from '../definitions/install.ts'
import { definition as log } from '../definitions/log.ts'
import { definition as mount } from '../definitions/mount.ts'
import { definition as prune } from '../definitions/prune.ts'
import { definition as refs } from '../definitions/refs.ts'
import { definition as root } from '../definitions/root.ts'
import { definition as run } from '../definitions/run.ts'
import { definition as tag } from '../definitions/tag.ts'
import { loadDefinitions, VERBS } from '../definitions/verb-list.ts'
import type { VerbDefinition } from '../definitions/verb-definition.ts'
import { parseVerb } from './arguments.ts'
import { usageLine } from './usage.ts'

const parse = (verb: VerbDefinition, ...words: string[]) => {
  const parsed = parseVerb(verb, words)
  if (parsed === undefined) throw new TypeError('help was asked for')
  return parsed
}

t.test('options, operands and forms', async t => {
  t.match(parse(log, 'r', '-n', '3'), {
    form: 'plain',
    operands: { revision: 'r' },
    options: { count: 3 },
  })
  t.match(parse(mount, 'DIR').operands, { directory: 'DIR' })
  t.equal(parse(mount, 'DIR').operands['revision'], undefined)
  t.match(parse(mount, 'r', 'DIR').operands, { revision: 'r' })
  t.match(parse(mount, '-o', 'a', '-ob,c', 'DIR').options['options'], [
    'a',
    'b,c',
  ])
  t.match(parse(mount, '--stats', 'DIR'), {
    form: 'stats',
    options: { stats: 'DIR' },
  })
  t.match(parse(root, 'assemble', '2', 'DIR'), {
    form: 'assemble',
    operands: { deployment: 2, directory: 'DIR' },
  })
  t.match(parse(etc, 'reset', 'a', 'b', '--keep', 'c', '--keep=d'), {
    form: 'reset',
    operands: { paths: ['a', 'b'] },
    options: { keep: ['c', 'd'], off: false, os: undefined },
  })
  t.match(parse(run, 'r', '--', 'ls', '--json', '--').operands, {
    revision: 'r',
    command: ['ls', '--json', '--'],
  })
  t.match(parse(tag, '--', '-x', '--force').operands, {
    tag: '-x',
    revision: '--force',
  })
  t.match(parse(log, '--repo', '-odd', '--json', 'r', '--sysroot=/s').global, {
    repo: '-odd',
    sysroot: '/s',
    json: true,
    debug: false,
  })
  t.match(parse(refs, '-d', 'x', '--tags'), { form: 'delete' })
  t.equal(parseVerb(log, ['--nonsense', '--help']), undefined)
  t.not(parseVerb(run, ['--', 'ls', '--help']), undefined)
})

t.test(
  'bytes that are not UTF-8 stay in names, and are refused in texts',
  t => {
    const odd = 'caf\udce9'
    t.equal(parse(log, odd).operands['revision'], odd)
    t.equal(parse(mount, '--subdir', odd, 'r', 'd').options['subdir'], odd)
    t.match(
      refusal(commit, '-b', 'r', 'd', '-m', odd),
      'the subject is not UTF-8',
    )
    t.end()
  },
)

/** The line that is printed for what was typed. */
const refusal = (verb: VerbDefinition, ...words: string[]): string => {
  try {
    parseVerb(verb, words)
  } catch (error) {
    if (error instanceof DendroError && error.code === 'USAGE')
      return errorLine(error)
    throw error
  }
  return 'taken'
}

t.test('what was typed wrongly is told, with the usage', async t => {
  const LOG = '(usage: dendro log REV [-n COUNT])'
  for (const [verb, words, line] of [
    [log, '', `too few arguments, REV is missing ${LOG}`],
    [log, 'r s', `unexpected argument 's' ${LOG}`],
    [log, 'r --nonsense', `Unknown option '--nonsense' ${LOG}`],
    [
      log,
      'r --conut 3',
      `Unknown option '--conut', did you mean --count? ${LOG}`,
    ],
    [log, 'r --jsno', `Unknown option '--jsno', did you mean --json? ${LOG}`],
    [log, 'r -n', `-n needs a value (COUNT) ${LOG}`],
    [log, 'r -n --json', `Option '-n' argument is ambiguous ${LOG}`],
    [log, 'r --json=1', `Option '--json' does not take an argument ${LOG}`],
    [log, 'r -n x', `-n x is not a number ${LOG}`],
    [
      deploy,
      'r --keep 0',
      '--keep is at least 1 (usage: dendro deploy REV|VERSION [--os NAME] [--keep N])',
    ],
    [
      deploy,
      'r --remerge',
      "unexpected argument 'r' with --remerge (usage: dendro deploy --remerge)",
    ],
    [
      etc,
      'restet',
      'unknown action restet, did you mean reset? (usage: dendro etc reset [PATH]... [--keep GLOB]... [--deployment N])',
    ],
    [etc, 'log --off', "--off goes with 'etc own' (usage: dendro etc diff "],
    [
      etc,
      'resolve p --mine --theirs',
      'name one of --mine, --theirs, --edit, --merged (usage: dendro etc resolve PATH --mine|--theirs|--edit|--merged [--deployment N])',
    ],
    [
      etc,
      'own p -d x',
      "'x' is no number of a deployment (usage: dendro etc own PATH [--off] [--deployment N])",
    ],
    [
      commit,
      'd',
      '-b REF is missing (usage: dendro commit -b REF DIR [-m SUBJECT] [--body TEXT] [--meta K=V]... [--version V | --auto-version PREFIX] ',
    ],
    [
      commit,
      '-b r d --version 1 --auto-version 2',
      '--version and --auto-version exclude each other (usage: ',
    ],
    [prune, '--level 3', '--level goes with --repack (usage: '],
    [prune, '--repack --level 20', '--level 20 is not from 1 to 19 (usage: '],
    [install, 'r --wipe', '--size and --wipe go with --disk (usage: '],
    [
      run,
      'r',
      "a command is missing behind '--' (usage: dendro run [--deployment N | REV] -- COMMAND [ARGUMENT]...)",
    ],
    [run, 'r -d 1 -- ls', '--deployment and REV exclude each other (usage: '],
    [mount, '--stats a --reload b', '--stats and --reload exclude each other '],
  ] as const) {
    const said = refusal(verb, ...words.split(' ').filter(word => word !== ''))
    const wanted = `bad command line: ${line}`
    t.equal(said.slice(0, wanted.length), wanted, `${verb.name} ${words}`)
  }
})

t.test('definitions hold together', async t => {
  for (const verb of await loadDefinitions()) {
    t.equal(VERBS.has(verb.name), true)
    t.ok(verb.summary.length <= 63, `${verb.name}: one line of help`)
    const operands = verb.forms.flatMap(form => form.operands)
    const shorts = Object.values(verb.options).flatMap(o => o.short ?? [])
    t.equal(new Set(shorts).size, shorts.length, verb.name)
    for (const form of verb.forms) {
      // Throws where a form names an option that is not defined.
      t.match(usageLine(verb, form), `dendro ${verb.name}`)
      for (const name of [
        ...(form.required ?? []),
        ...(form.oneOf ?? []).flat(),
        ...(form.atMostOne ?? []).flat(),
      ])
        t.ok(
          form.options.includes(name) || operands.some(o => o.name === name),
          `${verb.name}: ${name}`,
        )
    }
    for (const [name, { needs, help }] of Object.entries(verb.options)) {
      t.ok(
        verb.forms.some(
          form => form.options.includes(name) || form.chosenBy === name,
        ),
        `${verb.name} --${name} is of a form`,
      )
      t.ok(needs === undefined || needs in verb.options)
      t.notMatch(help, /[^.]\.$/, `${verb.name} --${name}`)
    }
  }
})
