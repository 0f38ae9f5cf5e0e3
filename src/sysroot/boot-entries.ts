/**
 * What boot loaders and the initramfs read: boot entries by the Boot Loader Specification, Type #1
 * (uapi-group.org/specifications/specs/boot_loader_specification), the same as
 * a menu for GRUB, and a plain list for the initramfs. Made from the list of
 * deployments; the first one gets the highest version, so that every boot
 * loader takes it as the default.
 */

import { kernelParameter } from './kernel-words.ts'
import { deploymentName } from './sysroot.ts'
import type { BootFile, ListedDeployment } from './sysroot.ts'

/** What an entry shows and starts besides the deployment's name. */
export interface BootTarget {
  readonly title: string
  readonly version: string
  /** Paths as the boot loader sees them; undefined for trees without a kernel. */
  readonly linux?: string
  readonly initrd?: string
}

/** Text for one line: no control characters. */
// eslint-disable-next-line no-control-regex -- they are taken out here
const oneLine = (text: string): string => text.replace(/[\x00-\x1f\x7f]/g, ' ')

interface Entry extends BootTarget {
  readonly deployment: ListedDeployment
  readonly rank: number
  /** What the kernel is told, word by word. */
  readonly words: readonly string[]
}

/** Text in single quotes, for GRUB's shell as for any other. */
const quote = (text: string): string =>
  `'${oneLine(text).replaceAll("'", `'\\''`)}'`

const entryFile = ({ deployment, rank, ...entry }: Entry): BootFile => {
  const lines = [
    `title ${oneLine(entry.title)}`,
    `sort-key dendro-${deployment.os}`,
    `version ${rank}`,
    ...(entry.linux === undefined ? [] : [`linux ${entry.linux}`]),
    ...(entry.initrd === undefined ? [] : [`initrd ${entry.initrd}`]),
    `options ${entry.words.join(' ')}`,
  ]
  return {
    name: `loader/entries/dendro-${rank}-${deployment.os}.conf`,
    text: `${lines.join('\n')}\n`,
  }
}

const MENU_SECONDS = 3

/** A menu for GRUB, whose configuration file sources it. */
const grubMenu = (entries: readonly Entry[]): BootFile => {
  const menu = entries.flatMap(({ title, linux, initrd, words }) => {
    if (linux === undefined) return []
    // GRUB quotes anew what it is given, and would escape quotes in it.
    const options = words.map(kernelParameter).map(quote).join(' ')
    return [
      `menuentry ${quote(title)} {`,
      `  linux ${linux} ${options}`,
      ...(initrd === undefined ? [] : [`  initrd ${initrd}`]),
      '}',
    ]
  })
  const lines = ['set default=0', `set timeout=${MENU_SECONDS}`, ...menu]
  return { name: 'grub.cfg', text: `${lines.join('\n')}\n` }
}

/** `<name> <runtime or "-">`, in order. */
const plainList = (deployments: readonly ListedDeployment[]): BootFile => ({
  name: 'deployments',
  text: deployments
    .map(id => `${deploymentName(id)} ${id.runtime ?? '-'}\n`)
    .join(''),
})

export const bootFiles = (
  deployments: readonly ListedDeployment[],
  targetOf: (deployment: ListedDeployment) => BootTarget,
): BootFile[] => {
  const entries = deployments.map((deployment, index) => ({
    ...targetOf(deployment),
    deployment,
    rank: deployments.length - index,
    words: [
      `dendro=${deploymentName(deployment)}`,
      ...(deployment.kernelArguments ?? []),
    ],
  }))
  return [...entries.map(entryFile), grubMenu(entries), plainList(deployments)]
}
