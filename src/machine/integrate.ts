/**
 * Makes a tree ready to be committed and booted: this program with its units
 * and the initramfs parts, a layout where all that changes is in /etc and
 * /var, and kernels where a deployment looks for them.
 *
 * May be run again on the same tree.
 */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from '../system/files.ts'
import { dirname, join } from 'node:path'
import { RUNTIME_IN_COMMIT } from '../sysroot/commit-boot.ts'
import { DendroError } from '../errors.ts'
import { spawnSync } from '../system/spawn.ts'
import { packageRoot } from '../system/native.ts'
import { makeRuntime } from './runtime.ts'

export interface Integrated {
  /** Releases of the kernels, each with its initramfs. */
  readonly kernels: readonly string[]
  /** What was done besides, a line each. */
  readonly done: readonly string[]
}

/** Directories that people write to, and where they go. */
const MOVED: ReadonlyMap<string, string> = new Map([
  ['home', 'home'],
  ['opt', 'opt'],
  ['root', 'roothome'],
  ['srv', 'srv'],
  ['usr/local', 'usrlocal'],
])

/** Links below /usr; where mount(8) looks for what mounts and remounts a type. */
const COMMANDS = [
  ['bin/dendro', 'dendro'],
  ['sbin/mount.dendro', 'shipped/mount.dendro'],
  ['sbin/mount.fuse.dendro', 'shipped/mount.dendro'],
] as const

/** What completes our command line, and where each shell looks for it. */
const COMPLETIONS = [
  ['dendro.bash', 'usr/share/bash-completion/completions/dendro'],
  ['_dendro', 'usr/share/zsh/site-functions/_dendro'],
  // Debian's zsh looks here for what packages bring.
  ['_dendro', 'usr/share/zsh/vendor-completions/_dendro'],
  ['dendro.fish', 'usr/share/fish/vendor_completions.d/dendro.fish'],
] as const

const UNITS = ['dendro-boot-complete.service', 'dendro-finalize.service']
const UNIT_DIRECTORY = 'usr/lib/systemd/system'

/** Errors: `NOT_DEPLOYABLE`, `NOT_FOUND`, `IO_ERROR`. */
export const integrate = (
  root: string,
  options: { readonly initramfs: boolean },
): Integrated => {
  if (lstatSync(join(root, 'usr'), { throwIfNoEntry: false }) === undefined)
    throw new DendroError(
      'NOT_DEPLOYABLE',
      `cannot integrate ${root}: it has no directory usr`,
      { hint: 'name the root directory of a system' },
    )
  const done: string[] = []
  installProgram(root)
  for (const [from, to] of MOVED)
    if (moveToVar(root, from, to)) done.push(`/${from} is /var/${to}`)
  makeMountPoints(root)
  // systemd makes an identity where the file is empty (machine-id(5)).
  writeFileSync(join(root, etcOf(root), 'machine-id'), '')
  const generator = installInitramfsParts(root)
  const kernels = moveKernels(root)
  if (options.initramfs && generator !== undefined)
    for (const release of kernels) makeInitramfs(root, release, generator)
  return {
    kernels: kernels.filter(release =>
      existsSync(initramfsPath(root, release)),
    ),
    done,
  }
}

const etcOf = (root: string): string =>
  existsSync(join(root, 'usr/etc')) ? 'usr/etc' : 'etc'

const installProgram = (root: string): void => {
  const target = join(root, RUNTIME_IN_COMMIT)
  rmSync(target, { recursive: true, force: true })
  makeRuntime(target)
  for (const [name, script] of COMMANDS) {
    const link = join(root, 'usr', name)
    rmSync(link, { force: true })
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(`../lib/dendro/scripts/${script}`, link)
  }
  for (const [name, place] of COMPLETIONS) {
    const target = join(root, place)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(
      join(packageRoot(), 'scripts/shipped/completions', name),
      target,
    )
    chmodSync(target, 0o644)
  }
  const units = join(root, UNIT_DIRECTORY)
  const wants = join(units, 'multi-user.target.wants')
  mkdirSync(wants, { recursive: true })
  for (const unit of UNITS) {
    copyFileSync(
      join(packageRoot(), 'scripts/shipped/systemd', unit),
      join(units, unit),
    )
    chmodSync(join(units, unit), 0o644)
    rmSync(join(wants, unit), { force: true })
    symlinkSync(`../${unit}`, join(wants, unit))
  }
}

/** Moves a directory below /var and leaves a link; true when it did. */
const moveToVar = (root: string, from: string, to: string): boolean => {
  const path = join(root, from)
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status?.isSymbolicLink() === true) return false
  const target = join(root, 'var', to)
  if (status === undefined) mkdirSync(target, { recursive: true })
  else if (!existsSync(target) || isEmpty(target)) {
    mkdirSync(dirname(target), { recursive: true })
    rmSync(target, { recursive: true, force: true })
    renameSync(path, target)
  } else if (isEmpty(path)) rmdirSync(path)
  else
    throw new DendroError(
      'TARGET_EXISTS',
      `cannot move /${from} of ${root} to /var/${to}: both hold something`,
      { hint: 'merge the two and remove one' },
    )
  const up = '../'.repeat(from.split('/').length - 1)
  symlinkSync(`${up}var/${to}`, path)
  return true
}

const isEmpty = (path: string): boolean => readdirSync(path).length === 0

const makeMountPoints = (root: string): void => {
  for (const name of [
    'dev',
    'proc',
    'sys',
    'run',
    'tmp',
    'sysroot',
    'boot',
    'mnt',
    'media',
  ]) {
    const path = join(root, name)
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
      mkdirSync(path)
  }
  chmodSync(join(root, 'tmp'), 0o1777)
  const link = join(root, 'dendro')
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined)
    symlinkSync('sysroot/dendro', link)
}

/** A program of the tree that makes an initramfs, and our parts for it. */
interface Generator {
  /** Where its parts go; it is installed when the directory is there. */
  readonly directory: string
  /** Ours, and the name and mode of each there. */
  readonly parts: readonly (readonly [string, string, number])[]
  /** Words of sh that make "$1" for the release "$2". */
  readonly make: string
}

const GENERATORS: readonly Generator[] = [
  {
    directory: 'usr/share/initramfs-tools',
    parts: [
      ['initramfs-tools-hook', 'hooks/dendro', 0o755],
      ['initramfs-tools-script', 'scripts/dendro', 0o644],
    ],
    make: '/usr/sbin/mkinitramfs -o "$1" "$2"',
  },
  {
    directory: 'usr/lib/dracut/modules.d',
    parts: [
      ['dracut-module-setup.sh', '90dendro/module-setup.sh', 0o755],
      ['dracut-cmdline.sh', '90dendro/dracut-cmdline.sh', 0o755],
      ['dracut-mount.sh', '90dendro/dracut-mount.sh', 0o755],
    ],
    make: 'dracut --quiet --no-hostonly --add dendro --kver "$2" "$1"',
  },
]

/** Where one of both is a leftover, the one that can be run counts. */
const installInitramfsParts = (root: string): Generator | undefined => {
  const from = join(packageRoot(), 'scripts/shipped/initramfs')
  const found = GENERATORS.filter(({ directory }) =>
    existsSync(join(root, directory)),
  )
  for (const { directory, parts } of found)
    for (const [name, place, mode] of parts) {
      const target = join(root, directory, place)
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(join(from, name), target)
      chmodSync(target, mode)
    }
  return found.find(({ make }) => {
    const [program] = make.split(' ') as [string]
    return ['', 'usr/bin', 'bin'].some(directory =>
      existsSync(join(root, directory, program)),
    )
  })
}

const modulesOf = (root: string): string => join(root, 'usr/lib/modules')

const initramfsPath = (root: string, release: string): string =>
  join(modulesOf(root), release, 'initramfs.img')

/** Takes kernels out of /boot, which is the machine's; their releases. */
const moveKernels = (root: string): string[] => {
  const modules = modulesOf(root)
  const boot = join(root, 'boot')
  const releases = existsSync(modules) ? readdirSync(modules) : []
  for (const release of releases) {
    const directory = join(modules, release)
    const move = (from: string, to: string): void => {
      if (existsSync(join(boot, from)))
        renameSync(join(boot, from), join(directory, to))
    }
    move(`vmlinuz-${release}`, 'vmlinuz')
    move(`config-${release}`, 'config')
    move(`System.map-${release}`, 'System.map')
    rmSync(join(boot, `initrd.img-${release}`), { force: true })
  }
  for (const name of ['vmlinuz', 'vmlinuz.old', 'initrd.img', 'initrd.img.old'])
    for (const link of [join(root, name), join(boot, name)])
      if (isDangling(link)) rmSync(link)
  for (const name of readdirSync(boot)) {
    const path = join(boot, name)
    if (lstatSync(path).isDirectory() && isEmpty(path)) rmdirSync(path)
  }
  return releases.filter(release =>
    existsSync(join(modules, release, 'vmlinuz')),
  )
}

const isDangling = (path: string): boolean => {
  try {
    readlinkSync(path)
  } catch {
    return false
  }
  return !existsSync(path)
}

/** Runs the tree's own program, with the mounts that it looks for. */
const MAKE = `
mount --bind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
config=/boot/config-$3
cp "$1/usr/lib/modules/$3/config" "$1$config"
trap 'rm -f "$1$config" "$1$2.new"' EXIT
chroot "$1" /bin/sh -euc "$4" sh "$2.new" "$3"
mv "$1$2.new" "$1$2"
`

const makeInitramfs = (
  root: string,
  release: string,
  { make }: Generator,
): void => {
  const inside = `/usr/lib/modules/${release}/initramfs.img`
  const result = spawnSync(
    'unshare',
    [
      ...['--mount', 'sh', '-euc', MAKE, 'sh'],
      ...[root, inside, release, make],
    ],
    {
      encoding: 'utf8',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TMPDIR: '/tmp' },
    },
  )
  if (result.status === 0) return
  const [program] = make.split(' ')
  throw new DendroError(
    'IO_ERROR',
    `${program} failed for ${release}: ${result.stderr.trim().split('\n').slice(-3).join('; ')}`,
    { hint: `chroot into ${root} and run it to see more` },
  )
}
