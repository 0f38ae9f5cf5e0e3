import t from 'tap'
import { sortFstabOptions } from './fstab-options.ts'
import { parseMountOptions } from './mount-options.ts'

t.test('what is for others is passed over', async t => {
  const given =
    'rw,noauto,nofail,_netdev,user,noatime,x-systemd.automount,X-mount.mkdir,comment=x'
  t.same(sortFstabOptions([given]), {
    own: [],
    subdir: undefined,
    isRemount: false,
  })
  t.same(sortFstabOptions(['defaults,nosuid', 'ahead=off,subdir=a=b']), {
    own: ['nosuid', 'ahead=off'],
    subdir: 'a=b',
    isRemount: false,
  })
  t.throws(() => parseMountOptions(sortFstabOptions(['bogus']).own), {
    code: 'USAGE',
  })
  t.same(parseMountOptions(['bogus,suid'], true).suid, true)
})

t.test('a remount says what is as the mount table does', async t => {
  const table = 'relatime,remount,user_id=0,group_id=0,default_permissions'
  const options = (given: string) =>
    parseMountOptions(sortFstabOptions([`${given},${table}`]).own)
  t.match(options('ro,nosuid,nodev'), { suid: false, dev: false, exec: true })
  t.match(options('ro,nodev,noexec'), { suid: true, dev: false, exec: false })
  t.throws(() => options('rw,nosuid'), { code: 'USAGE' })
})

t.test('a remount by fstab gives no more than a mount does', async t => {
  const { own, isRemount } = sortFstabOptions(['rw,noexec,remount'])
  t.ok(isRemount)
  t.match(parseMountOptions(own), { suid: false, dev: false, exec: false })
})
