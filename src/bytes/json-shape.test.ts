import t from 'tap'
import {
  BadJson,
  aBoolean,
  aListOf,
  aString,
  anInteger,
  anObject,
  anOpenObject,
  anything,
  ofFormat,
  oneOf,
  optional,
  orNull,
  parseJson,
  tryParseJson,
  withDefault,
} from './json-shape.ts'
import type { Shape } from './json-shape.ts'

const RECORD = anObject({
  name: aString(text => text.length < 5, 'a short name'),
  size: anInteger(0, 10),
  isOn: aBoolean,
  kind: oneOf('a', 'b'),
  origin: orNull(aString()),
  list: aListOf(anObject({ path: aString() })),
  merged: optional(anObject({ owned: withDefault(aListOf(aString()), []) })),
})
const GOOD = {
  name: 'n',
  size: 3,
  isOn: true,
  kind: 'a',
  origin: null,
  list: [{ path: 'p' }],
}

const whyBad = (json: string | Uint8Array, shape: Shape<unknown>): string => {
  try {
    parseJson(json, shape)
  } catch (error) {
    if (error instanceof BadJson) return error.message
    throw error
  }
  return 'it is good'
}

/** The format that is newer than known; 0 when it is none. */
const newerOf = (json: string, shape: Shape<unknown>): number => {
  try {
    parseJson(json, shape)
  } catch (error) {
    return error instanceof BadJson ? (error.newer ?? 0) : 0
  }
  return 0
}

t.test('what is as it must be', async t => {
  t.same(parseJson(JSON.stringify(GOOD), RECORD), GOOD)
  t.same(parseJson(Buffer.from(JSON.stringify(GOOD)), RECORD), GOOD)
  const merged = { ...GOOD, merged: {} }
  t.same(parseJson(JSON.stringify(merged), RECORD).merged, { owned: [] })
  t.notOk('merged' in parseJson(JSON.stringify(GOOD), RECORD))
})

t.test('a wrong field is named', async t => {
  const cases: readonly (readonly [object, string])[] = [
    [{ name: 5 }, 'name is a number, not a short name'],
    [{ name: 'too long' }, 'name holds something else, not a short name'],
    [{ size: '3' }, 'size is a string, not a number'],
    [{ size: 11 }, 'size is 11, not a whole number from 0 to 10'],
    [{ size: 1.5 }, 'size is 1.5, not a whole number from 0 to 10'],
    [{ size: null }, 'size is null, not a number'],
    [{ isOn: 'yes' }, 'isOn is a string, not true or false'],
    [{ kind: 'c' }, 'kind is none of a, b'],
    [{ origin: [] }, 'origin is a list, not a string'],
    [{ list: {} }, 'list is an object, not a list'],
    [
      { list: [{ path: 'p' }, { path: 1 }] },
      'list[1].path is a number, not a string',
    ],
    [{ list: [null] }, 'list[0] is null, not an object'],
    [{ merged: { owned: [1] } }, 'merged.owned[0] is a number, not a string'],
    [{ size: undefined }, 'size is missing, not a number'],
  ]
  for (const [change, why] of cases)
    t.equal(whyBad(JSON.stringify({ ...GOOD, ...change }), RECORD), why)
  for (const json of ['null', '[]', '1', '"x"', 'true'])
    t.match(whyBad(json, RECORD), /^is .*, not an object$/)
})

t.test('what is no JSON, and what is too much of it', async t => {
  t.equal(whyBad('', anything), 'it is empty')
  t.equal(whyBad('{"a":', anything), 'it is cut short or not JSON')
  t.equal(whyBad('\0\0\0\0', anything), 'it is cut short or not JSON')
  t.equal(whyBad(Buffer.from([0x22, 0xe9, 0x22]), anything), 'it is not UTF-8')
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  t.equal(whyBad(deep(32), anything), 'it is good')
  t.equal(whyBad(deep(33), anything), 'it is nested deeper than 32 levels')
  t.equal(
    whyBad('['.repeat(1e6), anything),
    'it is nested deeper than 32 levels',
  )
  // Brackets in strings are no nesting.
  t.equal(
    whyBad(JSON.stringify(`"\\${'['.repeat(99)}`), anything),
    'it is good',
  )
  for (const huge of ['1e400', '9007199254740993', '-1', '1e3', '-0.5'])
    t.match(whyBad(huge, anInteger(0, 10)), /not a whole number from 0 to 10$/)
})

t.test('no field stands for one of an object', async t => {
  const json = '{"__proto__":{"path":"evil"},"constructor":1,"more":2}'
  t.match(whyBad(json, anObject({ path: aString() })), /^path is/)
  const open = parseJson(json, anOpenObject({ path: optional(aString()) }))
  t.equal(open.path, undefined)
  t.equal(open['more'], 2)
  t.equal(Object.getPrototypeOf(open), Object.prototype)
  t.match(whyBad('{}', anObject({ toString: aString() })), /^toString is/)
  t.equal(({} as { path?: string }).path, undefined)
})

t.test('formats', async t => {
  const shape = ofFormat('format', 2, anObject({ a: aString() }))
  t.same(parseJson('{"format":2,"a":"x","new":1}', shape), { a: 'x' })
  // A newer one is told before what else is wrong with it.
  for (const json of ['{"format":3}', '{"format":1e99,"a":"x"}']) {
    t.match(whyBad(json, shape), /^its format is .*, this program knows 2$/)
    t.ok(newerOf(json, shape) > 2)
  }
  t.match(whyBad('{"format":0,"a":"x"}', shape), /^format is 0/)
  t.match(whyBad('{"format":"3","a":"x"}', shape), /^format is a string/)
  t.match(whyBad('{"a":"x"}', shape), /^format is/)
  t.match(whyBad('null', shape), /^format is/)
  const older = ofFormat('format', 2, anObject({ a: aString() }), 1)
  t.same(parseJson('{"a":"x"}', older), { a: 'x' })
})

t.test(
  'one cut at any byte, and one with any byte changed, is no other record',
  async t => {
    const whole = JSON.stringify(GOOD)
    for (let end = 0; end < whole.length; end++)
      t.equal(tryParseJson(whole.slice(0, end), RECORD), undefined)
    const bytes = Buffer.from(whole)
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = 0xff
      t.equal(tryParseJson(changed, RECORD), undefined)
    }
  },
)
