import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { loadDefinitions } from '../definitions/verb-list.ts'
import { launcherScript } from './launcher.ts'

t.test('the built launcher is that of the definitions', async t => {
  const script = launcherScript(await loadDefinitions())
  t.equal(readFileSync('dist/bundle/launcher.sh', 'utf8'), script)
})

t.test('which command lines go on in the background', async t => {
  const script = launcherScript(await loadDefinitions())
  const detaches: readonly (readonly [string, boolean])[] = [
    ['mount DIR', true],
    ['mount r DIR', true],
    ['--repo mount mount DIR', true],
    ['--repo=x --sysroot status mount DIR', true],
    ['mount -o suid,dev r DIR', true],
    ['mount -oallow_other r DIR', true],
    ['mount --subdir stats r DIR', true],
    ['mount --options stats DIR', true],
    ['mount -- r DIR', true],
    ['mount r stats', true],
    ['mount -- --json', true],
    ['', false],
    ['log mount', false],
    ['--repo mount status', false],
    ['--json mount DIR', false],
    ['mount DIR --json', false],
    ['mount --help', false],
    ['mount -h', false],
    ['mount -f DIR', false],
    ['mount -fo suid DIR', false],
    ['mount --foreground DIR', false],
    ['mount --stats DIR', false],
    ['mount --reload=DIR', false],
    ['mount stats DIR', false],
    ['mount -- stats DIR', false],
    ['--repo x mount reload DIR', false],
  ]
  const lines = detaches.map(
    ([line]) => `dendro_detaches ${line} && echo yes || echo no`,
  )
  const { stdout } = spawnSync('sh', ['-c', [script, ...lines].join('\n')], {
    encoding: 'utf8',
  })
  t.same(
    stdout.trimEnd().split('\n'),
    detaches.map(([, yes]) => (yes ? 'yes' : 'no')),
  )
})
