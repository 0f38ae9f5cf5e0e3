/**
 * A disk as `dendro install` makes it, with two versions of a real Debian tree,
 * and the initramfs library run on it in a mount namespace instead of a machine.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DENDRO, TestContext } from './context.ts'

const PROJECT = resolve(fileURLToPath(import.meta.url), '../../..')
const LIBRARY = join(PROJECT, 'scripts/shipped/initramfs/dendro-lib')
const TREES = join(
  process.env['DENDRO_FIXTURES'] ?? '/var/tmp/dendro-fixtures',
  'machine',
)
/** Where src/machine/disk.ts puts the file system. */
const STORE_OFFSET = 2 * 1024 * 1024

export interface MachineStore {
  /** The repository that both versions were committed to, as `machine`. */
  readonly repository: string
  /** A disk with both versions deployed, the second one by default. */
  readonly disk: string
  /** Names of its deployments, in their order. */
  readonly names: readonly [string, string]
}

let made: MachineStore | undefined

/** Made once for all tests of a process. */
export const machineStore = (t: TestContext): MachineStore => {
  made ??= make(t)
  return made
}

const make = (t: TestContext): MachineStore => {
  t.run(join(PROJECT, 'scripts/testing/make-machine-trees'), [
    TREES,
    'old',
    'new',
  ])
  const directory = mkdtempSync(join(TREES, 'store-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const store = new TestContext(directory)
  store.dendro('init')
  for (const [name, version] of [
    ['old', '1'],
    ['new', '2'],
  ] as const) {
    const tree = store.path('tree')
    store.sh('cp -a "$1" "$2"', join(TREES, name), tree)
    writeFileSync(join(tree, 'etc/machine-version'), `${version}\n`)
    store.dendro('integrate', tree)
    // Another build of the program, so that each has a runtime of its own.
    writeFileSync(join(tree, 'usr/lib/dendro/build'), `${name}\n`)
    store.commit('machine', tree, '--version', version)
    rmSync(tree, { recursive: true })
  }
  const disk = store.path('disk.img')
  store.dendro('install', '--disk', disk, '--size', '1G', 'machine~1')
  const names = onDisk(store, disk, root => {
    store.dendro('repo', 'copy', 'machine', join(root, 'dendro/repo'))
    store.run(DENDRO, ['--sysroot', root, 'upgrade'], {
      env: { DENDRO_REPO: '' },
    })
    return deploymentsOf(store, root)
  })
  assert.equal(names.length, 2)
  return { repository: store.repository, disk, names: [names[0]!, names[1]!] }
}

export const deploymentsOf = (
  t: TestContext,
  root: string,
  repository = '',
): string[] => {
  const text = t.run(DENDRO, ['--sysroot', root, 'status', '--json'], {
    env: { DENDRO_REPO: repository },
  })
  const { deployments } = JSON.parse(text) as {
    deployments: { deployment: string }[]
  }
  return deployments.map(({ deployment }) => deployment)
}

/** A copy of the disk that a test may ruin. */
export const copyDisk = (t: TestContext): string => {
  const disk = t.path('disk.img')
  t.sh('cp --sparse=always "$1" "$2"', machineStore(t).disk, disk)
  return disk
}

/** Runs `work` with the file system of a disk mounted. */
export const onDisk = <T>(
  t: TestContext,
  disk: string,
  work: (root: string) => T,
): T => {
  const root = t.makeDirectory('store')
  const option = `loop,offset=${STORE_OFFSET}`
  t.run('mount', ['-o', option, disk, root])
  try {
    return work(root)
  } finally {
    t.run('umount', [root])
  }
}

export interface Booted {
  readonly status: number
  /** What the library and the script said. */
  readonly text: string
  /** What it left for the running machine. */
  readonly state: string
}

const BOOT = `
disk=$1 words=$2 library=$3 script=$4
mount -t tmpfs tmpfs /run
root=/run/newroot
mkdir "$root"
echo "$words" > /run/cmdline
mount --bind /run/cmdline /proc/cmdline
device=$(losetup --find --show --offset=${STORE_OFFSET} "$disk")
end() {
  status=$?
  trap - EXIT
  cat /run/initramfs/dendro/boot-state >&3 2>/dev/null
  umount -R -l "$root" 2>/dev/null
  umount -l "$dendro_jail" 2>/dev/null
  umount -R -l /run/initramfs/dendro/store 2>/dev/null
  cd /
  own=$(readlink /proc/self/ns/mnt)
  for i in $(seq 100); do
    others=$(for p in /proc/[0-9]*; do
      [ "$(readlink $p/ns/mnt 2>/dev/null)" = "$own" ] && tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -a '^@dendro'
    done)
    [ -z "$others" ] && break
    sleep 0.1
  done
  [ -z "$others" ] || { echo "LEFT: $others"; status=99; }
  losetup --detach "$device"
  exit $status
}
trap end EXIT
. "$library"
dendro_mount_store "$device" || exit 10
dendro_boot "$root" || exit 11
eval "$script"
`

/**
 * As the initramfs does, in a namespace with a /run of its own: mounts the
 * store, boots with `words` on the kernel command line, and runs `script` with
 * the root as $root; then takes everything apart and waits for the servers.
 * Status 10 and 11: no store, nothing to boot; 99: a process was left.
 */
export const bootInNamespace = (
  t: TestContext,
  disk: string,
  words: string,
  script = ':',
): Booted => {
  const { status, output } = spawnSync(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', 'sh', '-uc', BOOT, 'sh'],
      ...[disk, words, LIBRARY, script],
    ],
    {
      encoding: 'utf8',
      cwd: t.directory,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      timeout: 120_000,
    },
  )
  const [, out, err, state] = output
  return {
    status: status ?? -1,
    text: `${out ?? ''}${err ?? ''}`,
    state: state ?? '',
  }
}
