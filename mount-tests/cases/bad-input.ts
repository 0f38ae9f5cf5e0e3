/** Bad input gets one line: what, why and what to do; and nothing is lost. */

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { TestContext, TestTable } from '../context.ts'
import { makeOddTree, noise } from '../odd-tree.ts'

const start = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/file`, 'one\n')
  t.dendro('init')
  t.commit('r', source)
  return source
}

/** Fails with `status` and one line that matches; nothing on stdout. */
const refuses = (
  t: TestContext,
  status: number,
  line: RegExp,
  ...args: string[]
): void => {
  const result = t.tryDendro(...args)
  assert.equal(result.status, status, `${args.join(' ')}: ${result.stderr}`)
  assert.match(result.stderr, /^dendro: [^\n]+\n$/)
  assert.match(result.stderr, line)
  assert.equal(result.stdout, '')
}

/** The repository holds what it held, no stray file, and takes commits. */
const isSound = (t: TestContext, source: string): void => {
  assert.equal(t.dendro('cat', 'r', 'file'), 'one')
  assert.deepEqual(readdirSync(`${t.repository}/tmp`), [])
  writeFileSync(`${source}/after`, 'after\n')
  t.commit('sound', source)
  assert.equal(t.dendro('cat', 'sound', 'after'), 'after')
}

export const tests: TestTable = {
  'the command line': t => {
    start(t)
    refuses(t, 2, /unknown verb 'frobnicate'/, 'frobnicate')
    refuses(t, 2, /usage: dendro commit/, 'commit', t.path('source'))
    refuses(t, 2, /Unknown option '--nonsense'/, 'log', '--nonsense', 'r')
    refuses(t, 2, /bad mount option rw/, 'mount', '-o', 'rw', 'r', t.directory)
    refuses(
      t,
      2,
      /bad --mtime/,
      'commit',
      '-b',
      'r',
      '--mtime=never',
      t.path('source'),
    )
  },
  'directories that cannot be committed': t => {
    const source = start(t)
    refuses(t, 1, /no such directory/, 'commit', '-b', 'r', t.path('absent'))
    refuses(t, 1, /not a directory/, 'commit', '-b', 'r', `${source}/file`)
    refuses(
      t,
      1,
      /it is the repository itself/,
      'commit',
      '-b',
      'r',
      t.repository,
    )
    refuses(
      t,
      1,
      /inside the repository itself/,
      'commit',
      '-b',
      'r',
      `${t.repository}/packs`,
    )
    refuses(
      t,
      1,
      /it is the repository itself/,
      'commit',
      '-b',
      'r',
      t.directory,
    )
    isSound(t, source)
  },
  'an unreadable file': t => {
    const source = start(t)
    writeFileSync(`${source}/secret`, 'x', { mode: 0 })
    t.sh(
      'chmod -R a+rwX "$1" "$2"; chmod 0 "$2/secret"; chmod a+x "$3"',
      t.repository,
      source,
      t.directory,
    )
    const program = new URL('../../../scripts/dendro', import.meta.url).pathname
    const result = t.try('setpriv', [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      program,
      'commit',
      '-b',
      'r',
      source,
    ])
    assert.equal(result.status, 1)
    assert.match(
      result.stderr,
      /^dendro: cannot commit .*\/secret: reading it fails with EACCES \(.*\)\n$/,
    )
    isSound(t, source)
  },
  'mount points': t => {
    const source = start(t)
    refuses(
      t,
      1,
      /cannot mount at .*no such file/,
      'mount',
      'r',
      t.path('absent'),
    )
    refuses(t, 1, /not a directory/, 'mount', 'r', `${source}/file`)
    refuses(t, 1, /would cover the repository/, 'mount', 'r', t.directory)
    refuses(
      t,
      1,
      /inside the repository/,
      'mount',
      'r',
      `${t.repository}/packs`,
    )
    const project = new URL('../../..', import.meta.url).pathname
    refuses(t, 1, /would cover the program/, 'mount', 'r', project)
    refuses(t, 1, /no commit is mounted/, 'umount', source)
    const mounted = t.mount('r', t.path('mnt'))
    refuses(t, 1, /mounted there already/, 'mount', 'r', mounted)
  },
  'a mount point inside the committed tree': t => {
    const source = start(t)
    t.mount('r', `${source}/mnt`)
    refuses(
      t,
      1,
      /a mount point of another file system.*--one-file-system/,
      'commit',
      '-b',
      'r',
      source,
    )
    t.commit('x', source, '--one-file-system')
    assert.equal(t.dendro('ls', 'x', 'mnt'), '')
    t.dendro('umount', `${source}/mnt`)
    isSound(t, source)
  },
  revisions: t => {
    const source = start(t)
    refuses(t, 1, /unknown revision nope/, 'show', 'nope')
    refuses(
      t,
      1,
      /unknown revision r~5: the history has 1 commits/,
      'show',
      'r~5',
    )
    refuses(t, 1, /no commit of its history has version 9/, 'show', 'r@{9}')
    refuses(t, 1, /needs 8 digits/, 'show', 'abc')
    refuses(t, 1, /the commit has no such path/, 'cat', 'r', 'absent')
    refuses(t, 1, /it is a directory/, 'cat', 'r', '/')
    for (let i = 0; i < 3; i++) {
      const id = t.commit(`x${i}`, source, '-m', String(i))
      assert.equal(t.dendro('rev-parse', id.slice(0, 12)), id)
    }
    const [first] = readdirSync(`${t.repository}/commits`) as [string]
    const twin = first.slice(0, 60) + (first.endsWith('0000') ? '1111' : '0000')
    writeFileSync(`${t.repository}/commits/${twin}`, '')
    refuses(
      t,
      1,
      /ambiguous revision .*: 2 commits begin with/,
      'show',
      first.slice(0, 10),
    )
  },
  'ref names': t => {
    const source = start(t)
    for (const name of [
      'a/../b',
      '../x',
      '/a',
      'a//b',
      'a/',
      '.',
      'a\tb',
      '-x',
      'a@{b',
    ])
      refuses(t, 1, /bad ref name/, 'commit', `--branch=${name}`, source)
    refuses(t, 1, /cannot be both/, 'commit', '-b', 'r/below', source)
    t.commit('deep/er', source, '-m', 'another commit than that of r')
    refuses(t, 1, /cannot be both/, 'commit', '-b', 'deep', source)
    refuses(
      t,
      1,
      /cannot tag v1: it names/,
      ...(t.dendro('tag', 'v1', 'r'), ['tag', 'v1', 'deep/er']),
    )
    isSound(t, source)
  },
  repositories: t => {
    const source = start(t)
    refuses(t, 1, /there is one already/, 'init')
    refuses(t, 1, /not empty/, 'init', source)
    refuses(t, 1, /no repository in/, '--repo', source, 'refs')
    const config = `${t.repository}/config.json`
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, text.replace('"version": 1', '"version": 2'))
    refuses(
      t,
      1,
      /its format is version 2, this program knows 1 \(install a newer/,
      'refs',
    )
    writeFileSync(config, '{')
    refuses(t, 3, /damaged repository/, 'refs')
    writeFileSync(config, text)
    isSound(t, source)
  },
  'a disk that fills up in mid-commit': t => {
    const source = start(t)
    const small = t.makeDirectory('small')
    t.run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small])
    t.run('cp', ['-a', t.repository, `${small}/repo`])
    writeFileSync(`${source}/large`, noise(4_000_000, 5))
    const repo = ['--repo', `${small}/repo`]
    refuses(
      t,
      1,
      /no space left on device \(free some space/,
      ...repo,
      'commit',
      '-b',
      'r',
      source,
    )
    assert.equal(t.dendro(...repo, 'cat', 'r', 'file'), 'one')
    assert.deepEqual(readdirSync(`${small}/repo/tmp`), [])
    t.try('dd', ['if=/dev/zero', `of=${small}/fill`, 'bs=4k'])
    // Every one-line file there is takes a page of its own.
    const full = /^dendro: cannot write \S[^:]*: no space left on device \(/
    refuses(t, 1, full, ...repo, 'tag', 'full', 'r')
    refuses(t, 1, full, ...repo, 'prune')
    t.run('rm', [`${small}/fill`])
    t.run('mount', ['-o', 'remount,size=20m', small])
    t.dendro(...repo, 'commit', '-b', 'r', source)
    t.run('umount', [small])
  },
  'a commit that is killed at any time leaves the repository as it was':
    async t => {
      const source = start(t)
      for (let i = 0; i < 40; i++)
        writeFileSync(`${source}/f${i}`, noise(400_000, i))
      const { spawn } = await import('node:child_process')
      const program = new URL('../../../scripts/dendro', import.meta.url)
        .pathname
      const env = { ...process.env, DENDRO_REPO: t.repository }
      let killed = 0
      for (let round = 0; round < 12; round++) {
        // Nothing of this round is stored already.
        for (let i = 0; i < 40; i++)
          writeFileSync(`${source}/f${i}`, noise(400_000, i + round * 40))
        const child = spawn(
          program,
          ['commit', '-b', 'r', '--no-cache', source],
          { env, stdio: 'ignore' },
        )
        const ended = new Promise<number | null>(done =>
          child.on('close', done),
        )
        await new Promise(done => setTimeout(done, 40 + round * 12))
        child.kill('SIGKILL')
        if ((await ended) === null) killed++
        assert.equal(t.dendro('cat', 'r', 'file'), 'one')
      }
      assert.ok(killed >= 3, `only ${killed} of 12 were killed in time`)
      t.commit('r', source)
      isSound(t, source)
      const mounted = t.mount('r', t.path('mnt'))
      t.run('diff', ['-r', '--exclude=after', source, mounted])
    },
  'a file that changes while it is read': async t => {
    const source = start(t)
    writeFileSync(`${source}/busy`, noise(30_000_000, 6))
    const { spawn } = await import('node:child_process')
    const writer = spawn('sh', [
      '-c',
      'while :; do echo x >> "$1/busy"; sleep 0.001; done',
      'sh',
      source,
    ])
    try {
      refuses(
        t,
        1,
        /cannot commit .*busy: it changed while it was read \(.*--allow-changing\)/,
        'commit',
        '-b',
        'r',
        source,
      )
      t.commit('allowed', source, '--allow-changing')
    } finally {
      writer.kill()
    }
    isSound(t, source)
  },
  'a second commit reads no contents, and a touched file is read again':
    async t => {
      const source = t.path('source')
      makeOddTree(source)
      t.dendro('init')
      const commit = () =>
        JSON.parse(t.dendro('commit', '-b', 'r', source, '--json')) as {
          filesRead: number
          newObjects: number
        }
      // Files changed within the clock's granularity of a commit are read again.
      await new Promise(done => setTimeout(done, 50))
      assert.ok(commit().filesRead > 10)
      assert.deepEqual([commit().filesRead, commit().newObjects], [0, 0])
      t.sh('touch -d @1700000000 "$1/small"', source)
      assert.equal(commit().filesRead, 1)
    },
  'names, hard links and metadata keys are kept as they are': t => {
    const source = start(t)
    mkdirSync(`${source}/sub`)
    t.commit(
      'm',
      source,
      '-m',
      'subject',
      '--body',
      'line 1\nline 2',
      '--meta',
      'k=v=w',
      '--version',
      '7',
    )
    const shown = JSON.parse(t.dendro('show', 'm@{7}', '--json')) as {
      metadata: unknown
      body: string
    }
    assert.deepEqual(shown.metadata, { k: 'v=w', version: '7' })
    assert.equal(shown.body, 'line 1\nline 2')
  },
}
