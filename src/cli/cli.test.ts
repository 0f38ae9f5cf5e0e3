import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'

const PROGRAM = resolve('dist/bundle/main.cjs')

const runIn = (directory: string, extra: Record<string, string> = {}) => {
  const env = {
    PATH: process.env['PATH'] ?? '',
    DENDRO_REPO: join(directory, 'repo'),
    ...extra,
  }
  return (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [PROGRAM, ...args],
      { env, encoding: 'utf8' },
    )
    return { status, stdout, stderr }
  }
}

const makeSource = (directory: string): string => {
  const source = join(directory, 'source')
  mkdirSync(join(source, 'd'), { recursive: true })
  writeFileSync(join(source, 'd/f'), 'content\n')
  return source
}

t.test('without the native shim all but mount and xattrs works', async t => {
  const directory = t.testdir()
  const source = makeSource(directory)
  const run = runIn(directory, { DENDRO_NO_SHIM: '1' })
  t.equal(run('init').status, 0)
  const committed = run('commit', '-b', 'r', source)
  t.equal(committed.status, 0, committed.stderr)
  t.match(
    committed.stderr,
    /^dendro: xattrs are left out: the native part is not built/,
  )
  t.match(committed.stdout, /^[0-9a-f]{64}\n$/)
  t.equal(run('cat', 'r', 'd/f').stdout, 'content\n')
  const out = run('checkout', '--user', 'r', join(directory, 'out'))
  t.equal(out.status, 0, out.stderr)
  t.equal(readFileSync(join(directory, 'out/d/f'), 'utf8'), 'content\n')
  mkdirSync(join(directory, 'mnt'))
  const mounted = run('mount', 'r', join(directory, 'mnt'))
  t.equal(mounted.status, 1)
  t.match(
    mounted.stderr,
    /^dendro: the native part cannot be loaded: .* \(install a C compiler and run scripts\/build-shim\)\n$/,
  )
})

t.test('both kinds of lstat give the same commit', async t => {
  const directory = t.testdir()
  const source = makeSource(directory)
  const options = ['--timestamp', '5', '--no-cache', source]
  const run = runIn(directory)
  run('init')
  const native = run('commit', '-b', 'a', ...options)
  const portable = runIn(directory, { DENDRO_NO_SHIM: '1' })(
    'commit',
    '-b',
    'b',
    ...options,
  )
  t.equal(native.status, 0)
  t.equal(portable.stdout, native.stdout)
})

t.test('help, version and JSON', async t => {
  const directory = t.testdir()
  const source = makeSource(directory)
  const run = runIn(directory)
  t.match(run('--version').stdout, /^dendro \d+\.\d+\.\d+\n$/)
  const help = run('--help').stdout
  for (const verb of [
    'init',
    'commit',
    'log',
    'show',
    'refs',
    'tag',
    'rev-parse',
    'ls',
    'cat',
    'diff',
    'checkout',
    'mount',
    'umount',
    'repo',
  ]) {
    t.match(help, new RegExp(`^  ${verb} `, 'm'))
    t.match(run(verb, '--help').stdout, /^usage: dendro /)
  }
  t.equal(run().status, 2)
  const { stderr } = run('commit', '-b', '-x', source)
  t.match(
    stderr,
    /^dendro: bad command line: Option '-b' argument is ambiguous \(usage: [^\n]+\n$/,
  )
  run('init')
  const made = JSON.parse(
    run('commit', '-b', 'r', source, '--json').stdout,
  ) as { commit: string; files: number }
  t.match(made, { files: 1 })
  for (const args of [
    ['log', 'r'],
    ['show', 'r'],
    ['refs'],
    ['tag', 'x', 'r'],
    ['rev-parse', 'r'],
    ['ls', 'r'],
    ['cat', 'r', 'd/f'],
    ['diff', 'r', 'r'],
    ['repo', 'stat'],
    ['checkout', '--user', 'r', join(directory, 'o')],
  ]) {
    const result = run(...args, '--json')
    t.equal(result.status, 0, result.stderr)
    t.doesNotThrow(() => JSON.parse(result.stdout) as unknown, args.join(' '))
  }
  t.same(
    (JSON.parse(run('rev-parse', 'r', '--json').stdout) as { commit: string })
      .commit,
    made.commit,
  )
})

t.test('output that is lost is an error', async t => {
  const directory = t.testdir()
  const source = makeSource(directory)
  const run = runIn(directory)
  run('init')
  run('commit', '-b', 'r', source)
  const into = (path: string, flags: string, args: readonly string[]) => {
    const output = openSync(path, flags)
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
      env: { DENDRO_REPO: join(directory, 'repo') },
      stdio: ['ignore', output, 'pipe'],
      encoding: 'utf8',
    })
    closeSync(output)
    return { status, stderr }
  }
  for (const words of [
    '--help',
    'ls -lR r',
    'cat r d/f',
    'log r',
    'refs',
    'fsck',
    'ls r --json',
    'prune',
    `init ${join(directory, 'x')}`,
  ]) {
    const { status, stderr } = into('/dev/full', 'w', words.split(' '))
    t.equal(status, 1, words)
    t.match(
      stderr,
      /^dendro: cannot write to standard output: no space left on device \([^\n]+\)\n$/,
      words,
    )
  }
  const closed = into('/dev/null', 'r', ['refs'])
  t.equal(closed.status, 1)
  t.match(
    closed.stderr,
    /^dendro: cannot write to standard output: the descriptor is closed [^\n]+\n$/,
  )
  const made = into('/dev/full', 'w', ['commit', '-b', 'new', source])
  t.equal(made.status, 1)
  const id = run('rev-parse', 'new').stdout.trim()
  t.match(id, /^[0-9a-f]{64}$/)
  t.ok(made.stderr.endsWith(`(the commit was made: ${id})\n`), made.stderr)
})

t.test(
  'a reader that has gone is no failure, and a lost message neither',
  async t => {
    const directory = t.testdir()
    const source = makeSource(directory)
    const run = runIn(directory)
    run('init')
    run('commit', '-b', 'r', source)
    const script = (text: string) =>
      spawnSync(
        'bash',
        ['--norc', '-c', `set -o pipefail; ${text}`, process.execPath, PROGRAM],
        {
          env: {
            PATH: process.env['PATH'] ?? '',
            DENDRO_REPO: join(directory, 'repo'),
          },
          encoding: 'utf8',
        },
      )
    const gone = script('{ "$0" "$1" cat r d/f; echo $? >&2; } | true')
    t.match(gone, { status: 0, stderr: '0\n' })
    t.match(script('"$0" "$1" cat r none 2>/dev/full'), {
      status: 1,
      stderr: '',
    })
    t.match(script('"$0" "$1" cat r none 2>&-'), { status: 1, stderr: '' })
  },
)

t.test(
  'names that are not UTF-8, and the quoting of what is printed',
  async t => {
    const directory = t.testdir()
    const script = String.raw`
    d() { "$node" "$main" "$@"; }
    node=$0 main=$1 odd=$'caf\xe9' all=$'a\n\x1b\\\'\x80 b'
    cd "$2"; mkdir "in$odd"; mkdir "in$odd/$odd"; echo content >"in$odd/$odd/$all"
    d --repo "repo$odd" init >/dev/null
    export DENDRO_REPO="$2/repo$odd"
    d commit -b "r/$odd" "in$odd" >/dev/null
    d tag "t$odd" "r/$odd"
    shown=$(d ls -R "t$odd" | tail -n 1); echo "shown $shown"
    eval "d cat \$'r/caf\\351' $shown"
    d refs | cut -d' ' -f2; d refs --tags | cut -d' ' -f2
    d checkout --user --subdir "$odd" "r/$odd" "out$odd"; cat "out$odd/$all"
    rm "in$odd/$odd/$all"; d commit -b "r/$odd" "in$odd" >/dev/null
    d diff "r/$odd~1" "r/$odd"
    d ls "r/$odd~1" "absent$odd" || echo $?
    d commit -b x -m "$odd" "in$odd" || echo $?
    d refs --delete "r/$odd"; d refs
    cd "in$odd"; d commit -b here . >/dev/null; d ls here
    find "$2" -name $'*\xef\xbf\xbd*'`
    const { stdout, stderr } = spawnSync(
      'bash',
      ['--norc', '-euc', script, process.execPath, PROGRAM, directory],
      { env: { PATH: process.env['PATH'] ?? '' }, encoding: 'utf8' },
    )
    const shown = "$'caf\\351/a\\n\\033\\\\\\'\\200 b'"
    t.same(stdout.split('\n'), [
      `shown ${shown}`,
      'content',
      "$'r/caf\\351'",
      "$'tcaf\\351'",
      'content',
      "M $'caf\\351'",
      `D ${shown}`,
      '1',
      '2',
      "$'caf\\351'",
      '',
    ])
    t.same(stderr.split('\n').length, 3, stderr)
    t.match(
      stderr,
      "cannot find $'absentcaf\\351': the commit has no such path",
    )
    t.match(stderr, /the subject is not UTF-8/)
  },
)
