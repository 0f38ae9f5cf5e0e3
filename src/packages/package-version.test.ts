/** The order of versions, beside what dpkg says. */

import { spawnSync } from 'node:child_process'
import t from 'tap'
import { diffPackages, parseDpkgStatus } from './packages.ts'
import { compareDebianVersions, compareRpmVersions } from './package-version.ts'

const VERSIONS = [
  '1.0',
  '1.0-1',
  '1.0~rc1',
  '1.0~rc1-2',
  '1.0+b1',
  '1:0.9',
  '0:1.0',
  '1.10',
  '1.9',
  '1.0a',
  '1.0.',
  '1.0-1+deb12u1',
  '1.0-1~bpo12+1',
  '2.36-9+deb12u10',
  '2.36-9+deb12u9',
  '1.0-0.1',
  '20240101',
  '1.0~~',
  '1.0~',
  '007',
  '7',
]

t.test('debian versions: as dpkg --compare-versions', async t => {
  for (const a of VERSIONS)
    for (const b of VERSIONS) {
      const result = compareDebianVersions(a, b)
      const operator = result < 0 ? 'lt' : result > 0 ? 'gt' : 'eq'
      const { status } = spawnSync('dpkg', [
        '--compare-versions',
        a,
        operator,
        b,
      ])
      t.equal(status, 0, `${a} ${operator} ${b}`)
    }
})

t.test('rpm versions: the examples of rpm-version(7)', async t => {
  const older: [string, string][] = [
    ['1.0-1', '1.1-1'],
    ['1.9-1', '1.10-1'],
    ['1.0~rc1-1', '1.0-1'],
    ['1.0-1', '1.0^git1-1'],
    ['1.0^git1-1', '1.0.1-1'],
    ['2.0-1', '1:1.0-1'],
    ['1.0-1.fc38', '1.0-1.fc39'],
    ['1.a-1', '1.1-1'],
  ]
  for (const [a, b] of older) {
    t.ok(compareRpmVersions(a, b) < 0, `${a} < ${b}`)
    t.ok(compareRpmVersions(b, a) > 0, `${b} > ${a}`)
    t.equal(compareRpmVersions(a, a), 0)
  }
})

t.test('a dpkg status file', async t => {
  const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9

Package: libc6
Status: install ok installed
Architecture: i386
Multi-Arch: same
Version: 2.36-8

Package: gone
Status: deinstall ok config-files
Version: 1
`
  const before = parseDpkgStatus(status)
  t.same(
    [...before],
    [
      ['libc6', '2.36-9'],
      ['libc6:i386', '2.36-8'],
    ],
  )
  const after = new Map([
    ['libc6', '2.37-1'],
    ['new', '1'],
  ])
  t.same(
    diffPackages(
      { format: 'dpkg', versions: before },
      { format: 'dpkg', versions: after },
    ).map(({ name, kind }) => `${name} ${kind}`),
    ['libc6 upgraded', 'libc6:i386 removed', 'new added'],
  )
})
