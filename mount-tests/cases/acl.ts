/** ACLs that come after the mount: what is shown is enforced, and nobody gets more. */

import assert from 'node:assert/strict'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { countWarm, waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { dropCaches, killServer } from '../served-tree.ts'

const NAMED = 1000
const GROUP = 2000
const STRANGER = 3000

/** What each file's ACL and mode give: to a named user, the group, others. */
const FILES = {
  key: ['g::-,u:1000:r', 0o640],
  banned: ['u:1000:-', 0o644],
  excluded: ['g:3000:-', 0o644],
  plain: ['', 0o640],
} as const

const canRead = (t: TestContext, user: number, group: number, path: string) =>
  t.try('setpriv', [
    ...[`--reuid=${user}`, `--regid=${group}`, '--clear-groups'],
    ...['cat', path],
  ]).status === 0

/** Who can read which file: NAMED, GROUP, STRANGER. */
const readers = (
  t: TestContext,
  directory: string,
): Record<string, boolean[]> =>
  Object.fromEntries(
    Object.keys(FILES).map(name => {
      const path = `${directory}/${name}`
      const by = (user: number, group: number) => canRead(t, user, group, path)
      return [name, [by(NAMED, 1), by(1, GROUP), by(1, STRANGER)]]
    }),
  )

/** Commits something, mounts the view, and then commits files with ACLs. */
const mountBefore = async (
  t: TestContext,
  hasXattr: boolean,
  options: readonly string[],
): Promise<{ source: string; view: string; shown: string }> => {
  const source = t.makeDirectory('source')
  writeFileSync(`${source}/first`, 'first\n')
  if (hasXattr) t.sh('setfattr -n user.first -v x "$1/first"', source)
  t.dendro('init')
  t.commit('r', source)
  const view = t.mount(...options, t.path('view'))
  for (const [name, [acl, mode]] of Object.entries(FILES)) {
    const path = `${source}/${name}`
    writeFileSync(path, `${name}\n`)
    chownSync(path, 0, GROUP)
    chmodSync(path, mode)
    if (acl !== '') t.run('setfacl', ['-m', acl, path])
  }
  t.commit('r', source)
  const shown = `${view}/refs/r`
  await waitFor(
    'the commit',
    () => t.try('test', ['-e', `${shown}/key`]).status === 0,
  )
  return { source, view, shown }
}

const shownAcls = (t: TestContext, directory: string): string =>
  t.sh('cd "$1" && getfacl -n -s * 2> /dev/null | grep -v "^$" || :', directory)

const STRICT = {
  key: [false, false, false],
  banned: [false, false, false],
  excluded: [false, true, false],
  plain: [false, true, false],
}

const withoutAcls =
  (hasXattr: boolean) =>
  async (t: TestContext): Promise<void> => {
    const { view, shown } = await mountBefore(t, hasXattr, [])
    assert.deepEqual(readers(t, shown), STRICT)
    assert.equal(shownAcls(t, shown), '')
    await killServer(t, view)
    dropCaches()
    assert.deepEqual(readers(t, shown), STRICT, 'the next server knows it')
    const wish = ['mount', '-o', 'xattr=on', 'r', t.makeDirectory('mnt')]
    const refused = t.tryDendro(...wish)
    assert.match(refused.stderr, /served with xattr=auto \(umount/)
  }

export const tests: TestTable = {
  'with xattr=on they are enforced as in the source': async t => {
    const { source, view, shown } = await mountBefore(t, false, [
      '-o',
      'xattr=on',
    ])
    assert.deepEqual(readers(t, shown), readers(t, source))
    assert.equal(shownAcls(t, shown), shownAcls(t, source))
    await killServer(t, view)
    dropCaches()
    assert.deepEqual(readers(t, shown), readers(t, source))
    assert.equal(shownAcls(t, shown), shownAcls(t, source))
  },
  'mounted before any xattr: no ACL is shown, the mode gives nobody more':
    withoutAcls(false),
  'mounted before any ACL: no ACL is shown, the mode gives nobody more':
    withoutAcls(true),
  'when the ACLs were there first, they are enforced': async t => {
    const { source, view } = await mountBefore(t, false, [])
    t.dendro('umount', view)
    const mounted = t.mount('r', t.path('mnt'))
    assert.deepEqual(readers(t, mounted), readers(t, source))
    const work = () => canRead(t, NAMED, 1, `${mounted}/key`)
    const counts = countWarm(t, mounted, work)
    assert.deepEqual(counts, {}, 'the kernel asks once for each')
  },
}
