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
import { usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { definition } from '../definitions/install.ts'
import { onWait } from '../shared/open-sysroot.ts'
import { withReader } from '../shared/open-repository.ts'
import { print, printJson, printLines } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

const DEFAULT_DISK_BYTES = 4 * GIB

const UNITS: Readonly<Record<string, number>> = { K: KIB, M: MIB, G: GIB }

/** `512M`, `4G`, or bytes. */
const toBytes = (text: string): number => {
  const match = /^(\d{1,15})([KMG]?)$/.exec(text)
  if (match !== null) return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1)
  throw usageError(`'${text}' is no size (512M, 4G)`, definition)
}

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands: { revision }, options }) => {
    requireRoot('install a machine')
    const { disk, size, karg: words } = options
    await withReader(global, async from => {
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
          os: options.os,
          kernelArguments: [...store, ...words],
          onWait,
        })
      }
      if (disk === undefined) {
        const root = absolutePath(global.sysroot)
        tell(global.json, await into(root, () => fileSystemUuid(root)))
        return
      }
      const done = await withNewDisk(
        {
          disk: absolutePath(disk),
          sizeBytes: size === undefined ? DEFAULT_DISK_BYTES : toBytes(size),
          wipe: options.wipe,
          isSerial: words.some(word => word.startsWith('console=ttyS0')),
        },
        (root, uuid) => into(root, () => uuid),
      )
      tell(global.json, done.result, {
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
