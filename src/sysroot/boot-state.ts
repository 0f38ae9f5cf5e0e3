/** What the initramfs left word of: scripts/shipped/initramfs/dendro-lib writes it. */

import { readFileSync } from '../system/files.ts'
import { BOOT } from '../system/protocol.ts'

/** What the initramfs made for the running machine; only root may change it. */
export const BOOT_DIRECTORY = BOOT.directory
export const BOOT_STATE = `${BOOT.directory}/${BOOT.state}`

export interface BootState {
  /** Names of deployments. */
  readonly booted: string
  /** What the kernel command line, else the list, named. */
  readonly wanted: string
  /** Why others were not booted, a line each. */
  readonly why: readonly string[]
}

/** Undefined on a machine that did not boot from a deployment. */
export const readBootState = (path = BOOT_STATE): BootState | undefined => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  const lines = text.split('\n').map(line => {
    const space = line.indexOf(' ')
    return [line.slice(0, space), line.slice(space + 1)] as const
  })
  const valueOf = (key: string) => lines.find(([name]) => name === key)?.[1]
  return {
    booted: valueOf(BOOT.booted) ?? '',
    wanted: valueOf(BOOT.wanted) ?? '',
    why: lines.filter(([name]) => name === BOOT.why).map(([, value]) => value),
  }
}

/** What the initramfs left word of, if `name` runs in the place of another. */
export const fallbackTo = (name: string): BootState | undefined => {
  const state = readBootState()
  return state?.booted === name && state.wanted !== name ? state : undefined
}
