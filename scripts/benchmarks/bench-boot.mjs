/**
 * Measures how long a machine takes to boot from a deployment, beside the same
 * tree on plain ext4 and with /usr from squashfuse_ll, and prints a table.
 *
 *     scripts/bench boot [--rounds N] [--memory MB] [--kargs WORDS]
 *
 * Kinds alternate, each boot on a fresh copy of its disk, with caches of the
 * host dropped before. Seconds from the start of QEMU. Needs root.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  at,
  boot,
  dendro,
  KERNEL_ARGUMENTS,
  logs,
  makeMachine,
  prepare,
  readEntry,
  repository,
  setStep,
  sh,
  work,
} from './boot-lib.mjs'
import {
  cleanUp,
  dropCaches,
  install,
  machine,
  median,
  option,
} from './bench-lib.mjs'

const rounds = Number(option('rounds', 5))
const memory = Number(option('memory', 1024))
const extra = option('kargs', '')

/** What is asked once it is up; then it ends. */
const STEP = `exec 2>&1
echo MARK up
dmesg | grep dendro:
dendro mount stats /usr 2>/dev/null
systemctl --no-block poweroff
`

const SQUASH_HOOK = `#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules fuse
copy_exec /usr/bin/squashfuse_ll /usr/bin/squashfuse_ll
copy_exec /usr/bin/mount /usr/lib/dendro/initramfs/bin/mount
`
/** The root is ext4 but for /usr. */
const SQUASH_SCRIPT = `
mount_top() { :; }
mount_premount() { :; }
mount_bottom() { :; }
mountroot() {
  modprobe -q fuse
  local_device_setup /dev/vda root
  /usr/lib/dendro/initramfs/bin/mount -o rw /dev/vda "$rootmnt"
  mkdir -p /run/initramfs/usr
  (exec -a @squashfuse_ll /usr/bin/squashfuse_ll -o suid,dev,allow_other "$rootmnt/usr.squashfs" /run/initramfs/usr) ||
    squashfuse_ll -o suid,dev,allow_other "$rootmnt/usr.squashfs" /run/initramfs/usr
  /usr/lib/dendro/initramfs/bin/mount --bind /run/initramfs/usr "$rootmnt/usr"
}
`

const PLAIN_ARGUMENTS = [
  ...KERNEL_ARGUMENTS.filter(word => word !== '--karg'),
  'rw',
]

/** A tree as the machine has it, checked out of its commit. */
const checkOut = name => {
  const tree = at(name)
  sh('"$1" --repo "$2" checkout machine "$3"', ...[dendro, repository, tree])
  mkdirSync(join(tree, 'var/lib/machine-test'), { recursive: true })
  writeFileSync(join(tree, 'var/lib/machine-test/step'), STEP)
  rmSync(join(tree, 'dendro'), { force: true })
  return tree
}

const kernelOf = (tree, name) => {
  const modules = join(tree, 'usr/lib/modules')
  const release = sh('ls "$1"', modules)
  cpSync(join(modules, release, 'vmlinuz'), at(`${name}.vmlinuz`))
  cpSync(join(modules, release, 'initramfs.img'), at(`${name}.initrd`))
  return release
}

const makeExt4 = () => {
  const tree = checkOut('ext4')
  kernelOf(tree, 'ext4')
  sh('mke2fs -q -t ext4 -d "$1" "$2" 1G', tree, at('ext4.img'))
  rmSync(tree, { recursive: true })
  return [`root=/dev/vda`, ...PLAIN_ARGUMENTS].join(' ')
}

const makeSquash = () => {
  const tree = checkOut('squash')
  const tools = join(tree, 'usr/share/initramfs-tools')
  writeFileSync(join(tools, 'hooks/squash'), SQUASH_HOOK, { mode: 0o755 })
  writeFileSync(join(tools, 'scripts/squash'), SQUASH_SCRIPT)
  sh(
    `for file in /usr/bin/squashfuse_ll $(ldd /usr/bin/squashfuse_ll | grep -o '/[^ ]*'); do
       cp -nL "$file" "$1/usr/\${file#/usr/}" 2>/dev/null || cp -nL "$file" "$1$file"
     done
     "$2" integrate "$1"`,
    tree,
    dendro,
  )
  kernelOf(tree, 'squash')
  sh(
    `mksquashfs "$1/usr" "$2" -comp zstd -Xcompression-level 3 -quiet -no-progress >/dev/null
     rm -rf "$1/usr"; mkdir "$1/usr"; mv "$2" "$1/usr.squashfs"
     mke2fs -q -t ext4 -d "$1" "$3" 1G`,
    ...[tree, at('usr.squashfs'), at('squash.img')],
  )
  rmSync(tree, { recursive: true })
  return ['boot=squash', ...PLAIN_ARGUMENTS].join(' ')
}

const main = async () => {
  install({ mksquashfs: 'squashfs-tools', squashfuse_ll: 'squashfuse' })
  mkdirSync(logs, { recursive: true })
  prepare(['old'])
  const disk = makeMachine('dendro.img', 'machine')
  setStep(disk, STEP)
  const kinds = {
    dendro: { options: undefined, disk },
    ext4: { options: makeExt4(), disk: at('ext4.img') },
    squashfuse_ll: { options: makeSquash(), disk: at('squash.img') },
  }
  const times = {}
  for (let round = 1; round <= rounds; round++)
    for (const [kind, { options, disk }] of Object.entries(kinds)) {
      const copy = at('copy.img')
      sh('cp --sparse=always "$1" "$2"', disk, copy)
      const name = kind === 'squashfuse_ll' ? 'squash' : kind
      if (options !== undefined) {
        cpSync(at(`${name}.vmlinuz`), at('vmlinuz'))
        cpSync(at(`${name}.initrd`), at('initrd'))
      }
      const words = options ?? readEntry(copy, 0)
      dropCaches()
      const run = await boot(`bench-${name}-${round}`, copy, {
        memory,
        words: `${words} ${extra}`.trim(),
      })
      const up = run.marks['multi-user']
      if (up === undefined)
        throw new Error(`${kind} did not come up: see ${run.log}`)
      console.error(
        `# ${kind}: multi-user ${up.toFixed(1)}, off ${run.seconds.toFixed(1)}`,
      )
      ;(times[kind] ??= { up: [], off: [] }).up.push(up)
      times[kind].off.push(run.seconds)
    }
  console.log(
    `${machine()} Debian 12, kernel 6.1, ${memory} MB, QEMU${extra === '' ? '' : `, ${extra}`}. Medians of ${rounds} rounds, seconds.\n`,
  )
  console.log(
    '| /usr from | multi-user | off | ratio to ext4 |\n|---|---|---|---|',
  )
  const plain = median(times.ext4.up)
  for (const [kind, { up, off }] of Object.entries(times))
    console.log(
      `| ${kind} | ${median(up).toFixed(1)} | ${median(off).toFixed(1)} | ${(median(up) / plain).toFixed(2)} |`,
    )
}

try {
  await main()
} finally {
  rmSync(work, { recursive: true, force: true })
  cleanUp()
}
