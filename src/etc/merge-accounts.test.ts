/** Accounts as one database: what pwck(8) and grpck(8) say of any merge, and case by case. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ACCOUNT_FILES, rangeOf } from './account-files.ts'
import type { AccountFile } from './account-files.ts'
import { mergeAccounts } from './merge-accounts.ts'
import type { Contents, Sysusers } from './merge-accounts.ts'

interface User {
  readonly uid: number
  readonly gid: number
  readonly shell?: string
  readonly password?: string
  readonly range?: number
}

interface Group {
  readonly gid: number
  readonly members?: readonly string[]
}

/** One side: the six files follow from it, so they agree with each other. */
interface Accounts {
  readonly users: Readonly<Record<string, User>>
  readonly groups: Readonly<Record<string, Group>>
}

const lines = (all: readonly string[]) => all.map(l => `${l}\n`).join('')

const filesOf = ({ users, groups }: Accounts): Record<AccountFile, string> => {
  const ranges = lines(
    Object.entries(users).flatMap(([name, { range }]) =>
      range === undefined ? [] : [`${name}:${range}:100`],
    ),
  )
  const of = (write: (name: string, user: User) => string) =>
    lines(Object.entries(users).map(([name, user]) => write(name, user)))
  const ofGroups = (
    write: (name: string, members: string, gid: number) => string,
  ) =>
    lines(
      Object.entries(groups).map(([name, { gid, members = [] }]) =>
        write(name, members.join(','), gid),
      ),
    )
  return {
    passwd: of(
      (name, { uid, gid, shell = '/bin/sh' }) =>
        `${name}:x:${uid}:${gid}::/:${shell}`,
    ),
    shadow: of(
      (name, { password = '!*' }) => `${name}:${password}:19000::::::`,
    ),
    group: ofGroups((name, members, gid) => `${name}:x:${gid}:${members}`),
    gshadow: ofGroups((name, members) => `${name}:!::${members}`),
    subuid: ranges,
    subgid: ranges,
  }
}

const NONE: Sysusers = { base: '', theirs: '' }

const merge = (
  base: Accounts,
  mine: Accounts,
  theirs: Accounts,
  {
    fixed = [],
    ...sysusers
  }: Sysusers & { readonly fixed?: readonly AccountFile[] } = NONE,
) => {
  const [b, m, th] = [base, mine, theirs].map(filesOf) as [
    Record<AccountFile, string>,
    Record<AccountFile, string>,
    Record<AccountFile, string>,
  ]
  const contents = new Map<AccountFile, Contents>(
    ACCOUNT_FILES.map(file => [
      file,
      { base: b[file], mine: m[file], theirs: th[file] },
    ]),
  )
  const { texts, reasons } = mergeAccounts(contents, sysusers, new Set(fixed))
  return {
    ...(Object.fromEntries(texts) as Record<AccountFile, string>),
    reasons: Object.fromEntries(reasons),
  }
}

const root = { uid: 0, gid: 0 }
const base: Accounts = { users: { root }, groups: { root: { gid: 0 } } }

const having = (
  from: Accounts,
  users: Accounts['users'],
  groups: Accounts['groups'] = {},
): Accounts => ({
  users: { ...from.users, ...users },
  groups: { ...from.groups, ...groups },
})

const alice = having(
  base,
  { alice: { uid: 1000, gid: 1000, password: 'secret', range: 100_000 } },
  { alice: { gid: 1000 }, docker: { gid: 998, members: ['alice'] } },
)

t.test('a new user is in no group of mine, and the rest comes in', async t => {
  const theirs = having(
    base,
    { newsvc: { uid: 997, gid: 998 }, other: { uid: 550, gid: 550 } },
    { newsvc: { gid: 998 }, other: { gid: 550 } },
  )
  const result = merge(base, alice, theirs)
  for (const file of ['passwd', 'shadow', 'group', 'gshadow'] as const) {
    t.notMatch(result[file], /newsvc/)
    t.match(result[file], /^other:/m)
    t.match(result[file], /^alice:/m)
  }
  t.same(result.reasons, {
    group: ['newsvc would have the number 998 of docker'],
    passwd: ['newsvc would be in the group docker'],
  })
})

t.test('no number twice, and no range of mine under another', async t => {
  const theirs = having(
    base,
    {
      svc: { uid: 1000, gid: 50 },
      box: { uid: 60, gid: 60, range: 100_050 },
      far: { uid: 61, gid: 61, range: 200_000 },
    },
    { svc: { gid: 50 }, box: { gid: 60 }, far: { gid: 61 } },
  )
  const result = merge(base, alice, theirs)
  t.notMatch(result.passwd, /^svc:/m)
  t.notMatch(result.shadow, /^svc:/m)
  t.match(result.passwd, /^box:/m)
  t.equal(result.subuid, 'alice:100000:100\nfar:200000:100\n')
  t.equal(result.subgid, result.subuid)
  t.match(result.reasons, {
    passwd: ['svc would have the number 1000 of alice'],
    subuid: ['the range of box would overlap with that of alice'],
  })
})

t.test('an account is merged in all of its files or in none', async t => {
  const svc = { uid: 50, gid: 50 }
  const before = having(base, { svc }, { svc: { gid: 50 } })
  // Theirs drops it, I gave it a password: it stays, in passwd too.
  const mine = having(before, { svc: { ...svc, password: 'mine' } })
  const kept = merge(before, mine, base)
  t.match(kept.passwd, /^svc:x:50:50/m)
  t.match(kept.shadow, /^svc:mine:/m)
  t.match(kept.group, /^svc:/m, 'its group stays with it')
  t.same(kept.reasons, { shadow: ['both changed svc'] })
  // I am a member of a group that goes.
  const member = having(before, {}, { root: { gid: 0, members: ['svc'] } })
  t.match(merge(before, member, base).passwd, /^svc:/m)
  // Nobody needs it.
  t.notMatch(merge(before, having(before, {}), base).passwd, /svc/)
})

t.test('nobody of theirs comes into a group that I made', async t => {
  const mine = having(base, {}, { admins: { gid: 70 } })
  const theirs = having(
    base,
    { svc: { uid: 71, gid: 71 } },
    { admins: { gid: 70, members: ['svc'] }, svc: { gid: 71 } },
  )
  const result = merge(base, mine, theirs)
  t.match(result.group, /^admins:x:70:$/m)
  t.match(result.passwd, /^svc:/m)
  t.match(result.reasons, { group: ['both added admins'] })
})

t.test('members who are left out are in no list', async t => {
  const theirs = having(
    base,
    { svc: { uid: 1000, gid: 0 } },
    { root: { gid: 0, members: ['svc'] } },
  )
  t.match(merge(base, alice, theirs).group, /^root:x:0:$/m)
})

t.test(
  'what sysusers.d declares keeps its number, and asks for one',
  async t => {
    const before = having(
      base,
      { svc: { uid: 50, gid: 50 } },
      { svc: { gid: 50 } },
    )
    const mine = having(before, alice.users, alice.groups)
    const moved = merge(before, mine, base, {
      base: '',
      theirs: 'u svc - "Service"',
    })
    t.match(moved.passwd, /^svc:x:50:50/m)
    t.match(moved.group, /^svc:x:50/m)
    t.same(moved.reasons, {})
    const asks = { base: '', theirs: 'u new 1000\ng more 998\nu alice 1000\n' }
    t.same(merge(base, alice, having(base, {}), asks).reasons, {
      passwd: ['new is to have the number 1000 of alice'],
      group: [
        'new is to have the number 1000 of alice',
        'more is to have the number 998 of docker',
      ],
    })
  },
)

t.test(
  'a file that stays as it is holds the accounts in the others',
  async t => {
    const theirs = having(
      base,
      { svc: { uid: 50, gid: 50 } },
      { svc: { gid: 50 } },
    )
    const result = merge(base, alice, theirs, { ...NONE, fixed: ['shadow'] })
    t.notMatch(result.passwd, /svc/)
    t.match(result.group, /svc/)
  },
)

const randomOf = (seed: number) => (n: number) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * n)
}

type Random = (n: number) => number

/** A number that none of `all` has. */
const free = <T>(
  random: Random,
  all: readonly T[],
  numberOf: (one: T) => number,
): number => {
  const taken = new Set(all.map(numberOf))
  for (;;) {
    const number = 1 + random(24)
    if (!taken.has(number)) return number
  }
}

/** A side with some accounts more, fewer or otherwise, which is sound itself. */
const changed = (random: Random, { users, groups }: Accounts): Accounts => {
  const u: Record<string, User> = { ...users }
  const g: Record<string, Group> = { ...groups }
  const freeUid = () => free(random, Object.values(u), ({ uid }) => uid)
  const freeGid = () => free(random, Object.values(g), ({ gid }) => gid)
  const some = (names: readonly string[]) =>
    names[random(names.length)] as string
  for (let i = random(7); i > 0; i--) {
    const name = `n${random(8)}`
    switch (random(6)) {
      case 0:
        if (u[name] !== undefined) break
        g[name] ??= { gid: freeGid() }
        u[name] = { uid: freeUid(), gid: g[name].gid }
        break
      case 1:
        g[name] ??= { gid: freeGid() }
        break
      case 2: {
        if (u[name] === undefined) break
        delete u[name]
        for (const [group, { gid, members = [] }] of Object.entries(g))
          g[group] = { gid, members: members.filter(one => one !== name) }
        break
      }
      case 3: {
        const isUsed = Object.values(u).some(({ gid }) => gid === g[name]?.gid)
        if (!isUsed) delete g[name]
        break
      }
      case 4: {
        const group = some(Object.keys(g))
        const { gid, members = [] } = g[group] as Group
        const member = some(Object.keys(u))
        if (!members.includes(member))
          g[group] = { gid, members: [...members, member] }
        break
      }
      case 5: {
        const user = some(Object.keys(u))
        const taken = new Set(Object.values(u).map(({ range }) => range))
        const range = 100_000 + 100 * random(12)
        u[user] = {
          ...(u[user] as User),
          shell: `/bin/${random(3)}`,
          password: `p${random(3)}`,
          ...(taken.has(range) ? {} : { range }),
        }
      }
    }
  }
  return { users: u, groups: g }
}

/** Complaints of pwck and grpck about the files in `directory`. */
const complaints = (directory: string): string =>
  [
    ['pwck', '-q', '-r', '-R', directory],
    ['grpck', '-r', '-R', directory],
  ]
    .map(([program = '', ...args]) => {
      const { status, stdout, error } = spawnSync(program, args, {
        encoding: 'utf8',
        env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
      })
      if (error !== undefined) throw error
      return status === 0 ? '' : `${program} ${status}: ${stdout}`
    })
    .join('')

const fieldsIn = (text: string): string[][] =>
  text
    .split('\n')
    .filter(Boolean)
    .map(line => line.split(':'))

const byName = (text: string, field: number) =>
  new Map(fieldsIn(text).map(fields => [fields[0] as string, fields[field]]))

t.test(
  'random changes: pwck and grpck have nothing to say, and nobody moves',
  { skip: process.geteuid?.() !== 0 && 'pwck reads shadow files as root' },
  async t => {
    const rounds = Number(process.env['ACCOUNT_ROUNDS'] ?? '150')
    const directory = mkdtempSync(join(tmpdir(), 'dendro-accounts-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    mkdirSync(join(directory, 'etc'))
    let [merged, left] = [0, 0]
    for (let seed = 1; seed <= rounds; seed++) {
      const random = randomOf(seed)
      const before = changed(random, base)
      const [mine, theirs] = [changed(random, before), changed(random, before)]
      const result = merge(before, mine, theirs)
      for (const file of ACCOUNT_FILES)
        writeFileSync(join(directory, 'etc', file), result[file])
      const where = () =>
        `seed ${seed}: ${JSON.stringify({ before, mine, theirs, result }, undefined, 1)}`
      const said = complaints(directory)
      if (said !== '') t.fail(`${said}\n${where()}`)
      checkNumbers(t, result, [mine, theirs].map(filesOf), where)
      merged += Object.keys(result.reasons).length === 0 ? 1 : 0
      left += Object.keys(result.reasons).length > 0 ? 1 : 0
    }
    t.ok(merged > rounds / 20, `${merged} merged whole`)
    t.ok(left > rounds / 20, `${left} with something left out`)
  },
)

const checkNumbers = (
  t: { fail(message: string): unknown },
  result: Record<AccountFile, string>,
  sides: readonly Record<AccountFile, string>[],
  where: () => string,
): void => {
  const fail = (what: string) => t.fail(`${what}\n${where()}`)
  for (const file of ['passwd', 'group'] as const) {
    const numbers = fieldsIn(result[file]).map(fields => fields[2])
    if (new Set(numbers).size < numbers.length)
      fail(`a number twice in ${file}`)
  }
  const groupOfUser = (files: Record<AccountFile, string>, name: string) => {
    const gid = byName(files.passwd, 3).get(name)
    return fieldsIn(files.group).find(fields => fields[2] === gid)?.[0]
  }
  for (const [name] of byName(result.passwd, 0)) {
    const group = groupOfUser(result, name)
    if (!sides.some(side => groupOfUser(side, name) === group))
      fail(`${name} is in ${group}`)
    if (!byName(result.shadow, 0).has(name)) fail(`${name} lacks shadow`)
  }
  for (const file of ['subuid', 'subgid'] as const) {
    const ranges = result[file].split('\n').filter(Boolean).map(rangeOf)
    ranges.sort((a, b) => (a?.begin ?? 0) - (b?.begin ?? 0))
    for (const [i, range] of ranges.entries())
      if ((ranges[i - 1]?.end ?? 0) > (range?.begin ?? 0))
        fail(`ranges of ${file}`)
  }
}
