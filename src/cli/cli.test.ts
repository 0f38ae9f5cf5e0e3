import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
