/**
 * The files of the account database, and what stands in their lines. Pure.
 *
 * Sources: passwd(5), shadow(5), group(5), gshadow(5), subuid(5), subgid(5).
 */

export const ACCOUNT_FILES = [
  'passwd',
  'shadow',
  'group',
  'gshadow',
  'subuid',
  'subgid',
] as const

export type AccountFile = (typeof ACCOUNT_FILES)[number]

/** What a line is about: ranges stand for themselves, so that one may go alone. */
export type EntityKind = 'user' | 'group' | 'uid range' | 'gid range'

export const KIND_OF: Readonly<Record<AccountFile, EntityKind>> = {
  passwd: 'user',
  shadow: 'user',
  group: 'group',
  gshadow: 'group',
  subuid: 'uid range',
  subgid: 'gid range',
}

export const fieldsOf = (line: string): string[] =>
  line.replace(/\n$/, '').split(':')

/** Names in a field that lists some. */
export const namesIn = (field: string | undefined): string[] =>
  (field ?? '').split(',').filter(name => name !== '')

export interface UserLine {
  readonly name: string
  readonly uid: string
  readonly gid: string
}

export const userOf = (line: string): UserLine => {
  const [name = '', , uid = '', gid = ''] = fieldsOf(line)
  return { name, uid, gid }
}

export interface GroupLine {
  readonly name: string
  readonly gid: string
  readonly members: readonly string[]
}

export const groupOf = (line: string): GroupLine => {
  const [name = '', , gid = '', members] = fieldsOf(line)
  return { name, gid, members: namesIn(members) }
}

/** Lines that bring in accounts from elsewhere (NIS): no account of their own. */
export const isReference = (name: string): boolean => /^[+-]/.test(name)

/** A line of subuid or subgid: numbers from `begin` to before `end`. */
export interface NumberRange {
  readonly begin: number
  readonly end: number
}

export const rangeOf = (line: string): NumberRange | undefined => {
  const [, begin, count] = fieldsOf(line).map(Number)
  return Number.isSafeInteger(begin) && Number.isSafeInteger(count)
    ? { begin: begin as number, end: (begin as number) + (count as number) }
    : undefined
}

/** The number in a line of sysusers.d(5) and the name that is to have it. */
export interface Declared {
  readonly users: ReadonlyMap<string, string | undefined>
  readonly groups: ReadonlyMap<string, string | undefined>
}

/** Reads the lines of all sysusers.d files: fixed numbers by name. */
export const parseSysusers = (text: string): Declared => {
  const users = new Map<string, string | undefined>()
  const groups = new Map<string, string | undefined>()
  for (const line of text.split('\n')) {
    const [type = '', name = '', id = '-'] = line.trim().split(/\s+/)
    if (!/^[ug]!?$/.test(type) || name.includes('%')) continue
    const [first = '', second = first] = id.split(':')
    const number = (field: string) => (/^\d+$/.test(field) ? field : undefined)
    if (type.startsWith('u')) users.set(name, number(first))
    groups.set(name, number(type.startsWith('u') ? second : first))
  }
  return { users, groups }
}
