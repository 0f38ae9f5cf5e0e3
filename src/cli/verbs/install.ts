/** dendro install */

import {
  deploymentName,
  shortName,
  sysrootPaths,
} from '../../sysroot/sysroot.ts'
import type { Deployed } from '../../deploy/deploy.ts'
import { fileSystemUuid, withNewDisk } from '../../machine/disk.ts'
import { install } from '../../machine/install.ts'
import { refOf, resolveRevision } from '../../refs/revision.ts'
import { absolutePath } from '../../system/caller.ts'
import { GIB, KIB, MIB } from '../../units.ts'
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { onWait } from '../shared/open-sysroot.ts'
import { withReader } from '../shared/open-repository.ts'
import { print, printJson, printLines } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

const usage =
  'install REV [--karg ARG]... [--os NAME]\n' +
  '       dendro install --disk DISK [--size BYTES] [--wipe] REV [--karg ARG]... [--os NAME]'

const DEFAULT_DISK_BYTES = 4 * GIB

const UNITS: Readonly<Record<string, number>> = { K: KIB, M: MIB, G: GIB }

/** `512M`, `4G`, or bytes. */
const toBytes = (text: string): number => {
  const match = /^(\d{1,15})([KMG]?)$/.exec(text)
  if (match !== null) return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1)
  throw usageError(`'${text}' is no size (512M, 4G)`, usage)
}

export const verb: Verb = {
  usage,
  summary:
    'make a sysroot, or a whole disk, that boots a commit\n\n' +
    'Copies the commit from the repository that --repo names into a repository of\n' +
    'the sysroot, deploys it, and puts kernel, initramfs and boot entries into its\n' +
    '/boot. --disk makes a disk image, or fills a block device: GPT, one ext4 file\n' +
    'system, and GRUB where it is installed. The commit needs a kernel and an\n' +
    'initramfs in /usr/lib/modules/<release>; "dendro integrate" puts them there.',
  run: async context => {
    const many = { type: 'string', multiple: true } as const
    const parsed = parseVerb(
      context,
      usage,
      {
        disk: { type: 'string' },
        size: { type: 'string' },
        wipe: { type: 'boolean' },
        karg: many,
        os: { type: 'string' },
      },
      [1, 1],
    )
    requireRoot('install a machine')
    const [revision] = parsed.positionals as [string]
    const disk = parsed.string('disk')
    const size = parsed.string('size')
    if (disk === undefined && (size !== undefined || parsed.flag('wipe')))
      throw usageError('--size and --wipe go with --disk', usage)
    const words = parsed.texts('karg')
    await withReader(context.global, async from => {
      const commit = resolveRevision(from, revision)
      // `stable~1` is followed as `stable`.
      const ref = refOf(from, revision)
      const into = (root: string, uuid: () => string) => {
        const isNamed = words.some(word => word.startsWith('dendro.store='))
        const store = isNamed ? [] : [`dendro.store=UUID=${uuid()}`]
        return install(sysrootPaths(root), {
          from,
          commit,
          ref,
          os: parsed.string('os'),
          kernelArguments: [...store, ...words],
          onWait,
        })
      }
      if (disk === undefined) {
        const root = absolutePath(context.global.sysroot)
        tell(context.global.json, await into(root, () => fileSystemUuid(root)))
        return
      }
      const done = await withNewDisk(
        {
          disk: absolutePath(disk),
          sizeBytes: size === undefined ? DEFAULT_DISK_BYTES : toBytes(size),
          wipe: parsed.flag('wipe'),
          isSerial: words.some(word => word.startsWith('console=ttyS0')),
        },
        (root, uuid) => into(root, () => uuid),
      )
      tell(context.global.json, done.result, {
        disk: absolutePath(disk),
        bootLoader: done.bootLoader ?? null,
      })
    })
  },
}

const tell = (
  json: boolean,
  { deployment }: Deployed,
  disk?: { readonly disk: string; readonly bootLoader: string | null },
): void => {
  if (json) {
    printJson({ deployment: deploymentName(deployment), ...disk })
    return
  }
  print(`installed ${shortName(deployment)}`)
  if (disk !== undefined && disk.bootLoader === null)
    printLines([
      'no boot loader: GRUB is not installed here (grub-pc-bin, grub2-common);',
      'a machine can still be started with kernel and initramfs of the boot entry',
    ])
}
