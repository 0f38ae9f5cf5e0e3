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
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Parsed, Verb, VerbContext } from '../shared/arguments.ts'
import { openRepository } from '../shared/open-repository.ts'
import { print, printJson, warn } from '../shared/output.ts'

const usage =
  'mount [REV] DIR [--subdir PATH] [-o OPTION[,OPTION]...] [--foreground]\n' +
  '       dendro mount stats DIR\n' +
  '       dendro mount reload DIR'

export const verb: Verb = {
  usage,
  summary:
    'mount a commit, or without REV every commit, at DIR\n\n' +
    'The whole view holds commits/<id>, refs/, tags/ and by-version/; new commits\n' +
    'appear in it by themselves. Returns when the mount answers; with --foreground\n' +
    'when it is unmounted. Set-user-ID files and devices are inert unless root\n' +
    'asks for -o suid or -o dev. "stats" tells the requests by kind; "reload" hands\n' +
    'the mount over to a server of this program, which its users do not notice.',
  run: async context => {
    const parsed = parseVerb(
      context,
      usage,
      {
        options: { type: 'string', short: 'o', multiple: true },
        subdir: { type: 'string' },
        foreground: { type: 'boolean', short: 'f' },
        // For scripts/shipped/mount.dendro.
        fstab: { type: 'boolean' },
        sloppy: { type: 'boolean' },
      },
      [1, 2],
    )
    const [first, second] = parsed.positionals as [string, string | undefined]
    if (first === 'stats' && second !== undefined)
      await showStatistics(context, second)
    else if (first === 'reload' && second !== undefined) {
      const { pid } = await reloadMount(absolutePath(second))
      if (context.global.json) printJson({ serverPid: pid })
      else print(`served by ${pid}`)
    } else await mount(context, parsed, first, second)
  },
}

const mount = async (
  context: VerbContext,
  parsed: Parsed,
  first: string,
  second: string | undefined,
): Promise<void> => {
  const { own, isRemount, ...given } = givenOptions(parsed)
  const options = parseMountOptions(own, parsed.flag('sloppy'))
  if (isRemount) {
    remount(absolutePath(second ?? first), options)
    return
  }
  const repository = openRepository(context.global)
  const revision = second === undefined ? undefined : first
  const mountpoint = absolutePath(second ?? first)
  const subdir = parsed.string('subdir') ?? given.subdir
  const commit =
    revision === undefined ? undefined : resolveRevision(repository, revision)
  if (subdir !== undefined && commit === undefined)
    throw usageError('--subdir needs a REV', usage)
  const mounted = await mountRepository(repository, {
    mountpoint,
    commit,
    subdir: textToLatin1(subdir ?? ''),
    options,
    mayBeMounted: parsed.flag('fstab'),
  })
  if (mounted.isOther === true)
    warn(
      `another commit is mounted at ${mounted.mountpoint} since before (umount it first to have this one)`,
    )
  if (context.global.json) printJson(mounted)
  if (parsed.flag('foreground')) {
    tellServiceManager(READY)
    const { waitUntilUnmounted } = await import('../../mount/foreground.ts')
    await waitUntilUnmounted(mounted.mountpoint)
  }
}

const givenOptions = (parsed: Parsed): FstabOptions => {
  const own = parsed.strings('options')
  return parsed.flag('fstab')
    ? sortFstabOptions(own)
    : { own, subdir: undefined, isRemount: false }
}

const showStatistics = async (
  context: VerbContext,
  directory: string,
): Promise<void> => {
  const statistics = await mountStatistics(absolutePath(directory))
  if (context.global.json) {
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
