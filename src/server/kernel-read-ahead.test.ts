import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { setKernelReadAhead } from './kernel-read-ahead.ts'

t.test('the window of the device is set, and no other', async t => {
  const directory = t.testdir({
    '0:52': { read_ahead_kb: '128' },
    '0:53': { read_ahead_kb: '128' },
  })
  setKernelReadAhead('0:52', 1024, directory)
  const windowOf = (device: string) =>
    readFileSync(join(directory, device, 'read_ahead_kb'), 'utf8')
  t.equal(windowOf('0:52'), '1024')
  t.equal(windowOf('0:53'), '128')
})

t.test('where sysfs does not show it, nothing is made', async t => {
  const directory = t.testdir({ '0:52': {} })
  setKernelReadAhead('0:60', 1024, directory)
  t.throws(() => readFileSync(join(directory, '0:60/read_ahead_kb')))
  setKernelReadAhead('0:60', 1024, join(directory, 'no sysfs'))
})
