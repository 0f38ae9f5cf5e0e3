import t from 'tap'
import type { FsObject } from '../objects/fs-object.ts'
import { attributesOf } from './attributes.ts'
import { modeWithoutAcl } from './posix-acl.ts'
import { getXattr, listXattrs } from './shown-xattrs.ts'

const TAGS: Readonly<Record<string, number>> = {
  'u::': 1,
  'u:': 2,
  'g::': 4,
  'g:': 8,
  'm::': 16,
  'o::': 32,
}
const NO_ID = 0xffffffff

/** An ACL in the short form of acl(5): "u::rw- u:1000:r-- ...". */
const encode = (text: string): Buffer => {
  const entries = text.split(' ').map(entry => {
    const [, kind = '', id, permissions = ''] =
      /^(\w:(?::|(?=\d)))(\d*):?(\S*)$/.exec(entry) ?? []
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(TAGS[kind] as number, 0)
    const bits = [...permissions].map(letter => (letter === '-' ? '0' : '1'))
    bytes.writeUInt16LE(Number.parseInt(bits.join(''), 2), 2)
    bytes.writeUInt32LE(id === '' ? NO_ID : Number(id), 4)
    return bytes
  })
  return Buffer.concat([Buffer.from([2, 0, 0, 0]), ...entries])
}

const fileWith = (mode: number, acl: Buffer): FsObject => ({
  kind: 'symlink',
  target: '',
  links: undefined,
  mode,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  xattrs: [
    { name: 'system.posix_acl_access', value: acl.toString('latin1') },
    { name: 'user.other', value: 'v' },
  ],
})

t.test('nobody gets more than the ACL gives', async t => {
  for (const [mode, acl, expected, why] of [
    [0o640, 'u::rw- g::r-- o::---', 0o640, 'an ACL that is its mode'],
    [0o640, 'u::rw- g::--- u:1000:r-- m::r-- o::---', 0o600, 'group'],
    [0o670, 'u::rw- u:1:rwx g::r-- m::rwx o::---', 0o640, 'mask of a user'],
    [0o664, 'u::rw- u:1:--- g::rw- m::rw- o::r--', 0o600, 'a user with less'],
    [0o664, 'u::rw- g::rw- g:7:--- m::rw- o::r--', 0o660, 'a group with less'],
    [0o624, 'u::rw- u:1:r-- g::rw- m::-w- o::r--', 0o600, 'what the mask cuts'],
    [
      0o4755,
      'u::rwx g::r-x g:7:r-x m::r-x o::r-x',
      0o4755,
      'set-user-ID stays',
    ],
    [0o755, 'u::rwx u:1:--x g::r-x m::r-x o::r-x', 0o711, 'what is common'],
  ] as const)
    t.equal(modeWithoutAcl(fileWith(mode, encode(acl))), expected, why)
})

t.test('an ACL that is none leaves the owner alone', async t => {
  const good = encode('u::rw- g::rw- o::rw-')
  for (const acl of [
    Buffer.alloc(0),
    good.subarray(0, good.length - 1),
    Buffer.concat([Buffer.from([3, 0, 0, 0]), good.subarray(4)]),
  ])
    t.equal(modeWithoutAcl(fileWith(0o666, acl)), 0o600)
})

t.test('a connection shows what it enforces', async t => {
  const file = fileWith(0o660, encode('u::rw- u:1:rw- g::--- m::rw- o::---'))
  const inode = { inoHigh: 0x12345678, inoLow: 0x1234567a }
  const shown = (enforcesAcls: boolean, inode32: boolean) => {
    const presentation = { enforcesAcls, inode32 }
    const { mode, inoHigh, inoLow } = attributesOf(file, inode, presentation)
    const names = listXattrs(file, presentation).toString().split('\0').length
    const name = 'system.posix_acl_access'
    const hasAcl = getXattr(file, name, presentation) !== undefined
    return { mode, inoHigh, inoLow, names: names - 1, hasAcl }
  }
  t.same(shown(true, false), { mode: 0o660, ...inode, names: 2, hasAcl: true })
  t.same(shown(false, true), {
    mode: 0o600,
    inoHigh: 0,
    inoLow: 2,
    names: 1,
    hasAcl: false,
  })
})
