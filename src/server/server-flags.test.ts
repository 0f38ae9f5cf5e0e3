import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../system/native.ts'
import { serverFlags } from './server-flags.ts'

test('the launcher starts a server with the same flags', t => {
  const script = '. "$1"; printf %s "$dendro_flags"'
  const flags = execFileSync(
    'sh',
    ['-euc', script, 'sh', join(packageRoot(), 'scripts/shipped/server-flags')],
    { encoding: 'utf8' },
  )
  t.equal(flags, serverFlags().join(' '))
  t.end()
})
