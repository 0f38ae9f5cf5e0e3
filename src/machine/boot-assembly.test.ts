import t from 'tap'
import { DendroError } from '../errors.ts'
import type { StartOutcome } from '../server/start-outcome.ts'
import { assembleForBoot } from './boot-assembly.ts'
import type { Assembly } from './boot-assembly.ts'

const ASSEMBLY = { view: '/run/view', target: '/run/root' } as Assembly

/** What was done, in order, where `assemble` is as given. */
const run = (assemble: (assembly: Assembly) => void): unknown[] => {
  const done: unknown[] = []
  assembleForBoot(ASSEMBLY, {
    assemble: assembly => {
      done.push(assembly.target)
      assemble(assembly)
    },
    tell: (outcome: StartOutcome) => done.push(outcome),
    dropView: view => done.push(view),
  })
  return done
}

t.test('a root that is put together is told ready, and stays', async t => {
  t.same(
    run(() => undefined),
    ['/run/root', { kind: 'ready' }],
  )
})

t.test('one that cannot be is told why, and its view goes', async t => {
  const done = run(() => {
    throw new DendroError('MISSING_OBJECT', 'cannot read: gone', {
      hint: 'run fsck',
    })
  })
  t.same(done, [
    '/run/root',
    {
      kind: 'failed',
      code: 'MISSING_OBJECT',
      message: 'cannot read: gone',
      hint: 'run fsck',
    },
    '/run/view',
  ])
})
