import { existsSync, lstatSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { beginBoot } from './begin-boot.ts'
import { deploy } from '../deploy/deploy.ts'
import { wasBooted } from '../sysroot/deployment.ts'
import { changesOf, readEtc } from '../deploy/etc-view.ts'
import { putFiles, SmallSysroot } from '../sysroot/small-sysroot.ts'
import { rollback } from '../deploy/switch.ts'
import type { ListedDeployment } from '../sysroot/sysroot.ts'
import { varPath } from '../sysroot/var.ts'

const deployed = async (t: Test) => {
  const s = new SmallSysroot()
  t.teardown(() => s.remove())
  const { paths, sysroot } = s
  const version = async (name: string): Promise<void> => {
    await s.version(name, { version: name })
    await deploy(sysroot, { revision: 'os' })
  }
  await version('1')
  const first = () => s.deployments[0] as ListedDeployment
  return {
    s,
    version,
    first,
    boot: () => beginBoot(paths, first()),
    mark: () => join(varPath(paths, first().os), '.updated'),
  }
}

t.test(
  'a boot is written down once, and /var updated once for each /usr',
  async t => {
    const { s, version, first, boot, mark } = await deployed(t)
    t.notOk(wasBooted(s.paths, first()))
    boot()
    t.ok(wasBooted(s.paths, first()))
    writeFileSync(mark(), 'done')
    boot()
    t.ok(existsSync(mark()), 'a second boot')
    await version('2')
    t.notOk(wasBooted(s.paths, first()))
    t.ok(existsSync(mark()), 'the old version runs on')
    boot()
    t.notOk(existsSync(mark()), 'the first boot of another /usr')
    writeFileSync(mark(), 'done')
    await rollback(s.sysroot, undefined)
    boot()
    t.notOk(existsSync(mark()), 'and back')
  },
)

t.test(
  ".updated of /etc crosses no version and is nobody's change",
  async t => {
    const { s, version, first } = await deployed(t)
    s.edit({ '.updated': 'done', mine: 'mine' })
    const view = () => readEtc(s.sysroot, first())
    t.same(
      changesOf(view()).map(({ path }) => path),
      ['mine'],
    )
    await version('2')
    t.same([s.read('.updated'), s.read('mine')], [undefined, 'mine'])
  },
)

t.test(
  '.updated of a tree that was running is hidden, and not put into /var',
  async t => {
    const { s, version, mark } = await deployed(t)
    putFiles(s.tree, {
      'usr/etc/.updated': 'done elsewhere',
      'var/.updated': 'done elsewhere',
      'var/other': 'other',
    })
    await s.commit('tree')
    await version('2')
    t.ok(lstatSync(join(s.layer(), '.updated')).isCharacterDevice())
    t.notOk(existsSync(mark()))
    t.ok(existsSync(join(mark(), '..', 'other')), 'what else is new is there')
  },
)
