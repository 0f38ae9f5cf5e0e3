/** Disks of machines, and QEMU to boot them; shared by test and measurement. */
import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../..', import.meta.url))
export const dendro = join(project, 'scripts/dendro')
const fixtures = process.env.DENDRO_FIXTURES ?? '/var/tmp/dendro-fixtures'
export const logs = join(project, 'dist/boot-logs')
const BOOT_LIMIT_MS = 240_000
const STORE_OFFSET = 2 * 1024 * 1024
export const KERNEL_ARGUMENTS = [
  'console=ttyS0',
  'panic=-1',
  'systemd.firstboot=off',
  'quiet',
].flatMap(word => ['--karg', word])

export const sh = (script, ...args) => {
  const result = spawnSync('sh', ['-euc', script, 'sh', ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
  })
  if (result.status !== 0)
    throw new Error(`${script}: ${result.stderr.slice(-2000)}`)
  return result.stdout.trimEnd()
}

export const work = mkdtempSync(join(tmpdir(), 'dendro-boot-'))
export const at = name => join(work, name)
export const repository = at('repo')
export const mountpoint = at('disk')

/** Runs `change` with the file system of a machine's disk mounted. */
export const withDisk = (disk, change) => {
  mkdirSync(mountpoint, { recursive: true })
  sh(
    'mount -o loop,offset=$3 "$1" "$2"',
    disk,
    mountpoint,
    String(STORE_OFFSET),
  )
  try {
    return change(mountpoint)
  } finally {
    sh('umount "$1"', mountpoint)
  }
}

/** The kernel, initramfs and options of the nth boot entry. */
export const readEntry = (disk, index) =>
  withDisk(disk, root => {
    const directory = join(root, 'boot/loader/entries')
    const names = readdirSync(directory).sort().reverse()
    const text = readFileSync(join(directory, names[index]), 'utf8')
    const value = key => new RegExp(`^${key} (.*)$`, 'm').exec(text)[1]
    cpSync(join(root, value('linux')), at('vmlinuz'))
    cpSync(join(root, value('initrd')), at('initrd'))
    return value('options')
  })

const EMULATED = ['-accel', 'tcg,tb-size=256', '-cpu', 'max']
const VIRTUAL = ['-accel', 'kvm', '-cpu', 'host']
const PROBE_LIMIT_MS = 12_000
let chosen

/**
 * Virtual when that works: some hosts have /dev/kvm and hang in it, so a kernel
 * is started that has nothing to do but to panic and reboot, which ends it.
 */
const accelerator = () => {
  chosen ??= isVirtual() ? VIRTUAL : EMULATED
  return chosen
}

const isVirtual = () => {
  if (!existsSync('/dev/kvm')) return false
  const { status, stdout } = spawnSync(
    'qemu-system-x86_64',
    [
      ...['-nographic', '-nodefaults', '-no-reboot', '-serial', 'stdio'],
      ...['-m', '256', ...VIRTUAL, '-kernel', at('vmlinuz')],
      ...['-append', 'console=ttyS0 panic=-1'],
    ],
    { encoding: 'latin1', timeout: PROBE_LIMIT_MS, killSignal: 'SIGKILL' },
  )
  return status === 0 && stdout.includes('Kernel panic')
}

/**
 * Starts the machine and waits until it is off; its serial console and the
 * seconds it took. `onStart` and `onLine` may end it, as a power cut does.
 */
export const boot = (name, disk, options = {}) =>
  new Promise((resolve, reject) => {
    const { index = 0, words, memory = 1024, onStart, onLine } = options
    const direct = options.firmware
      ? []
      : [
          ...['-kernel', at('vmlinuz'), '-initrd', at('initrd')],
          ...['-append', words ?? readEntry(disk, index)],
        ]
    const log = join(logs, `${name}.log`)
    writeFileSync(log, '')
    const began = performance.now()
    const child = spawn(
      'qemu-system-x86_64',
      [
        ...['-nographic', '-nodefaults', '-no-reboot', '-serial', 'stdio'],
        ...['-m', String(memory), '-smp', '1', '-device', 'virtio-rng-pci'],
        ...accelerator(),
        ...[
          '-drive',
          `file=${disk},if=virtio,format=raw,cache=${options.cache ?? 'unsafe'}`,
        ],
        ...direct,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    onStart?.(child)
    let text = ''
    let partial = ''
    const marks = {}
    const take = data => {
      const part = data.toString('latin1')
      text += part
      partial += part
      const lines = partial.split('\n')
      partial = lines.pop()
      for (const line of lines) {
        const seconds = (performance.now() - began) / 1000
        appendFileSync(log, `[${seconds.toFixed(1).padStart(6)}] ${line}\n`)
        const mark = /MARK (\S+)/.exec(line)?.[1]
        if (mark !== undefined) marks[mark] ??= seconds
        onLine?.(line, child)
      }
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const timer = setTimeout(() => child.kill('SIGKILL'), BOOT_LIMIT_MS)
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      const seconds = (performance.now() - began) / 1000
      resolve({ name, text, marks, seconds, status, signal, log })
    })
  })

/** What the machine does once it is up: a script that its test unit runs. */
export const setStep = (disk, script) =>
  withDisk(disk, root => {
    const directory = join(root, 'dendro/deploy/debian/var/lib/machine-test')
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'step'), script)
  })

const UNIT = `[Unit]
Description=Test of the machine
After=dendro-boot-complete.service multi-user.target
ConditionPathExists=/var/lib/machine-test/step
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -u /var/lib/machine-test/step
`

/** Says when multi-user.target is reached. */
const MARK_UNIT = `[Unit]
Description=Mark of the boot
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/echo MARK multi-user
`

const TREES = {
  old: { ref: 'machine', version: '1' },
  new: { ref: 'machine', version: '2' },
  trixie: { ref: 'trixie', version: '13' },
  dracut: { ref: 'dracut', version: '1' },
}

/**
 * Brings trees into the repository as a user would. Each has a build of dendro
 * of its own, so that each brings another runtime.
 */
export const prepare = wanted => {
  const names = wanted.filter(name => !prepared.has(name))
  if (names.length === 0) return
  const trees = join(fixtures, 'machine')
  sh(
    '"$@" >&2',
    join(project, 'scripts/testing/make-machine-trees'),
    trees,
    ...names,
  )
  sh('test -d "$2" || "$1" --repo "$2" init', dendro, repository)
  for (const name of names) {
    const { ref, version } = TREES[name]
    const tree = at(name)
    sh('cp -a "$1" "$2"', join(trees, name), tree)
    addTestUnit(tree)
    writeFileSync(join(tree, 'etc/machine-version'), `${version}\n`)
    sh('"$1" integrate "$2"', dendro, tree)
    writeFileSync(join(tree, 'usr/lib/dendro/build'), `${name}\n`)
    sh(
      '"$1" --repo "$2" commit -b "$3" --version "$4" "$5" >/dev/null',
      ...[dendro, repository, ref, version, tree],
    )
    rmSync(tree, { recursive: true })
    prepared.add(name)
  }
}

const prepared = new Set()

/** Has a tree do the machine's step once it is up. */
export const addTestUnit = tree => {
  const units = join(tree, 'usr/lib/systemd/system')
  writeFileSync(join(units, 'machine-test.service'), UNIT)
  mkdirSync(join(units, 'multi-user.target.wants'), { recursive: true })
  writeFileSync(join(units, 'machine-mark.service'), MARK_UNIT)
  sh(
    'ln -s ../machine-test.service ../machine-mark.service "$1/multi-user.target.wants/"',
    units,
  )
}

const NEWC_TRAILER = 'TRAILER!!!'

/** An initramfs in cpio's "newc" form (initramfs-buffer-format.rst). */
const cpio = files => {
  const padded = buffer =>
    Buffer.concat([buffer, Buffer.alloc((4 - (buffer.length % 4)) % 4)])
  const entry = (name, mode, bytes) => {
    const fields = [0, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0]
    const numbers = [...fields, name.length + 1, 0]
      .map(field => field.toString(16).padStart(8, '0'))
      .join('')
    const head = Buffer.from(`070701${numbers}${name}\0`)
    return [padded(head), padded(bytes)]
  }
  return Buffer.concat([
    ...files.flatMap(({ name, mode, bytes }) => entry(name, mode, bytes)),
    ...entry(NEWC_TRAILER, 0, Buffer.alloc(0)),
  ])
}

/** Says its kernel's command line on the serial console, and ends. */
const SAY_COMMAND_LINE = `
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
  static char line[8192];
  mkdir("/proc", 0755), mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", 0, 0), mount("dev", "/dev", "devtmpfs", 0, 0);
  int in = open("/proc/cmdline", O_RDONLY), out = open("/dev/ttyS0", O_WRONLY);
  int length = read(in, line, sizeof line - 1);
  if (length > 0) dprintf(out, "MARK cmdline %s\\n", line);
  sync(), sleep(1), reboot(RB_AUTOBOOT);
}
`

/** Commits a system that is a kernel and one program: it says its command line. */
export const prepareSpeaker = () => {
  prepare(['old'])
  const tree = at('speaker')
  const modules = join(tree, 'usr/lib/modules/speaker')
  mkdirSync(modules, { recursive: true })
  mkdirSync(join(tree, 'usr/etc'))
  writeFileSync(join(tree, 'usr/lib/os-release'), 'ID=debian\n')
  writeFileSync(at('init.c'), SAY_COMMAND_LINE)
  sh('cc -static -o "$1" "$2"', at('init'), at('init.c'))
  sh(
    'cp -L "$1"/boot/vmlinuz-* "$2/vmlinuz"',
    join(fixtures, 'machine/old'),
    modules,
  )
  const init = { name: 'init', mode: 0o100755, bytes: readFileSync(at('init')) }
  writeFileSync(join(modules, 'initramfs.img'), cpio([init]))
  sh(
    '"$1" --repo "$2" commit -b speaker "$3" >/dev/null',
    ...[dendro, repository, tree],
  )
}

/** A disk with a commit on it. */
export const makeMachine = (name, revision, ...options) => {
  const disk = at(name)
  rmSync(disk, { force: true })
  sh(
    'dendro=$1 repository=$2 disk=$3; shift 3; "$dendro" --repo "$repository" install --disk "$disk" --size 2G "$@"',
    ...[dendro, repository, disk, revision, ...KERNEL_ARGUMENTS, ...options],
  )
  return disk
}

/** Puts a commit into a machine's repository, as a download would. */
export const bring = (disk, revision) =>
  withDisk(disk, root =>
    sh(
      '"$1" --repo "$2" repo copy "$3" "$4/dendro/repo"',
      ...[dendro, repository, revision, root],
    ),
  )

/** `dendro` on the sysroot of a machine that is off. */
export const onSysroot = (disk, ...words) =>
  withDisk(disk, root => sh('"$@"', dendro, '--sysroot', root, ...words))
