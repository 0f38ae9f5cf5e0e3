import t from 'tap'
import { DEFAULT_MOUNT_OPTIONS, parseMountOptions } from './mount-options.ts'

t.test('options, the later ones winning', async t => {
  t.same(parseMountOptions(['', 'ro,']), DEFAULT_MOUNT_OPTIONS)
  t.match(parseMountOptions(['suid,dev', 'nodev,noexec', 'inode32']), {
    suid: true,
    dev: false,
    exec: false,
    inode32: true,
  })
  t.match(parseMountOptions(['xattr=off,xattr=on,watchdog=3,readahead=0']), {
    xattrs: 'on',
    watchdogMs: 3000,
    readAheadKib: 0,
  })
})

t.test(
  'what is not an option, or has a value that it does not take',
  async t => {
    for (const option of [
      'bogus',
      'rw',
      'suid=0',
      'suid=',
      'dev=1',
      'inode32=off',
      'ro=1',
      'xattr',
      'xattr=on=off',
      'watchdog=-1',
      'watchdog=3601',
      'watchdog=',
      'ahead=yes',
    ])
      t.throws(() => parseMountOptions([option]), { code: 'USAGE' }, option)
    t.throws(() => parseMountOptions(['suid=0'], true), { code: 'USAGE' })
  },
)
