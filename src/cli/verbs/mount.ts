/** dendro mount */

import { textToLatin1 } from '../../bytes/latin1.ts'
import { sortFstabOptions } from '../../mount/fstab-options.ts'
import type { FstabOptions } from '../../mount/fstab-options.ts'
import { remount } from '../../mount/remounting.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { mountRepository } from '../../mount/mounting.ts'
import { mountStatistics, reloadMount } from '../../mount/unmounting.ts'
import { tellServiceManager } from '../../server/service-manager.ts'
import { READY } from '../../server/start-outcome.ts'
import { parseMountOptions } from '../../mount/mount-options.ts'
import { absolutePath } from '../../system/caller.ts'
import { usageError } from '../shared/arguments.ts'
import type { GlobalOptions, Invocation, Verb } from '../shared/arguments.ts'
import { definition } from '../definitions/mount.ts'
import type { OptionsOf } from '../definitions/verb-definition.ts'
import { DendroError } from '../../errors.ts'
import { openRepository } from '../shared/open-repository.ts'
import { print, printJson, warn } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async invocation => {
    const { global, options } = invocation
    if (invocation.form === 'stats')
      await showStatistics(global, options.stats as string)
    else if (invocation.form === 'reload')
      await reload(global, options.reload as string)
    else {
      const { revision, directory } = invocation.operands
      const old = isOldForm(global, revision)
      if (old === 'stats') await showStatistics(global, directory)
      else if (old === 'reload') await reload(global, directory)
      else await mount(invocation, revision, directory)
    }
  },
}

/**
 * Whether `mount stats DIR` is `mount --stats DIR`, as it was written before
 * there was that option: where no ref and no tag has that name.
 */
const isOldForm = (
  global: GlobalOptions,
  revision: string | undefined,
): 'stats' | 'reload' | undefined => {
  if (revision !== 'stats' && revision !== 'reload') return undefined
  try {
    const repository = openRepository(global)
    try {
      resolveRevision(repository, revision)
      return undefined
    } finally {
      repository.close()
    }
  } catch (error) {
    // Without a repository it cannot be a mount either.
    if (error instanceof DendroError) return revision
    throw error
  }
}

const reload = async (
  global: GlobalOptions,
  directory: string,
): Promise<void> => {
  const { pid } = await reloadMount(absolutePath(directory))
  if (global.json) printJson({ serverPid: pid })
  else print(`served by ${pid}`)
}

const mount = async (
  { global, options: asked }: Invocation<typeof definition>,
  revision: string | undefined,
  directory: string,
): Promise<void> => {
  const { own, isRemount, ...given } = givenOptions(asked)
  const options = parseMountOptions(own, asked.sloppy)
  const mountpoint = absolutePath(directory)
  if (isRemount) {
    remount(mountpoint, options)
    return
  }
  const repository = openRepository(global)
  const subdir = asked.subdir ?? given.subdir
  const commit =
    revision === undefined ? undefined : resolveRevision(repository, revision)
  if (subdir !== undefined && commit === undefined)
    throw usageError('--subdir needs a REV', definition)
  const mounted = await mountRepository(repository, {
    mountpoint,
    commit,
    subdir: textToLatin1(subdir ?? ''),
    options,
    mayBeMounted: asked.fstab,
  })
  if (mounted.isOther === true)
    warn(
      `another commit is mounted at ${mounted.mountpoint} since before (umount it first to have this one)`,
    )
  if (global.json) printJson(mounted)
  if (asked.foreground) {
    tellServiceManager(READY)
    const { waitUntilUnmounted } = await import('../../mount/foreground.ts')
    await waitUntilUnmounted(mounted.mountpoint)
  }
}

const givenOptions = ({
  options,
  fstab,
}: OptionsOf<typeof definition>): FstabOptions =>
  fstab
    ? sortFstabOptions(options)
    : { own: options, subdir: undefined, isRemount: false }

const showStatistics = async (
  global: GlobalOptions,
  directory: string,
): Promise<void> => {
  const statistics = await mountStatistics(absolutePath(directory))
  if (global.json) {
    printJson(statistics)
    return
  }
  print(`server ${statistics.pid}, transport ${statistics.transport}`)
  print(`nodes ${statistics.nodes}, resident ${statistics.rssBytes} bytes`)
  print(`stored ahead: ${statistics.storedFiles} files`)
  printCounts([
    ...rowsOf(statistics.requests),
    ...rowsOf({ ...statistics.outcomes }).map(row => ({
      ...row,
      name: `${row.name}:`,
    })),
    ...rowsOf(statistics.failures).map(row => ({
      ...row,
      name: `failed: ${row.name}`,
    })),
  ])
}

interface Count {
  readonly name: string
  readonly count: number
}

/** Without any where the server is of an older program that does not count them. */
const rowsOf = (
  counts: Readonly<Record<string, number>> | undefined,
): Count[] =>
  Object.entries(counts ?? {}).map(([name, count]) => ({ name, count }))

const COLUMN = 16

const printCounts = (rows: readonly Count[]): void => {
  const width = Math.max(COLUMN, ...rows.map(({ name }) => name.length))
  for (const { name, count } of rows) print(`${name.padEnd(width)} ${count}`)
}
