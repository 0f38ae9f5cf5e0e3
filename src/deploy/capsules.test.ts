/**
 * Sysroots as programs before this one wrote them, kept as bytes: each is
 * read, upgraded, rolled back and undone. mount-tests/cases/capsules.ts does it
 * with the commands and mounts them.
 */

import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { mkdtempSync, readFileSync, rmSync } from '../system/files.ts'
import { toRefName } from '../refs/ref-name.ts'
import { listInstances } from '../root/instances.ts'
import { listHolds } from '../store/holds.ts'
import { Repository } from '../store/repository.ts'
import {
  commitOf,
  layerPath,
  readSysroot,
  sysrootPaths,
} from '../sysroot/sysroot.ts'
import type { ListedDeployment, SysrootPaths } from '../sysroot/sysroot.ts'
import { Sysroot } from '../sysroot/session.ts'
import { putFiles } from '../sysroot/small-sysroot.ts'
import { commitDirectory } from '../tree/commit.ts'
import { checkRepository } from '../upkeep/fsck.ts'
import { deploy } from './deploy.ts'
import { resolveConflict } from './etc-verbs.ts'
import { changesOf, etcLog, readEtc } from './etc-view.ts'
import { rollback } from './switch.ts'
import { listOperations, undo } from './undo.ts'

interface Capsule {
  readonly paths: SysrootPaths
  readonly repository: Repository
  readonly sysroot: Sysroot
  readonly directory: string
}

/** A new copy of the sysroot of format 1. */
const unpack = (t: Test): Capsule => {
  const directory = mkdtempSync(join(tmpdir(), 'dendro-capsules-'))
  const capsule = resolve('src/deploy/capsules/sysroot-1.tar.gz')
  const { status, stderr } = spawnSync(
    'tar',
    ['-xzf', capsule, '--no-same-owner', '-C', directory],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`tar: ${stderr}`)
  const paths = sysrootPaths(join(directory, 'sysroot'))
  const repository = Repository.open(paths.repository)
  const sysroot = new Sysroot(repository, paths)
  t.teardown(() => {
    sysroot.close()
    repository.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return { paths, repository, sysroot, directory }
}

const versions = ({ paths, repository }: Capsule): (string | undefined)[] =>
  readSysroot(paths).deployments.map(deployment =>
    repository.commits.load(commitOf(deployment)).metadata.get('version'),
  )

const first = ({ paths }: Capsule): ListedDeployment =>
  readSysroot(paths).deployments[0] as ListedDeployment

const etcFile = (capsule: Capsule, name: string): string =>
  readFileSync(join(layerPath(capsule.paths, first(capsule)), name), 'utf8')

t.test('its deployments, its /etc, its instance and what was done', async t => {
  const capsule = unpack(t)
  const { paths, repository, sysroot } = capsule
  t.same(versions(capsule), ['2', '1'])
  const etc = readEtc(sysroot, first(capsule))
  t.same(
    changesOf(etc).map(({ path }) => path),
    ['clash', 'm\xe4ne', 'removed', 'text'],
  )
  t.same(
    etc.record.conflicts.map(({ path }) => path),
    ['clash'],
  )
  t.same(etc.record.owned, ['d/one'])
  t.same(
    listInstances(paths).map(({ name }) => name),
    ['box'],
  )
  t.equal(etcLog(sysroot, 'test').length, 3)
  t.same(
    listOperations(repository, sysroot).map(({ kind }) => kind),
    ['etc own', 'deploy', 'ref', 'deploy', 'ref'],
  )
  const history = Repository.open(paths.history)
  t.same(checkRepository(history).findings, [])
  t.same(checkRepository(repository).findings, [])
  history.close()
})

t.test('it is upgraded, and its /etc goes on', async t => {
  const capsule = unpack(t)
  const { repository, sysroot } = capsule
  const tree = join(capsule.directory, 'tree')
  putFiles(tree, {
    'usr/lib/os-release': 'ID=test\n',
    'usr/etc/text': 'theirs\ntwo\nTHREE\nfour\nfive\n',
    'usr/etc/clash': 'theirs\n',
    'usr/etc/removed': 'default\n',
    'usr/etc/d/one': 'one\n',
  })
  await commitDirectory(
    repository,
    {
      ref: toRefName('os/test'),
      source: tree,
      subject: '',
      body: '',
      metadata: new Map([['version', '3']]),
      timeSec: 1_800_000_000,
    },
    { mtime: { kind: 'exact' } },
  )
  await resolveConflict(sysroot, 'clash', 'mine')
  await deploy(sysroot, { revision: 'os/test' })
  t.same(versions(capsule), ['3', '2', '1'])
  t.equal(etcFile(capsule, 'text'), 'theirs\ntwo\nTHREE\nfour\nmine\n')
  t.equal(etcFile(capsule, 'clash'), 'mine\n')
  t.equal(etcFile(capsule, 'm\udce4ne'), 'mine alone\n')
  const held = new Set(listHolds(repository.paths).map(({ commit }) => commit))
  t.equal(held.size, 3)
  await rollback(sysroot, undefined)
  t.same(versions(capsule), ['2', '3', '1'])
  await undo(repository, sysroot, undefined)
  t.same(versions(capsule), ['3', '2', '1'])
  t.same(checkRepository(repository).findings, [])
})

t.test('what was done before is undone', async t => {
  const capsule = unpack(t)
  const { repository, sysroot } = capsule
  await undo(repository, sysroot, undefined)
  t.same(readEtc(sysroot, first(capsule)).record.owned, [])
})
