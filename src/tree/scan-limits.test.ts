import t from 'tap'
import {
  MAX_DEPTH,
  MAX_NAME_BYTES,
  MAX_TREE_ENTRIES,
} from '../objects/limits.ts'
import { lstatBytes } from '../system/file-status.ts'
import { checkNames, checkNesting, checkStatus } from './scan-limits.ts'

const refused = { code: 'LIMIT_EXCEEDED' }
const status = lstatBytes(Buffer.from('.'))

t.test('a status at a limit, and one past it', t => {
  const most = Number.MAX_SAFE_INTEGER
  checkStatus({ ...status, mtimeSec: most, sizeBytes: most })
  checkStatus({ ...status, mtimeSec: -most })
  for (const seconds of [most + 1, -most - 1])
    t.throws(() => checkStatus({ ...status, mtimeSec: seconds }), refused)
  t.throws(() => checkStatus({ ...status, sizeBytes: most + 1 }), refused)
  t.end()
})

t.test('names at a limit, and one past it', t => {
  checkNames(['x'.repeat(MAX_NAME_BYTES)])
  t.throws(() => checkNames(['x'.repeat(MAX_NAME_BYTES + 1)]), refused)
  checkNames(Array<string>(MAX_TREE_ENTRIES).fill('x'))
  t.throws(
    () => checkNames(Array<string>(MAX_TREE_ENTRIES + 1).fill('x')),
    refused,
  )
  checkNesting(MAX_DEPTH)
  t.throws(() => checkNesting(MAX_DEPTH + 1), refused)
  t.end()
})
