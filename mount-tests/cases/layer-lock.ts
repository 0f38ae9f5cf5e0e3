/** Commands that are entered just as a layer is changed or removed. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from '../../src/system/lock.ts'
import { DENDRO } from '../context.ts'
import type { TestTable } from '../context.ts'
import { nextVersion, site } from '../site.ts'
import type { Site, Status } from '../site.ts'

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** dendro in a process of its own; `waits` is done when it waits for a lock. */
const start = (s: Site, ...args: string[]) => {
  const child = spawn(DENDRO, ['--sysroot', s.sysroot, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => (stdout += String(chunk)))
  const waits = new Promise<void>(done =>
    child.stderr.on('data', chunk => {
      stderr += String(chunk)
      if (stderr.includes('waiting for')) done()
    }),
  )
  const ended = new Promise<Ended>(done =>
    child.on('close', status => done({ status, stdout, stderr })),
  )
  return {
    ended,
    waits: () =>
      Promise.race([
        waits,
        ended.then(it => assert.fail(`it did not wait: ${it.stderr}`)),
      ]),
  }
}

/** Holds the lock of the nth layer as who mounts it does. */
const holdLayer = (s: Site, index = 0) => {
  const lock = tryLock(join(s.layer(index), '..'), 'exclusive')
  assert.ok(lock !== undefined)
  return lock
}

/** Mounts a layer at an etc, as somebody who holds its lock. */
const mountLayer = (s: Site, index = 0): string => {
  const etc = join(s.t.makeDirectory('entered'), 'etc')
  mkdirSync(etc)
  s.t.sh(
    'mount -t overlay x -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$3"',
    ...[join(s.tree, 'usr/etc'), join(s.layer(index), '..'), etc],
  )
  return etc
}

const count = (s: Site): number => s.json<Status>('status').deployments.length

export const tests: TestTable = {
  'a change of /etc waits for who mounts the layer, and goes through the mount':
    async s0 => {
      const s = site(s0)
      s.dendro('deploy', 'os/test')
      writeFileSync(join(s.layer(), 'text'), 'mine\n')
      const lock = holdLayer(s)
      const reset = start(s, 'etc', 'reset', 'text')
      await reset.waits()
      assert.equal(readFileSync(join(s.layer(), 'text'), 'utf8'), 'mine\n')
      const etc = mountLayer(s)
      // The kernel has it in its caches now.
      assert.equal(readFileSync(join(etc, 'text'), 'utf8'), 'mine\n')
      lock.release()
      const { status, stderr } = await reset.ended
      assert.equal(status, 0, stderr)
      assert.match(readFileSync(join(etc, 'text'), 'utf8'), /^1\n2\n/)
      s.t.sh('umount "$1"', etc)
    },
  'a deployment that is entered as it is to go stays': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    const lock = holdLayer(s)
    const undeploy = start(s, 'undeploy', '0')
    await undeploy.waits()
    const etc = mountLayer(s)
    lock.release()
    const refused = await undeploy.ended
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /cannot undeploy .* runs since just now/)
    assert.equal(count(s), 1)
    writeFileSync(join(etc, 'mine'), 'x\n')
    assert.ok(existsSync(join(s.layer(), 'mine')))
    s.t.sh('umount "$1"', etc)
    s.dendro('undeploy', '0')
  },
  'a deploy that would drop one that is entered keeps it': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    nextVersion(s)
    s.dendro('deploy', 'os/test')
    s.t.sh('echo more > "$1/usr/etc/more"', s.tree)
    s.dendro('commit', '-b', 'os/test', '--version', '23.33', s.tree)
    const lock = holdLayer(s, 1)
    const deploy = start(s, 'deploy', '--keep', '1', 'os/test')
    await deploy.waits()
    const etc = mountLayer(s, 1)
    lock.release()
    const { status, stderr } = await deploy.ended
    assert.equal(status, 0, stderr)
    // Carried on from it, for it is what runs now.
    writeFileSync(join(etc, 'mine'), 'x\n')
    const { deployments } = s.json<Status>('status')
    assert.ok(deployments.some(({ booted }) => booted))
    assert.equal(deployments[0]?.version, '23.33')
    s.t.sh('umount "$1"', etc)
  },
  'of an undeploy and a run that begin at once one comes first': async s0 => {
    const s = site(s0)
    for (let round = 0; round < 4; round++) {
      s.dendro('deploy', 'os/test')
      const script = 'echo in > /etc/in && read -r line < /etc/in; echo $line'
      const run = start(s, 'run', '--', '/bin/sh', '-c', script)
      const undeploy = start(s, 'undeploy', '0')
      const entered = await run.ended
      const removed = await undeploy.ended
      if (entered.status === 0) assert.equal(entered.stdout, 'in\n')
      else assert.match(entered.stderr, /^dendro: .*(removed|no deployment)/)
      if (removed.status !== 0) {
        assert.match(removed.stderr, /it runs/)
        assert.equal(entered.status, 0)
        s.dendro('undeploy', '0')
      }
      assert.equal(count(s), 0)
    }
  },
}
