/** dendro commit */

import { DendroError } from '../../errors.ts'
import { latin1ToDisplay, textToLatin1 } from '../../bytes/latin1.ts'
import { digestToHex } from '../../objects/digest.ts'
import { toRefName } from '../../refs/ref-name.ts'
import { absolutePath } from '../../system/caller.ts'
import { existsSync, realpathSync } from '../../system/files.ts'
import { canUseXattrs } from '../../system/xattr.ts'
import { commitDirectory } from '../../tree/commit.ts'
import type { Committed } from '../../tree/commit.ts'
import { parseMtimePolicy } from '../../tree/mtime-policy.ts'
import type { MtimePolicy } from '../../tree/mtime-policy.ts'
import { definition } from '../definitions/commit.ts'
import type { OptionsOf } from '../definitions/verb-definition.ts'
import { usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import {
  noteDone,
  print,
  printJson,
  ProgressLine,
  warn,
  warnWaiting,
} from '../shared/output.ts'

type Options = OptionsOf<typeof definition>

export const verb: Verb<typeof definition> = {
  run: async ({ global, operands, options }) => {
    const { branch = '' } = options
    const request = {
      ref: toRefName(branch),
      source: textToLatin1(sourceOf(operands.directory)),
      subject: options.subject ?? '',
      body: options.body ?? '',
      metadata: parseMetadata(options),
      autoVersion: options['auto-version'],
      timeSec: parseTimestamp(options.timestamp),
      onWait: warnWaiting,
    }
    const mtime = chooseMtime(options.mtime)
    if (!canUseXattrs())
      warn(
        'xattrs are left out: the native part is not built (run scripts/build-shim)',
      )
    await withRepository(global, async repository => {
      const line = new ProgressLine()
      const committed = await commitDirectory(repository, request, {
        mtime,
        allowChanging: options['allow-changing'],
        oneFileSystem: options['one-file-system'],
        ignoreStatCache: options['no-cache'],
        onSkipped: (_path, why) => warn(`left out: ${why}`),
        onProgress: p =>
          line.update(
            p.phase === 'scan' ? 'scanning' : 'committing',
            p.files,
            p.totalFiles,
            p.bytes,
            p.totalBytes,
          ),
      }).finally(() => line.end())
      noteDone(`the commit was made: ${digestToHex(committed.id)}`)
      if (global.json) printJson(describe(committed, branch))
      else print(digestToHex(committed.id))
    })
  },
}

/** A link with a slash behind it is the directory that it leads to, as elsewhere. */
const sourceOf = (path: string): string => {
  const source = absolutePath(path)
  return path.endsWith('/') && existsSync(source)
    ? realpathSync(source)
    : source
}

const describe = (committed: Committed, ref: string) => ({
  commit: digestToHex(committed.id),
  ref,
  parent: committed.parent === undefined ? null : digestToHex(committed.parent),
  version: committed.commit.metadata.get('version') ?? null,
  files: committed.summary.files,
  directories: committed.summary.directories,
  others: committed.summary.others,
  logicalBytes: committed.summary.logicalBytes,
  xattrs: committed.summary.xattrNames.map(latin1ToDisplay),
  filesRead: committed.filesRead,
  newObjects: committed.written.newObjects,
  newBytes: committed.written.newBytes,
  storedBytes: committed.written.storedBytes,
})

const parseMetadata = (options: Options): Map<string, string> => {
  const metadata = new Map<string, string>()
  for (const pair of options.meta) {
    const equals = pair.indexOf('=')
    if (equals < 1)
      throw usageError(`--meta ${pair} is not KEY=VALUE`, definition)
    metadata.set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  const { version } = options
  if (version !== undefined) metadata.set('version', version)
  return metadata
}

const parseEpoch = (text: string, what: string): number => {
  if (/^-?\d{1,15}$/.test(text)) return Number(text)
  throw new DendroError(
    'USAGE',
    `bad ${what} ${text}: it is not a number of seconds`,
    {
      hint: 'write seconds since 1970, as date +%s prints',
    },
  )
}

const sourceDateEpoch = (): number | undefined => {
  const text = process.env['SOURCE_DATE_EPOCH']
  return text === undefined || text === ''
    ? undefined
    : parseEpoch(text, 'SOURCE_DATE_EPOCH')
}

const parseTimestamp = (text: string | undefined): number | undefined => {
  return text === undefined
    ? sourceDateEpoch()
    : parseEpoch(text, '--timestamp')
}

const chooseMtime = (text: string | undefined): MtimePolicy => {
  if (text !== undefined) return parseMtimePolicy(text)
  const epochSec = sourceDateEpoch()
  return epochSec === undefined
    ? { kind: 'exact' }
    : { kind: 'clamp', epochSec }
}
