import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { loadDefinitions } from '../definitions/verb-list.ts'
import { completionScript } from './completion.ts'

const CORE = 'dist/bundle/complete.sh'

t.test('the built script is that of the definitions', async t => {
  t.equal(readFileSync(CORE, 'utf8'), completionScript(await loadDefinitions()))
})

/** The words that may stand where the last of `words` begins. */
const offered = (...words: string[]): string[] => {
  const { stdout, stderr } = spawnSync('sh', [CORE, ...words], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', DENDRO_REPO: '/nonexistent' },
  })
  if (stderr !== '') throw new Error(stderr)
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.split('\t')[0] as string)
}

t.test('what may stand next', async t => {
  t.same(offered('lo'), ['log'])
  t.same(offered('help', 'lo'), ['log'])
  t.same(offered('--json', 'rev'), ['rev-parse'])
  t.same(offered('--repo', 'lo'), [':directories'])
  t.same(offered('etc', 're'), ['resolve', 'reset', 'restore'])
  t.same(offered('etc', 'own', '--o'), ['--off'])
  t.same(offered('etc', 'log', '--o'), ['--os'])
  t.same(offered('log', '--co'), ['--count'])
  t.same(offered('log', '-n', ''), [])
  t.same(offered('mount', '--fs'), [], 'hidden')
  t.same(offered('mount', '-o', 'sui'), ['suid'])
  t.same(offered('mount', '-o', 'suid,ahe'), ['suid,ahead=off'])
  t.same(offered('commit', '--mtime=e'), ['--mtime=exact'])
  t.same(offered('commit', '--mtime', '=', 'p'), ['parent'], 'as bash has it')
  t.same(offered('checkout', 'r', ''), [':directories'])
  t.same(offered('mount', ''), [':directories'], 'REV may be left out')
  t.same(offered('etc', 'own', ''), [':files'])
  t.same(offered('run', 'r', '--', ''), [':commands', ':files'])
  t.same(offered('nonsense', ''), [])
})

t.test('bash completes with the names of the repository', async t => {
  const directory = t.testdir()
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  symlinkSync(resolve('scripts/dendro'), join(bin, 'dendro'))
  mkdirSync(join(directory, 'source'))
  writeFileSync(join(directory, 'source/file'), 'content\n')
  const script = String.raw`
    cd "$1"
    dendro init repo >/dev/null
    dendro --repo repo commit -b 'debian/stable' source >/dev/null
    dendro --repo repo commit -b "caf$(printf '\351')" source >/dev/null
    dendro --repo repo tag v1.0 debian/stable
    . "$2"
    complete -p dendro
    try() {
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
      _dendro dendro "$(eval "echo \${$#}")" ''
      printf '[%s]' "${'${COMPREPLY[@]}'}"; echo
    }
    compopt() { :; }
    try dendro --repo repo log d
    try dendro --repo repo log ''
    try dendro --repo = repo refs -d ''
    try dendro --repo=repo tag v
    try dendro rev
    try dendro checkout x so`
  const { stdout, stderr } = spawnSync(
    'bash',
    [
      ...['--norc', '-euc', script, 'bash', directory],
      resolve('scripts/shipped/completions/dendro.bash'),
    ],
    {
      encoding: 'utf8',
      env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` },
    },
  )
  t.equal(stderr, '')
  t.same(stdout.trimEnd().split('\n'), [
    'complete -F _dendro dendro',
    '[debian/stable]',
    "[$'caf\\351'][debian/stable][v1.0]",
    "[$'caf\\351'][debian/stable]",
    '[v1.0]',
    '[rev-parse]',
    '[source]',
  ])
})
