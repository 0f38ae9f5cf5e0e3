/** Sysroots that cannot be written to: each verb says so in a line. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestTable } from '../context.ts'
import { nextVersion, site } from '../site.ts'

const WHY = 'the file system is read-only (mount it writable, or use a copy)'

export const tests: TestTable = {
  'nothing is changed, and the reason is one line': async s0 => {
    const s = site(s0)
    s.dendro('deploy', 'os/test')
    writeFileSync(join(s.layer(), 'clash'), 'mine\n')
    writeFileSync(join(s.layer(), 'mine'), 'mine\n')
    nextVersion(s)
    s.dendro('deploy', 'os/test')
    s.dendro('instance', 'create', 'one', 'os/test')
    const root = s.t.makeDirectory('root')
    const list = `cd "$1" && find . -printf '%p %i %y %m %s %T@ %C@\\n' | sort`
    const before = s.t.sh(list, s.sysroot)
    s.t.sh('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', s.sysroot)
    const refused = (args: readonly string[], what: RegExp) => {
      const { status, stdout, stderr } = s.try(...args)
      assert.equal(status, 1, args.join(' '))
      assert.equal(stdout, '', args.join(' '))
      assert.ok(
        stderr.startsWith('dendro: ') && stderr.endsWith(`: ${WHY}\n`),
        `${args.join(' ')}: ${stderr}`,
      )
      assert.match(stderr, what)
      assert.equal(stderr.split('\n').length, 2, stderr)
    }
    const changes = [
      'deploy os/test~1',
      'deploy --remerge',
      'undeploy 1',
      'rollback',
      'pin 0',
      'unpin 0',
      'kargs 0 --append x',
      'undo',
      'boot-complete',
      'etc reset',
      'etc reset mine',
      'etc own mine',
      'etc restore mine@{0}',
      'etc resolve clash --mine',
    ]
    for (const words of changes)
      refused(words.split(' '), /cannot change the deployments of /)
    const shell = ['--', '/bin/sh', '-c', 'true']
    refused(['run', ...shell], /cannot mount the \/etc of test /)
    refused(['root', 'assemble', root], /cannot mount the \/etc of test /)
    refused(['instance', 'run', 'one', ...shell], /the \/etc of instance one:/)
    refused(['instance', 'create', 'two', 'os/test'], /make instance two:/)
    refused(['instance', 'rm', 'one'], /cannot remove instance one:/)
    // What only looks works.
    assert.match(s.dendro('etc', 'diff'), /A \/etc\/mine/)
    assert.match(s.dendro('etc', 'conflicts'), /\/etc\/clash/)
    for (const words of ['status', 'op log', 'etc log', 'instance list'])
      assert.notEqual(s.dendro(...words.split(' ')), '')
    assert.equal(s.t.sh(list, s.sysroot), before)
    // The server that the commands started goes on for a moment.
    s.t.sh('umount -l "$1"', s.sysroot)
  },
}
