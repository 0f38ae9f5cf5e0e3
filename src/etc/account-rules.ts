/**
 * What must hold over all account files together, and which accounts of theirs
 * break it. Pure. Only what comes from theirs is judged: what I have, I have.
 */

import { isReference } from './account-files.ts'
import type {
  EntityKind,
  GroupLine,
  NumberRange,
  UserLine,
} from './account-files.ts'

/** A line of the result, and what mine and theirs have for the same name. */
export interface Judged<T> {
  readonly name: string
  readonly now: T | undefined
  readonly mine: T | undefined
  readonly theirs: T | undefined
}

export interface JudgedRange {
  readonly owner: string
  readonly range: NumberRange | undefined
  /** Whether the line is not as mine has it. */
  readonly isForeign: boolean
}

export interface AccountState {
  readonly users: readonly Judged<UserLine>[]
  readonly groups: readonly Judged<GroupLine>[]
  readonly ranges: Readonly<
    Record<'uid range' | 'gid range', readonly JudgedRange[]>
  >
}

/** An account that stays as mine has it; without a reason nobody is told. */
export interface Violation {
  readonly kind: EntityKind
  readonly name: string
  readonly reason: string | undefined
}

export const violationsOf = (state: AccountState): Violation[] => [
  ...takenNumbers('user', state.users, user => user.uid),
  ...takenNumbers('group', state.groups, group => group.gid),
  ...strangersInGroups(state),
  ...missedGroups(state),
  ...missedMembers(state),
  ...overlappingRanges(state, 'uid range'),
  ...overlappingRanges(state, 'gid range'),
]

type Side = 'now' | 'mine' | 'theirs'

/** Names by number on one side. */
const byNumber = <T>(
  all: readonly Judged<T>[],
  side: Side,
  numberOf: (line: T) => string,
): Map<string, string[]> => {
  const names = new Map<string, string[]>()
  for (const judged of all) {
    const line = judged[side]
    if (line === undefined || isReference(judged.name)) continue
    const known = names.get(numberOf(line))
    if (known === undefined) names.set(numberOf(line), [judged.name])
    else known.push(judged.name)
  }
  return names
}

/** A number that is new to a name is nobody else's, unless theirs has it so. */
const takenNumbers = <T>(
  kind: EntityKind,
  all: readonly Judged<T>[],
  numberOf: (line: T) => string,
): Violation[] => {
  const here = byNumber(all, 'now', numberOf)
  const there = byNumber(all, 'theirs', numberOf)
  return all.flatMap(({ name, now, mine }): Violation[] => {
    if (now === undefined || isReference(name)) return []
    const number = numberOf(now)
    if (mine !== undefined && numberOf(mine) === number) return []
    const shared = new Set(there.get(number))
    const other = here
      .get(number)
      ?.find(one => one !== name && !shared.has(one))
    if (other === undefined) return []
    const reason = `${name} would have the number ${number} of ${other}`
    return [{ kind, name, reason }]
  })
}

/** Whose primary group is new is in the group that theirs gives the number to. */
const strangersInGroups = ({ users, groups }: AccountState): Violation[] => {
  const here = byNumber(groups, 'now', group => group.gid)
  const there = byNumber(groups, 'theirs', group => group.gid)
  return users.flatMap(({ name, now, mine }): Violation[] => {
    if (now === undefined || isReference(name)) return []
    if (mine?.gid === now.gid) return []
    const meant = there.get(now.gid) ?? []
    const found = here.get(now.gid) ?? []
    const stranger = found.find(group => !meant.includes(group))
    if (stranger !== undefined) {
      const reason = `${name} would be in the group ${stranger}`
      return [{ kind: 'user', name, reason }]
    }
    if (found.length > 0 || meant.length === 0) return []
    const reason = `${name} would lack its group ${meant[0] ?? ''}`
    return [{ kind: 'user', name, reason }]
  })
}

/** A group does not come, go or change under users of mine. */
const missedGroups = ({ users, groups }: AccountState): Violation[] => {
  const here = byNumber(groups, 'now', group => group.gid)
  const mine = byNumber(groups, 'mine', group => group.gid)
  const violations: Violation[] = []
  const keep = (name: string, reason?: string) =>
    violations.push({ kind: 'group', name, reason })
  for (const user of users) {
    const { now } = user
    if (now === undefined || isReference(user.name)) continue
    if (user.mine?.gid !== now.gid) continue
    const before = mine.get(now.gid) ?? []
    const after = here.get(now.gid) ?? []
    // Theirs has it so.
    const isTheirs = user.theirs?.gid === now.gid
    if (!isTheirs)
      for (const group of after)
        if (!before.includes(group))
          keep(group, `${user.name} would be in the group ${group}`)
    if (after.length === 0) for (const group of before) keep(group)
  }
  return violations
}

/** Who is a member of a group by my doing stays. */
const missedMembers = ({ users, groups }: AccountState): Violation[] => {
  const gone = new Set(
    users.filter(user => user.now === undefined).map(({ name }) => name),
  )
  return groups.flatMap(({ now, theirs }) =>
    (now?.members ?? [])
      .filter(name => gone.has(name) && theirs?.members.includes(name) !== true)
      .map((name): Violation => ({ kind: 'user', name, reason: undefined })),
  )
}

const overlappingRanges = (
  { users, ranges }: AccountState,
  kind: 'uid range' | 'gid range',
): Violation[] => {
  const gone = new Set(
    users
      .filter(({ now, theirs }) => now === undefined && theirs !== undefined)
      .map(({ name }) => name),
  )
  const orphans = ranges[kind]
    .filter(({ owner, isForeign }) => isForeign && gone.has(owner))
    .map(({ owner }): Violation => ({ kind, name: owner, reason: undefined }))
  return [...orphans, ...overlapsIn(ranges[kind], kind)]
}

/** In the order of where they begin, so that one look at each is enough. */
const overlapsIn = (
  ranges: readonly JudgedRange[],
  kind: EntityKind,
): Violation[] => {
  const sorted = ranges
    .flatMap(one => (one.range === undefined ? [] : [{ ...one, ...one.range }]))
    .sort((a, b) => a.begin - b.begin || a.end - b.end)
  const violations: Violation[] = []
  const refuse = (name: string, other: string) =>
    violations.push({
      kind,
      name,
      reason: `the range of ${name} would overlap with that of ${other}`,
    })
  let reach: (typeof sorted)[number] | undefined
  let foreign: (typeof sorted)[number] | undefined
  for (const one of sorted) {
    if (reach !== undefined && one.begin < reach.end && one.isForeign)
      refuse(one.owner, reach.owner)
    if (foreign !== undefined && one.begin < foreign.end && !one.isForeign)
      refuse(foreign.owner, one.owner)
    if (reach === undefined || one.end > reach.end) reach = one
    if (one.isForeign && (foreign === undefined || one.end > foreign.end))
      foreign = one
  }
  return violations
}
