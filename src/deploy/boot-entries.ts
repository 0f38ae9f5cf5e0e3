/**
 * Boot entries by the Boot Loader Specification, Type #1
 * (uapi-group.org/specifications/specs/boot_loader_specification), made from
 * the list of deployments. The first deployment gets the highest version, so
 * that every boot loader takes it as the default.
 */

import { deploymentName } from './sysroot.ts'
import type { BootFile, ListedDeployment } from './sysroot.ts'

/** What an entry shows and starts besides the deployment's name. */
export interface BootTarget {
  readonly title: string
  readonly version: string
  /** Paths as the boot loader sees them; undefined for trees without a kernel. */
  readonly linux?: string
  readonly initrd?: string
  readonly options?: string
}

/** Text for one line: no control characters. */
// eslint-disable-next-line no-control-regex -- they are taken out here
const oneLine = (text: string): string => text.replace(/[\x00-\x1f\x7f]/g, ' ')

export const bootEntries = (
  deployments: readonly ListedDeployment[],
  targetOf: (deployment: ListedDeployment) => BootTarget,
): BootFile[] =>
  deployments.map((deployment, index) => {
    const target = targetOf(deployment)
    const rank = deployments.length - index
    const options = [`dendro=${deploymentName(deployment)}`, target.options]
      .filter(part => part !== undefined && part !== '')
      .join(' ')
    const lines = [
      `title ${oneLine(target.title)}`,
      `sort-key dendro-${deployment.os}`,
      `version ${rank}`,
      ...(target.linux === undefined ? [] : [`linux ${target.linux}`]),
      ...(target.initrd === undefined ? [] : [`initrd ${target.initrd}`]),
      `options ${oneLine(options)}`,
    ]
    return {
      name: `loader/entries/dendro-${rank}-${deployment.os}.conf`,
      text: `${lines.join('\n')}\n`,
    }
  })
