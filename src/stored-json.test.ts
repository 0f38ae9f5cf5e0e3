/**
 * Every kind of JSON file that is read back: damaged, cut, of wrong types, newer
 * and hostile ones are told with their path, and what was told of is still there.
 */

import t from 'tap'
import { DendroError } from './errors.ts'
import { readInstance } from './root/instances.ts'
import { readState, writeState } from './server/server-state.ts'
import type { ServerConfig } from './server/server-config.ts'
import { readEvents } from './store/event-log.ts'
import { Repository } from './store/repository.ts'
import { OperationLog, encodeChecked } from './store/operation-log.ts'
import { readRecordAt, writeRecord } from './sysroot/deployment.ts'
import { readSysroot, sysrootPaths, writeSysroot } from './sysroot/sysroot.ts'
import { mkdirSync, readFileSync, writeFileSync } from './system/files.ts'
import { fileJournal } from './view/virtual-journal.ts'

const HEX = 'ab'.repeat(32)

interface Kind {
  readonly name: string
  readonly file: string
  /** What a good file holds. */
  readonly good: Readonly<Record<string, unknown>>
  /** The bytes of a file with this text. */
  readonly encode?: (text: string) => Buffer
  /** Reads the file; undefined where it is passed over in silence. */
  readonly read: () => unknown
  /** What is thrown for a damaged one; nothing: it is passed over. */
  readonly damaged?: string
  /** The field of the format, where it has one. */
  readonly format?: string
  /** Fields that may be missing or be anything. */
  readonly lax?: readonly string[]
}

const outcomeOf = (kind: Kind): string => {
  try {
    return kind.read() === undefined ? 'none' : 'good'
  } catch (error) {
    if (!(error instanceof DendroError)) throw error
    return error.code
  }
}

const messageOf = (kind: Kind): string => {
  try {
    kind.read()
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

/** The same file with one thing wrong each, by what it is. */
const wrongs = (kind: Kind): ReadonlyMap<string, Buffer> => {
  const { good, encode = (text: string) => Buffer.from(`${text}\n`) } = kind
  const text = JSON.stringify(good)
  const found = new Map<string, Buffer>()
  for (const cut of [0, 1, text.length >> 1, text.length - 1])
    found.set(`cut at ${cut}`, encode(text.slice(0, cut)))
  for (const field of Object.keys(good)) {
    if (field === kind.format || kind.lax?.includes(field) === true) continue
    for (const wrong of [
      { a: 1 },
      1e300,
      -1,
      0.5,
      undefined,
      '\ud800'.repeat(0),
    ])
      if (JSON.stringify(wrong) !== JSON.stringify(good[field]))
        found.set(
          `${field} as ${JSON.stringify(wrong)}`,
          encode(JSON.stringify({ ...good, [field]: wrong })),
        )
  }
  for (const other of ['null', '[]', '7', '"x"', '{}'])
    found.set(other, encode(other))
  found.set('deep', encode(`{"x":${'['.repeat(1e5)}`))
  found.set(
    'deep and whole',
    encode(`{"x":${'['.repeat(99)}${']'.repeat(99)}}`),
  )
  found.set('__proto__', encode(`{"__proto__":${text}}`))
  found.set('zeroes', Buffer.from(`${'\\0'.repeat(100)}\n`))
  return found
}

t.test('a file of each kind, wrong in each way', async t => {
  const directory = t.testdir()
  const paths = sysrootPaths(directory)
  mkdirSync(`${directory}/dendro`, { recursive: true })
  const at = (name: string) => `${directory}/${name}`
  const repository = Repository.create(at('repo'))
  t.teardown(() => repository.close())
  writeSysroot(
    paths,
    { id: 'one', serial: 1, operation: 0, deployments: [] },
    [],
  )
  mkdirSync(`${paths.instances}/i`, { recursive: true })
  mkdirSync(at('operations'))
  const kinds: readonly Kind[] = [
    {
      name: 'state.json',
      file: `${paths.boot}/state.json`,
      good: {
        version: 1,
        id: 'one',
        serial: 1,
        operation: 0,
        deployments: [{ os: 'os', commit: HEX, serial: 0, isPinned: false }],
      },
      encode: encodeChecked,
      read: () => readSysroot(paths),
      damaged: 'CORRUPT_SYSROOT',
      format: 'version',
      // An empty name is one.
      lax: ['id'],
    },
    {
      name: 'deployment.json',
      file: at('deployment.json'),
      good: {
        format: 1,
        origin: 'os',
        version: null,
        createdSec: 1,
        mergedFrom: null,
        mergedFingerprint: null,
        merged: { snapshot: 's', fingerprint: 'f', owned: [] },
        conflicts: [{ path: 'a', why: 'w', number: 1, mine: 'm', theirs: 't' }],
        settled: [{ path: 'a', mine: 'm', theirs: 't' }],
        owned: ['a'],
      },
      read: () => readRecordAt(directory, 'os/1'),
      damaged: 'CORRUPT_SYSROOT',
      format: 'format',
      lax: ['origin', 'version', 'mergedFrom', 'mergedFingerprint', 'merged'],
    },
    {
      name: 'instance.json',
      file: `${paths.instances}/i/instance.json`,
      good: { format: 1, commit: HEX, createdSec: 1 },
      read: () => readInstance(paths, 'i'),
      damaged: 'CORRUPT_SYSROOT',
      format: 'format',
    },
    {
      name: 'config.json',
      file: at('repo/config.json'),
      good: JSON.parse(
        readFileSync(at('repo/config.json'), 'utf8'),
      ) as Kind['good'],
      encode: text =>
        // As it is written: with two spaces, where it is JSON.
        Buffer.from(`${pretty(text)}\n`),
      read: () => {
        Repository.open(at('repo')).close()
        return true
      },
      damaged: 'CORRUPT_REPOSITORY',
      format: 'version',
    },
    {
      name: 'server.json',
      file: at('server.json'),
      good: {
        ...({
          repository: '/r',
          mountpoint: '/m',
          runtimeDirectory: directory,
          isPrivileged: true,
          allowOther: false,
          xattrs: 'auto',
          transport: 'kernel',
          readAheadKib: 1,
          spinMicros: 1,
          ahead: true,
          watchdogMs: 1,
          resend: true,
          root: { commit: HEX, subdir: '' },
          endsWhenUnused: true,
        } satisfies ServerConfig),
        pid: 1,
        keeperPid: 2,
      },
      read: () => readState(directory),
      lax: [
        ...['repository', 'mountpoint', 'runtimeDirectory'],
        ...['ahead', 'watchdogMs', 'resend', 'root', 'keeperPid'],
      ],
    },
    {
      name: 'an operation',
      file: at('operations/00000001.json'),
      good: {
        number: 1,
        sequence: 1,
        time: 't',
        kind: 'k',
        text: 'x',
        more: 1,
      },
      encode: encodeChecked,
      read: () => new OperationLog(at('operations')).list()[0],
      lax: ['sequence', 'more', 'time', 'kind', 'text'],
    },
    {
      name: 'an event',
      file: at('events'),
      good: { time: 't', type: 'x', more: 1 },
      read: () => readEvents(at('events'))[0],
      lax: ['more', 'time', 'type'],
    },
    {
      name: 'a node of the view',
      file: at('view-nodes'),
      good: { nodeId: 5, generation: 1, path: 'refs' },
      encode: text => Buffer.from(`${text}\n`),
      read: () => fileJournal(at('view-nodes')).load(),
      damaged: 'MOUNT_FAILED',
      lax: ['path'],
    },
  ]
  for (const kind of kinds)
    await t.test(kind.name, async t => {
      const { file, good, encode, damaged = 'none', format } = kind
      const put = encode ?? ((text: string) => Buffer.from(`${text}\n`))
      writeFileSync(file, put(JSON.stringify(good)))
      t.equal(outcomeOf(kind), 'good')
      for (const [what, bytes] of wrongs(kind)) {
        writeFileSync(file, bytes)
        t.equal(outcomeOf(kind), damaged, what)
        if (damaged !== 'none') t.ok(messageOf(kind).includes(file), what)
        t.ok(readFileSync(file).equals(bytes), 'it stays as it is')
      }
      const notUtf8 = Buffer.from(put(JSON.stringify(good)))
      notUtf8[notUtf8.indexOf('"') + 1] = 0xff
      writeFileSync(file, notUtf8)
      t.equal(outcomeOf(kind), damaged, 'not UTF-8')
      if (format === undefined) return
      for (const newer of [2, 1e300]) {
        const text = JSON.stringify({ [format]: newer, other: [] })
        writeFileSync(file, put(text))
        t.equal(outcomeOf(kind), 'FUTURE_FORMAT', `format ${newer}`)
        t.match(messageOf(kind), /this program knows 1/)
      }
    })
})

/** JSON as config.json is written; other text as it is. */
const pretty = (text: string): string => {
  if (text.length > 1000) return text
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}

t.test('what a newer program wrote beside stays', async t => {
  const directory = t.testdir()
  const record = {
    origin: null,
    version: null,
    createdSec: 1,
    mergedFrom: null,
    mergedFingerprint: null,
    conflicts: [],
    settled: [],
    owned: [],
  }
  writeRecord(directory, record)
  const path = `${directory}/deployment.json`
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('{', '{"news": [1], "__proto__": {"x": 1},'))
  const read = readRecordAt(directory, 'os/1')
  t.equal((read as { x?: number }).x, undefined)
  writeRecord(directory, { ...read, owned: ['a'] })
  const again = JSON.parse(readFileSync(path, 'utf8')) as Record<
    string,
    unknown
  >
  t.same(again['news'], [1])
  t.same(again['owned'], ['a'])
  t.equal(again['format'], 1)
})

t.test('a server of an older program wrote less', async t => {
  const directory = t.testdir()
  const older = {
    repository: '/r',
    mountpoint: '/m',
    runtimeDirectory: directory,
    isPrivileged: true,
    allowOther: false,
    xattrs: 'auto',
    transport: 'kernel',
    readAheadKib: 1,
    spinMicros: 1,
    endsWhenUnused: true,
    pid: 7,
  }
  writeFileSync(`${directory}/server.json`, JSON.stringify(older))
  t.match(readState(directory), { pid: 7, keeperPid: 0, root: undefined })
  const state = readState(directory) as ServerConfig
  writeState(state, { pid: 8, keeperPid: 9 })
  t.match(readState(directory), { pid: 8, keeperPid: 9, mountpoint: '/m' })
})
