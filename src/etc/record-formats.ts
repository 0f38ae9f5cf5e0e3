/**
 * The formats under /etc whose records have keys, by path. Pure.
 *
 * Sources: passwd(5), group(5), shadow(5), gshadow(5), subuid(5), hosts(5),
 * fstab(5), services(5), systemd.syntax(7).
 */

import type { AccountFile } from './account-files.ts'
import { checkAccounts } from './check-accounts.ts'
import { lineFormat } from './merge-records.ts'
import type { Record3, RecordFormat } from './merge-records.ts'
import { splitLines } from './merge-text.ts'

const words = (line: string): string[] => line.split(/\s+/)

/** One value that both sides may have changed; null where they overlap. */
const mergeValue = (
  base: string | undefined,
  mine: string,
  theirs: string,
): string | null =>
  mine === theirs || theirs === base ? mine : mine === base ? theirs : null

/** Comma-separated names as a set: what either side added or took away. */
const mergeSet = (base: string, mine: string, theirs: string): string => {
  const names = (text: string) => text.split(',').filter(name => name !== '')
  const before = new Set(names(base))
  const there = new Set(names(theirs))
  const here = new Set(names(mine))
  const kept = names(mine).filter(name => there.has(name) || !before.has(name))
  const added = names(theirs).filter(
    name => !before.has(name) && !here.has(name),
  )
  return [...kept, ...added].join(',')
}

/** Merges lines of `:`-separated fields, field by field. */
const mergeFields =
  (sets: readonly number[]) =>
  (base: string | undefined, mine: string, theirs: string) => {
    const split = (line: string) => line.replace(/\n$/, '').split(':')
    const b = base === undefined ? [] : split(base)
    const m = split(mine)
    const t = split(theirs)
    if (m.length !== t.length) return undefined
    const merged = m.map((value, i) =>
      sets.includes(i)
        ? mergeSet(b[i] ?? '', value, t[i] as string)
        : mergeValue(b[i], value, t[i] as string),
    )
    return merged.includes(null) ? undefined : `${merged.join(':')}\n`
  }

const account = (
  name: 'passwd' | 'group' | 'shadow' | 'gshadow',
  sets: readonly number[],
): RecordFormat =>
  lineFormat(name, line => line.split(':')[0], {
    mergeRecord: mergeFields(sets),
    // Nobody may be locked out by what a vendor thinks of root.
    isAlwaysMine: key => key === 'root',
    check: (merged, mine, theirs) => checkAccounts(name, merged, mine, theirs),
  })

const ranges = (name: string) => lineFormat(name, line => line.split(':')[0])

const hosts = lineFormat('hosts', line => words(line).slice(0, 2).join(' '))

const fstab = lineFormat('fstab', line => {
  const [device, mountpoint] = words(line)
  return mountpoint === undefined || !mountpoint.startsWith('/')
    ? device
    : mountpoint
})

const services = lineFormat('services', line =>
  words(line).slice(0, 2).join(' '),
)

/** Sections in brackets with keys; a line that is indented goes on the one above. */
const keyfile: RecordFormat = {
  name: 'keyfile',
  parse: text => {
    const records: Record3[] = []
    let section: string | undefined
    let isContinued = false
    for (const line of splitLines(text)) {
      const bare = line.trim()
      const last = records.at(-1)
      const isMore = isContinued || /^[ \t]+\S/.test(line)
      if (isMore && last?.key !== undefined && last.key !== section)
        records[records.length - 1] = { ...last, text: last.text + line }
      else if (/^\[.*\]$/.test(bare)) {
        section = bare
        records.push({ key: bare, text: line })
      } else if (bare === '' || /^[#;]/.test(bare))
        records.push({ key: undefined, text: line })
      else {
        const name = bare.split('=')[0]?.trim() ?? bare
        const key = `${section ?? ''}${name}`
        records.push({
          key,
          text: line,
          ...(section === undefined ? {} : { section }),
        })
      }
      isContinued = bare.endsWith('\\')
    }
    return records
  },
}

const ACCOUNTS: Readonly<Record<AccountFile, RecordFormat>> = {
  passwd: account('passwd', []),
  group: account('group', [3]),
  shadow: account('shadow', []),
  gshadow: account('gshadow', [2, 3]),
  subuid: ranges('subuid'),
  subgid: ranges('subgid'),
}

/** The format of a file of the account database. */
export const accountFormat = (file: AccountFile): RecordFormat => ACCOUNTS[file]

const BY_PATH: ReadonlyMap<string, RecordFormat> = new Map([
  ...Object.entries(ACCOUNTS),
  ['hosts', hosts],
  ['fstab', fstab],
  ['services', services],
])

const KEYFILE_NAMES =
  /\.(?:ini|desktop|service|socket|timer|mount|automount|swap|target|path|slice|network|netdev|link|nmconnection|keyfile|repo)$/
const KEYFILE_PLACES = /^(?:systemd|NetworkManager|dconf|pulse)\/.*\.conf$/

/** The format of a raw path relative to /etc; undefined for plain text. */
export const formatOf = (path: string): RecordFormat | undefined =>
  BY_PATH.get(path) ??
  (KEYFILE_NAMES.test(path) || KEYFILE_PLACES.test(path) ? keyfile : undefined)
