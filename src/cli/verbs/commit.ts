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
import { parseVerb, usageError } from '../shared/arguments.ts'
import type { Parsed, Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import {
  noteDone,
  print,
  printJson,
  ProgressLine,
  warn,
  warnWaiting,
} from '../shared/output.ts'

const usage =
  'commit -b REF DIR [-m SUBJECT] [--body TEXT] [--meta K=V]... ' +
  '[--version V | --auto-version PREFIX] [--mtime=exact|parent|clamp=EPOCH] ' +
  '[--timestamp EPOCH] [--allow-changing] [--one-file-system] [--no-cache]'

export const verb: Verb = {
  usage,
  summary:
    'store DIR as a commit and move REF to it; prints the commit id\n\n' +
    'Everything is kept: contents, holes, hard links, device nodes, owners,\n' +
    'modes, times and xattrs. A second commit of the same directory reads only\n' +
    'what changed. SOURCE_DATE_EPOCH acts as --mtime=clamp and --timestamp.',
  run: async context => {
    const parsed = parseVerb(
      context,
      usage,
      {
        branch: { type: 'string', short: 'b' },
        subject: { type: 'string', short: 'm' },
        body: { type: 'string' },
        meta: { type: 'string', multiple: true },
        version: { type: 'string' },
        'auto-version': { type: 'string' },
        mtime: { type: 'string' },
        timestamp: { type: 'string' },
        'allow-changing': { type: 'boolean' },
        'one-file-system': { type: 'boolean', short: 'x' },
        'no-cache': { type: 'boolean' },
      },
      [1, 1],
    )
    const branch = parsed.string('branch')
    if (branch === undefined) throw usageError('-b REF is missing', usage)
    if (
      parsed.string('version') !== undefined &&
      parsed.string('auto-version') !== undefined
    )
      throw usageError('--version and --auto-version exclude each other', usage)
    const request = {
      ref: toRefName(branch),
      source: textToLatin1(sourceOf(parsed.positionals[0] as string)),
      subject: parsed.text('subject') ?? '',
      body: parsed.text('body') ?? '',
      metadata: parseMetadata(parsed),
      autoVersion: parsed.text('auto-version'),
      timeSec: parseTimestamp(parsed),
      onWait: warnWaiting,
    }
    const mtime = chooseMtime(parsed)
    if (!canUseXattrs())
      warn(
        'xattrs are left out: the native part is not built (run scripts/build-shim)',
      )
    await withRepository(context.global, async repository => {
      const line = new ProgressLine()
      const committed = await commitDirectory(repository, request, {
        mtime,
        allowChanging: parsed.flag('allow-changing'),
        oneFileSystem: parsed.flag('one-file-system'),
        ignoreStatCache: parsed.flag('no-cache'),
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
      if (context.global.json) printJson(describe(committed, branch))
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

const parseMetadata = (parsed: Parsed): Map<string, string> => {
  const metadata = new Map<string, string>()
  for (const pair of parsed.texts('meta')) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw usageError(`--meta ${pair} is not KEY=VALUE`, usage)
    metadata.set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  const version = parsed.text('version')
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

const parseTimestamp = (parsed: Parsed): number | undefined => {
  const text = parsed.string('timestamp')
  return text === undefined
    ? sourceDateEpoch()
    : parseEpoch(text, '--timestamp')
}

const chooseMtime = (parsed: Parsed): MtimePolicy => {
  const text = parsed.string('mtime')
  if (text !== undefined) return parseMtimePolicy(text)
  const epochSec = sourceDateEpoch()
  return epochSec === undefined
    ? { kind: 'exact' }
    : { kind: 'clamp', epochSec }
}
