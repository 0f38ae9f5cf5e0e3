/** The rule of the merge, case by case. The table for people: docs/etc-merge.md */

import t from 'tap'
import { digestOfBytes } from './defaults.ts'
import { fileOf, isSameNode } from './etc-node.ts'
import type { EtcNode, Maybe } from './etc-node.ts'
import { OwnedPaths } from './owned.ts'
import { isInLayer, planMerge } from './plan.ts'
import type { Defaults, PlanItem } from './plan.ts'
import { parsePolicy } from './policy.ts'

const meta = { mode: 0o644, uid: 0, gid: 0, xattrs: [] }

const file = (text: string, more: Partial<typeof meta> = {}): EtcNode => {
  const bytes = Buffer.from(text)
  const like: EtcNode = { kind: 'fifo', ...meta, ...more }
  return fileOf(bytes, digestOfBytes(bytes), like)
}

type Tree = Readonly<Record<string, EtcNode>>

const defaults = (tree: Tree): Defaults => ({
  get: path => tree[path],
  names: path => {
    const below = path === '' ? '' : `${path}/`
    const inside = Object.keys(tree).filter(one => one.startsWith(below))
    const names = inside.map(one => one.slice(below.length).split('/')[0] ?? '')
    return [...new Set(names.filter(name => name !== ''))]
  },
})

const plan = (
  base: Tree,
  mine: Readonly<Record<string, Maybe>>,
  theirs: Tree,
  {
    policy = '',
    owned = [],
  }: { readonly policy?: string; readonly owned?: readonly string[] } = {},
): readonly PlanItem[] =>
  planMerge({
    changes: new Map(Object.entries(mine)),
    base: defaults(base),
    theirs: defaults(theirs),
    isSameBelow: path => {
      const below = (tree: Tree) =>
        Object.keys(tree).filter(name => name.startsWith(`${path}/`))
      const names = below(base)
      return (
        names.join() === below(theirs).join() &&
        names.every(name => isSameNode(base[name], theirs[name]))
      )
    },
    policy: parsePolicy(policy),
    owned: new OwnedPaths(owned),
    digestOf: digestOfBytes,
  }).items

const states: Readonly<Record<string, Maybe>> = {
  absent: undefined,
  a: file('a\0'),
  b: file('b\0'),
  c: file('c\0'),
  'a 0600': file('a\0', { mode: 0o600 }),
  'a owner': file('a\0', { uid: 7 }),
  directory: { kind: 'directory', ...meta, mode: 0o755 },
  'directory 0700': { kind: 'directory', ...meta, mode: 0o700 },
  link: { kind: 'symlink', ...meta, target: 'x' },
  'link y': { kind: 'symlink', ...meta, target: 'y' },
  device: { kind: 'char', ...meta, major: 1, minor: 3 },
}

const tree = (node: Maybe): Tree => (node === undefined ? {} : { p: node })

/** What stands at `p` afterwards, and whether it is a conflict. */
const outcome = (base: Maybe, mine: Maybe, theirs: Maybe): string => {
  const [item] = plan(tree(base), { p: mine }, tree(theirs))
  const result = item === undefined ? theirs : item.result
  const name =
    Object.entries(states).find(([, node]) => isSameNode(node, result))?.[0] ??
    'merged'
  return item?.conflict === undefined ? name : `${name}!`
}

t.test('27 cases of absent and two contents', async t => {
  // base, mine, theirs -> what stands there; ! is a conflict
  const rows = `
    absent absent absent -> absent
    absent absent a      -> a
    absent absent b      -> b
    absent a      absent -> a
    absent a      a      -> a
    absent a      b      -> a!
    absent b      absent -> b
    absent b      a      -> b!
    absent b      b      -> b
    a      absent absent -> absent
    a      absent a      -> absent
    a      absent b      -> absent!
    a      a      absent -> absent
    a      a      a      -> a
    a      a      b      -> b
    a      b      absent -> b!
    a      b      a      -> b
    a      b      b      -> b
    b      absent absent -> absent
    b      absent a      -> absent!
    b      absent b      -> absent
    b      a      absent -> a!
    b      a      a      -> a
    b      a      b      -> a
    b      b      absent -> absent
    b      b      a      -> a
    b      b      b      -> b`
  const lines = rows.trim().split('\n')
  t.equal(lines.length, 27)
  for (const line of lines) {
    const [base, mine, theirs, , expected] = line.trim().split(/\s+/)
    const seen = outcome(
      states[base as string],
      states[mine as string],
      states[theirs as string],
    )
    t.equal(seen, expected, line.trim())
  }
})

t.test('changes of type and of metadata', async t => {
  const rows: [string, string, string, string][] = [
    ['a', 'directory', 'a', 'directory'],
    ['a', 'directory', 'b', 'directory!'],
    ['a', 'directory', 'absent', 'directory!'],
    ['a', 'directory', 'directory', 'directory'],
    ['a', 'directory', 'directory 0700', 'directory!'],
    ['a', 'link', 'device', 'link!'],
    ['a', 'a', 'directory', 'directory'],
    ['directory', 'a', 'directory', 'a'],
    ['directory', 'a', 'absent', 'a!'],
    ['directory', 'absent', 'directory', 'absent'],
    ['directory', 'absent', 'link', 'absent!'],
    ['directory', 'directory', 'link', 'link'],
    ['directory', 'directory 0700', 'link', 'directory 0700!'],
    ['directory', 'directory 0700', 'directory', 'directory 0700'],
    ['link', 'link y', 'link', 'link y'],
    ['link', 'link', 'link y', 'link y'],
    ['link', 'a', 'link y', 'a!'],
    ['absent', 'link', 'link y', 'link!'],
    ['absent', 'device', 'absent', 'device'],
    ['device', 'absent', 'device', 'absent'],
    ['device', 'device', 'a', 'a'],
    // Metadata and content apart do not overlap.
    ['a', 'a 0600', 'a', 'a 0600'],
    ['a', 'a 0600', 'a owner', 'merged'],
    ['a', 'a 0600', 'b', 'merged'],
    ['a', 'b', 'a 0600', 'merged'],
    ['a', 'a 0600', 'absent', 'a 0600!'],
    ['absent', 'a', 'a 0600', 'a!'],
    ['a 0600', 'a', 'a owner', 'a owner'],
  ]
  for (const [base, mine, theirs, expected] of rows)
    t.equal(
      outcome(states[base], states[mine], states[theirs]),
      expected,
      `${base}, ${mine}, ${theirs}`,
    )
})

t.test('the rule holds for every three states', async t => {
  for (const [baseName, base] of Object.entries(states))
    for (const [mineName, mine] of Object.entries(states))
      for (const [theirsName, theirs] of Object.entries(states)) {
        const seen = outcome(base, mine, theirs)
        const where = `${baseName}, ${mineName}, ${theirsName}: ${seen}`
        if (isSameNode(mine, base)) t.equal(seen, theirsName, where)
        else if (isSameNode(theirs, base) || isSameNode(mine, theirs))
          t.equal(seen, mineName, where)
        else if (!seen.endsWith('!')) {
          // Merged: each side is the same kind of thing, and not gone.
          t.ok(mine !== undefined && mine.kind === theirs?.kind, where)
          t.equal(mine?.kind, 'file', where)
        }
        if (seen.endsWith('!')) t.equal(seen, `${mineName}!`, where)
      }
})

t.test('fields that only one side changed are merged', async t => {
  const base = file('one\n', { gid: 5 })
  const mine = file('one\n', { mode: 0o600, gid: 5 })
  const theirs = file('two\n', { uid: 9, gid: 5 })
  const [item] = plan({ p: base }, { p: mine }, { p: theirs })
  t.equal(item?.source, 'merged')
  t.ok(isSameNode(item?.result, file('two\n', { mode: 0o600, uid: 9, gid: 5 })))
})

const directory: EtcNode = { kind: 'directory', ...meta, mode: 0o755 }

t.test('what stays keeps the directories above it', async t => {
  const base = { d: directory, 'd/x': file('x') }
  // Removed there without a conflict: my file stays in it.
  const added = plan(base, { 'd/mine': file('m') }, {})
  t.same(
    added.map(({ path, result, conflict }) => [path, result?.kind, conflict]),
    [
      ['d', 'directory', undefined],
      ['d/mine', 'file', undefined],
    ],
  )
  // Another thing there: a conflict at the directory.
  const link: EtcNode = { kind: 'symlink', ...meta, target: '/x' }
  const replaced = plan(base, { 'd/mine': file('m') }, { d: link })
  t.same(
    replaced.map(({ path, conflict }) => [path, conflict]),
    [
      ['d', 'directory here, a link to /x there'],
      ['d/mine', undefined],
    ],
  )
  // Nothing of mine in it: it goes.
  t.same(plan(base, { d: directory, 'd/x': file('x') }, {}), [])
})

t.test(
  'a directory that I removed was changed there when its content was',
  async t => {
    const base = { d: directory, 'd/x': file('x\0') }
    const gone = { d: undefined }
    t.equal(plan(base, gone, base)[0]?.conflict, undefined)
    t.match(
      plan(base, gone, { ...base, 'd/y': file('y\0') })[0]?.conflict,
      /removed here, changed there/,
    )
  },
)

t.test('policies', async t => {
  const base = { 'app/p': file('a\0') }
  const mine = { 'app/p': file('b\0') }
  const theirs = { 'app/p': file('c\0') }
  const one = (policy: string) => plan(base, mine, theirs, { policy })[0]
  t.match(one('')?.conflict, /not text/)
  t.match(one('/etc/app/* keep-mine'), { source: 'mine', conflict: undefined })
  t.match(one('app take-theirs'), { source: 'theirs', conflict: undefined })
  t.match(one('** fail'), { isForbidden: true })
  t.match(one('** fail\napp/? merge # last one counts'), { isForbidden: false })
  t.match(one('ap? keep-mine\n*.conf fail'), { source: 'mine' })
  const copy = { 'passwd-': file('a\0') }
  t.match(
    plan(copy, { 'passwd-': file('b\0') }, { 'passwd-': file('c\0') })[0],
    { source: 'mine', conflict: undefined },
  )
  t.throws(() => parsePolicy('x frobnicate'), { code: 'INVALID_ARGUMENT' })
  t.throws(() => parsePolicy('x merge y'), { code: 'INVALID_ARGUMENT' })
})

t.test(
  'what is owned stays mine, also where it equals the default',
  async t => {
    const base = { p: file('a') }
    const theirs = { p: file('b') }
    t.same(plan(base, {}, theirs), [])
    const [item] = plan(base, {}, theirs, { owned: ['p'] })
    t.equal(item?.source, 'mine')
    t.ok(isSameNode(item?.result, file('a')))
  },
)

t.test('what is owned and removed stays removed', async t => {
  const base = { p: file('a') }
  const theirs = { p: file('b') }
  for (const [before, after] of [
    [base, base],
    [base, theirs],
    [{}, theirs],
  ] as const) {
    const mine = before === base ? { p: undefined } : {}
    const [item] = plan(before, mine, after, { owned: ['p'] })
    t.match(item, { source: 'mine', result: undefined, conflict: undefined })
    t.ok(item !== undefined && isInLayer(item, true))
  }
})

t.test('an owned directory is owned with all that is in it', async t => {
  const d: EtcNode = { kind: 'directory', ...meta, mode: 0o755 }
  const base = { d, 'd/gone': file('1'), 'd/kept': file('1') }
  const theirs = { d, 'd/kept': file('2'), 'd/new': file('1') }
  const found = (mine: Readonly<Record<string, Maybe>>) =>
    plan(base, mine, theirs, { owned: ['d'] }).map(({ path, result }) => [
      path,
      result?.kind,
    ])
  t.same(found({}), [
    ['d', 'directory'],
    ['d/gone', 'file'],
    ['d/kept', 'file'],
    ['d/new', undefined],
  ])
  t.same(found({ 'd/gone': undefined }), [
    ['d', 'directory'],
    ['d/gone', undefined],
    ['d/kept', 'file'],
    ['d/new', undefined],
  ])
  t.same(found({ d: undefined }), [
    ['d', undefined],
    ['d/gone', undefined],
    ['d/kept', undefined],
    ['d/new', undefined],
  ])
})

t.test('account files are one: who changed which of them', async t => {
  const base = { passwd: file('r:x:0:0::/:\n'), group: file('r:x:0:\n') }
  const mine = { passwd: file('r:x:0:0::/:\na:x:7:7::/:\n') }
  const there = { ...base, group: file('r:x:0:\ns:x:7:\nt:x:8:\n') }
  const items = plan(base, mine, there)
  t.match(items, [
    { path: 'group', mine: base.group, theirs: there.group, source: 'merged' },
    { path: 'passwd', source: 'mine', conflict: undefined },
  ])
  t.ok(isSameNode(items[0]?.result, file('r:x:0:\nt:x:8:\n')))
  t.equal(items[0]?.conflict, 'a would be in the group s')
  // Nothing of mine, or nothing of theirs: no more than what was changed.
  t.same(plan(base, {}, there), [])
  t.same(
    plan(base, mine, base).map(({ path }) => path),
    ['passwd'],
  )
  // A word on one of the files leaves each to itself.
  t.same(
    plan(base, mine, there, { policy: 'group take-theirs' }).map(
      ({ path }) => path,
    ),
    ['passwd'],
  )
})

t.test('links of update-alternatives and files of dpkg-divert', async t => {
  const link = (target: string): EtcNode => ({
    kind: 'symlink',
    ...meta,
    target,
  })
  const vi = '/usr/bin/vi'
  const base = { 'alternatives/editor': link(vi), 'app.conf': file('1\0') }
  const mine = {
    'alternatives/editor': link('/usr/bin/ed'),
    // Diverted: the default has another name, and mine stands in its place.
    'app.conf': file('mine\0'),
    'app.conf.distrib': file('1\0'),
  }
  t.same(
    plan(base, mine, base).map(({ source, conflict }) => [source, conflict]),
    [
      ['mine', undefined],
      ['mine', undefined],
      ['mine', undefined],
    ],
  )
  const theirs = {
    'alternatives/editor': link('/usr/bin/nano'),
    'app.conf': file('2\0'),
  }
  t.same(
    plan(base, mine, theirs).map(({ path, source, conflict }) => [
      path,
      source,
      conflict,
    ]),
    [
      ['alternatives/editor', 'mine', 'both changed where it points'],
      ['app.conf', 'mine', 'not text'],
      ['app.conf.distrib', 'mine', undefined],
    ],
  )
})
