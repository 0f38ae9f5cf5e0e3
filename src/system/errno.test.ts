import t from 'tap'
import { constants } from 'node:os'
import * as errno from './errno.ts'

t.test('the numbers are those of the system', async t => {
  const { errnoName, ...numbers } = errno
  const known: Readonly<Record<string, number>> = constants.errno
  t.ok(Object.keys(numbers).length > 10)
  for (const [name, number] of Object.entries(numbers)) {
    t.equal(number, known[name], name)
    // Some have two names; Node may tell the other one.
    t.equal(known[errnoName(number)], number, name)
  }
  t.equal(errnoName(4095), 'E4095')
})
