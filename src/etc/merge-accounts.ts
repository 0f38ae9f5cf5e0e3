/**
 * The account files merged as the one database that they are. Pure.
 *
 * Each account is merged over all its files, or stays as I have it in all of
 * them: nobody is in passwd without a line in shadow, has another's number or
 * is in another's group because a line merged in one file and not in the next.
 * docs/etc-merge.md
 */

import {
  ACCOUNT_FILES,
  fieldsOf,
  groupOf,
  isReference,
  KIND_OF,
  namesIn,
  parseSysusers,
  rangeOf,
  userOf,
} from './account-files.ts'
import type { AccountFile, EntityKind } from './account-files.ts'
import { violationsOf } from './account-rules.ts'
import type { AccountState, Judged, JudgedRange } from './account-rules.ts'
import { preferText, RecordMerge, shown } from './merge-records.ts'
import type { Record3 } from './merge-records.ts'
import { mergeText } from './merge-text.ts'
import { accountFormat } from './record-formats.ts'

/** The contents of one file; undefined where a side has none. */
export interface Contents {
  readonly base: string | undefined
  readonly mine: string | undefined
  readonly theirs: string | undefined
}

/** All lines of the sysusers.d files of both versions. */
export interface Sysusers {
  readonly base: string
  readonly theirs: string
}

export interface MergedAccounts {
  readonly texts: ReadonlyMap<AccountFile, string>
  /** Why something of theirs is left out, by the file where one looks for it. */
  readonly reasons: ReadonlyMap<AccountFile, readonly string[]>
}

/** `fixed` are files that stay as I have them. */
export const mergeAccounts = (
  contents: ReadonlyMap<AccountFile, Contents>,
  sysusers: Sysusers,
  fixed: ReadonlySet<AccountFile>,
): MergedAccounts => new AccountMerge(contents, sysusers, fixed).run()

/** The file in which one looks for an account first. */
const FIRST_FILE: Readonly<Record<EntityKind, AccountFile>> = {
  user: 'passwd',
  group: 'group',
  'uid range': 'subuid',
  'gid range': 'subgid',
}

class AccountMerge {
  readonly #contents: ReadonlyMap<AccountFile, Contents>
  readonly #sysusers: Sysusers
  readonly #fixed: ReadonlySet<AccountFile>
  readonly #merges = new Map<AccountFile, RecordMerge>()
  readonly #decided = new Map<AccountFile, Map<string, Record3 | undefined>>()
  /** Accounts that stay as mine has them, by kind and name. */
  readonly #kept = new Set<string>()
  readonly #reasons = new Map<AccountFile, string[]>()

  constructor(
    contents: ReadonlyMap<AccountFile, Contents>,
    sysusers: Sysusers,
    fixed: ReadonlySet<AccountFile>,
  ) {
    this.#contents = contents
    this.#sysusers = sysusers
    this.#fixed = fixed
    for (const [file, { base, mine, theirs }] of contents) {
      const format = accountFormat(file)
      const sides = [base ?? '', mine ?? '', theirs ?? base ?? ''] as const
      this.#merges.set(file, new RecordMerge(format, ...sides))
    }
  }

  run(): MergedAccounts {
    for (const file of this.#merges.keys()) this.#decideAll(file)
    this.#keepDeclared()
    while (this.#keepViolating()) continue
    this.#tellOfDeclared()
    const texts = new Map<AccountFile, string>()
    for (const file of this.#merges.keys()) texts.set(file, this.#write(file))
    return { texts: completed(texts), reasons: this.#reasons }
  }

  #decideAll(file: AccountFile): void {
    const merge = this.#merges.get(file) as RecordMerge
    const decided = new Map<string, Record3 | undefined>()
    for (const key of merge.keys()) {
      const mine = merge.mine(key)
      const record = merge.decide(key)
      const isAddedTwice =
        merge.base(key) === undefined &&
        mine !== undefined &&
        merge.theirs(key) !== undefined &&
        record !== mine
      if (record === 'overlap' || isAddedTwice) {
        const what = isAddedTwice ? 'added' : 'changed'
        this.#keep(
          KIND_OF[file],
          shown(key),
          file,
          `both ${what} ${shown(key)}`,
        )
      } else if (this.#fixed.has(file) && record?.text !== mine?.text)
        this.#keep(KIND_OF[file], shown(key), file, undefined)
      decided.set(key, record === 'overlap' ? mine : record)
    }
    this.#decided.set(file, decided)
  }

  /** Whether it was not kept before. */
  #keep(
    kind: EntityKind,
    name: string,
    file: AccountFile,
    reason: string | undefined,
  ): boolean {
    const entity = `${kind} ${name}`
    if (this.#kept.has(entity)) return false
    this.#kept.add(entity)
    if (reason !== undefined) this.#tell(file, reason)
    return true
  }

  #tell(file: AccountFile, reason: string): void {
    const known = this.#reasons.get(file)
    if (known === undefined) this.#reasons.set(file, [reason])
    else if (!known.includes(reason)) known.push(reason)
  }

  /** What is declared by sysusers.d now keeps the number that it has. */
  #keepDeclared(): void {
    const { users, groups } = parseSysusers(this.#sysusers.theirs)
    for (const name of users.keys())
      if (this.#isGone('passwd', name))
        this.#keep('user', name, 'passwd', undefined)
    for (const name of groups.keys())
      if (this.#isGone('group', name))
        this.#keep('group', name, 'group', undefined)
  }

  #isGone(file: AccountFile, name: string): boolean {
    return (
      this.#merges.get(file)?.mine(name) !== undefined &&
      this.#record(file, name) === undefined
    )
  }

  #keepViolating(): boolean {
    let isAny = false
    for (const { kind, name, reason } of violationsOf(this.#state()))
      if (this.#keep(kind, name, FIRST_FILE[kind], reason)) isAny = true
    return isAny
  }

  /** What stands in a file for a key, as far as it is known now. */
  #record(file: AccountFile, key: string): Record3 | undefined {
    return this.#kept.has(`${KIND_OF[file]} ${shown(key)}`)
      ? this.#merges.get(file)?.mine(key)
      : this.#decided.get(file)?.get(key)
  }

  #state(): AccountState {
    return {
      users: this.#judged('passwd', userOf),
      groups: this.#judged('group', groupOf),
      ranges: {
        'uid range': this.#ranges('subuid'),
        'gid range': this.#ranges('subgid'),
      },
    }
  }

  #judged<T>(file: AccountFile, read: (line: string) => T): Judged<T>[] {
    const merge = this.#merges.get(file)
    const line = (record: Record3 | undefined) =>
      record === undefined ? undefined : read(record.text)
    return [...(merge?.keys() ?? [])].map(key => ({
      name: shown(key),
      now: line(this.#record(file, key)),
      mine: line(merge?.mine(key)),
      theirs: line(merge?.theirs(key)),
    }))
  }

  #ranges(file: AccountFile): JudgedRange[] {
    const merge = this.#merges.get(file)
    return [...(merge?.keys() ?? [])].flatMap(key => {
      const record = this.#record(file, key)
      if (record === undefined) return []
      const isForeign = record.text !== merge?.mine(key)?.text
      return [{ owner: shown(key), range: rangeOf(record.text), isForeign }]
    })
  }

  /** A number that a new declaration asks for and another name has here. */
  #tellOfDeclared(): void {
    const before = parseSysusers(this.#sysusers.base)
    const after = parseSysusers(this.#sysusers.theirs)
    const { users, groups } = this.#state()
    const tell = (
      file: AccountFile,
      all: readonly { name: string; number: string | undefined }[],
      asked: ReadonlyMap<string, string | undefined>,
      old: ReadonlyMap<string, string | undefined>,
    ): void => {
      const names = new Set(all.map(({ name }) => name))
      for (const [name, number] of asked) {
        if (number === undefined || names.has(name)) continue
        if (old.get(name) === number) continue
        const other = all.find(one => one.number === number)
        if (other === undefined) continue
        const reason = `${name} is to have the number ${number} of ${other.name}`
        this.#tell(file, reason)
      }
    }
    const present = <T>(
      all: readonly Judged<T>[],
      number: (line: T) => string,
    ) =>
      all.flatMap(({ name, now }) =>
        now === undefined ? [] : [{ name, number: number(now) }],
      )
    tell(
      'passwd',
      present(users, u => u.uid),
      after.users,
      before.users,
    )
    tell(
      'group',
      present(groups, g => g.gid),
      after.groups,
      before.groups,
    )
  }

  #write(file: AccountFile): string {
    const merge = this.#merges.get(file) as RecordMerge
    const result = new Map<string, Record3>()
    for (const key of merge.keys()) {
      const record = this.#record(file, key)
      if (record === undefined) continue
      const mine = merge.mine(key)?.text
      const text =
        KIND_OF[file] === 'group' && record.text !== mine
          ? this.#withoutStrangers(record.text, mine)
          : record.text
      result.set(key, { ...record, text })
    }
    const {
      base = '',
      mine = '',
      theirs = base,
    } = this.#contents.get(file) ?? {}
    const text = merge.write(result)
    const byLine = mergeText(base, mine, theirs)
    return preferText(accountFormat(file), text, byLine)
  }

  /** Members who are nobody here go, unless I have them in the group. */
  #withoutStrangers(line: string, mine: string | undefined): string {
    const fields = fieldsOf(line)
    const own = fieldsOf(mine ?? '')
    const known = (name: string) => this.#record('passwd', name) !== undefined
    // Both files end with the members; gshadow has administrators before.
    return `${fields
      .map((field, i) =>
        i < 2 || (i === 2 && /^\d*$/.test(field))
          ? field
          : namesIn(field)
              .filter(name => known(name) || namesIn(own[i]).includes(name))
              .join(','),
      )
      .join(':')}\n`
  }
}

/** Shadow lines for who has none: locked, as useradd(8) leaves them. */
const completed = (
  texts: ReadonlyMap<AccountFile, string>,
): ReadonlyMap<AccountFile, string> => {
  const all = new Map(texts)
  const add = (
    from: AccountFile,
    to: AccountFile,
    line: (fields: readonly string[]) => string,
  ): void => {
    const target = all.get(to)
    if (target === undefined || target === '') return
    const known = new Set(linesOf(target).map(one => fieldsOf(one)[0]))
    const missing = linesOf(all.get(from) ?? '')
      .map(fieldsOf)
      .filter(([name = '', password]) => password === 'x' && !known.has(name))
    if (missing.length === 0) return
    const end = target.endsWith('\n') ? '' : '\n'
    all.set(to, target + end + missing.map(line).join(''))
  }
  add('passwd', 'shadow', ([name]) => `${name}:!*:::::::\n`)
  add('group', 'gshadow', ([name, , , members]) => `${name}:!::${members}\n`)
  return all
}

const linesOf = (text: string): string[] =>
  text.split('\n').filter(line => {
    const isComment = line.trim() === '' || line.startsWith('#')
    return !isComment && !isReference(line)
  })

export const isAccountFile = (path: string): path is AccountFile =>
  (ACCOUNT_FILES as readonly string[]).includes(path)
