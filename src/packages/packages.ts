/**
 * Which packages a commit holds, read from the package database inside it, and
 * what changed between two commits.
 */

import { mkdtempSync, rmSync, writeFileSync } from '../system/files.ts'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DirectoryObject } from '../objects/fs-object.ts'
import type { FileReader } from '../store/object-reader.ts'
import { spawnSync } from '../system/spawn.ts'
import { followPath, readFileOf } from '../tree/commit-file.ts'
import { compareDebianVersions, compareRpmVersions } from './package-version.ts'

export interface PackageList {
  readonly format: 'dpkg' | 'rpm'
  /** Name (with the architecture where one name has several) to version. */
  readonly versions: ReadonlyMap<string, string>
}

const DPKG_STATUS = ['usr/lib/sysimage/dpkg/status', 'var/lib/dpkg/status']
const RPM_DIRECTORIES = ['usr/lib/sysimage/rpm', 'usr/share/rpm', 'var/lib/rpm']
const MAX_DATABASE_BYTES = 256 * 1024 * 1024

/** The package databases that assembled roots show read-only. */
export const PACKAGE_DATABASES = ['var/lib/dpkg', 'var/lib/rpm'] as const

/** Undefined where the commit has no database that can be read here. */
export const readPackages = (
  store: FileReader,
  root: DirectoryObject,
): PackageList | undefined => {
  for (const path of DPKG_STATUS) {
    const text = readFileOf(store, root, path, MAX_DATABASE_BYTES)
    if (text !== undefined)
      return {
        format: 'dpkg',
        versions: parseDpkgStatus(text.toString('utf8')),
      }
  }
  for (const path of RPM_DIRECTORIES) {
    const versions = queryRpm(store, root, path)
    if (versions !== undefined) return { format: 'rpm', versions }
  }
  return undefined
}

/** The installed packages of a dpkg status file (deb-control(5), dpkg(1)). */
export const parseDpkgStatus = (text: string): Map<string, string> => {
  const versions = new Map<string, string>()
  for (const paragraph of text.split(/\n\n+/)) {
    const field = (name: string) =>
      new RegExp(`^${name}: *(.*)$`, 'm').exec(paragraph)?.[1]?.trim()
    const name = field('Package')
    const version = field('Version')
    const isInstalled = / installed$/.test(field('Status') ?? '')
    if (name === undefined || version === undefined || !isInstalled) continue
    const key =
      field('Multi-Arch') === 'same' && versions.has(name)
        ? `${name}:${field('Architecture') ?? ''}`
        : name
    versions.set(key, version)
  }
  return versions
}

/** Asks rpm about a copy of the database file; undefined without one or rpm. */
const queryRpm = (
  store: FileReader,
  root: DirectoryObject,
  directory: string,
): Map<string, string> | undefined => {
  const name = ['rpmdb.sqlite', 'Packages.db', 'Packages'].find(
    file => followPath(store, root, `${directory}/${file}`)?.kind === 'file',
  )
  if (name === undefined) return undefined
  const path = `${directory}/${name}`
  const bytes = readFileOf(store, root, path, MAX_DATABASE_BYTES)
  if (bytes === undefined) return undefined
  const copy = mkdtempSync(join(tmpdir(), 'dendro-rpm-'))
  try {
    writeFileSync(join(copy, name), bytes)
    const format = '%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n'
    const args = ['--dbpath', copy, '-qa', '--queryformat', format]
    const result = spawnSync('rpm', args, {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    })
    if (result.status !== 0) return undefined
    return new Map(
      result.stdout
        .split('\n')
        .filter(line => line.includes(' '))
        .map(line => line.split(' ') as [string, string]),
    )
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

export interface PackageChange {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
  readonly kind: 'upgraded' | 'downgraded' | 'added' | 'removed'
}

/** What changed, by name. */
export const diffPackages = (
  before: PackageList,
  after: PackageList,
): PackageChange[] => {
  const compare =
    after.format === 'rpm' ? compareRpmVersions : compareDebianVersions
  const names = new Set([...before.versions.keys(), ...after.versions.keys()])
  const changes: PackageChange[] = []
  for (const name of [...names].sort()) {
    const old = before.versions.get(name)
    const next = after.versions.get(name)
    if (old === next) continue
    const kind =
      old === undefined
        ? 'added'
        : next === undefined
          ? 'removed'
          : compare(old, next) < 0
            ? 'upgraded'
            : 'downgraded'
    changes.push({ name, before: old, after: next, kind })
  }
  return changes
}
