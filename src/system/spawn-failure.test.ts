import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { isProgramMissing, spawnFailure } from './spawn-failure.ts'

test('only a program that is not there is called not installed', t => {
  const directory = t.testdir({ 'no-program': '#!/bin/sh\n' })
  const missing = spawnSync(join(directory, 'nothing')).error
  t.equal(spawnFailure('it', missing), 'it is not installed')
  t.equal(isProgramMissing(missing), true)
  // Nobody may execute it, root included.
  const refused = spawnSync(join(directory, 'no-program')).error
  t.equal(spawnFailure('it', refused), 'it cannot be started: EACCES')
  t.equal(isProgramMissing(refused), false)
  t.end()
})

test('an error without an errno is shown as it is', t => {
  t.equal(
    spawnFailure('it', new Error('no memory')),
    'it cannot be started: Error: no memory',
  )
  t.end()
})
