import t from 'tap'
import { cutPoint, DEFAULT_CHUNKER } from './fastcdc.ts'
import { GEAR } from './gear.ts'
import { isZero } from './holes.ts'
import { makeSplitBuffer, splitContent } from './split.ts'
import type { ContentSource } from './split.ts'

const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** Reads `step` bytes at a time, to show that it makes no difference. */
const sourceOf = (
  content: Buffer,
  step: number,
  nextData?: (p: number) => number,
): ContentSource => ({
  read: (into, begin, position) =>
    content.copy(
      into,
      begin,
      position,
      Math.min(content.length, position + step, position + into.length - begin),
    ),
  ...(nextData === undefined ? {} : { nextData }),
})

const buffer = makeSplitBuffer()

const split = (
  content: Buffer,
  step = 1 << 20,
  nextData?: (p: number) => number,
) =>
  [...splitContent(sourceOf(content, step, nextData), buffer)].map(
    ({ lengthBytes, bytes }) => ({
      lengthBytes,
      isHole: bytes === undefined,
    }),
  )

const join = (content: Buffer): Buffer => {
  const parts: Buffer[] = []
  for (const { lengthBytes, bytes } of splitContent(
    sourceOf(content, 1 << 20),
    buffer,
  ))
    parts.push(
      bytes === undefined ? Buffer.alloc(lengthBytes) : Buffer.from(bytes),
    )
  return Buffer.concat(parts)
}

/** The definition, byte by byte. */
const plainCutPoint = (bytes: Buffer, begin: number, end: number): number => {
  const { minBytes, normalBytes, maxBytes } = DEFAULT_CHUNKER
  let hash = 0
  for (let length = minBytes; length < end - begin; length++) {
    if (length === maxBytes) return length
    const gear = GEAR[bytes[begin + length] as number] as number
    hash = ((hash << 1) + gear) | 0
    const bits = length < normalBytes ? 18 : 14
    if (hash >>> (32 - bits) === 0) return length + 1
  }
  return end - begin
}

t.test('the gear table is part of the format', async t => {
  t.same(
    [...GEAR.slice(0, 3), GEAR[255]],
    [161207107, 335468599, 1937802383, 1708735660],
  )
})

t.test('chunks keep their bounds, and their mean is near the norm', async t => {
  const content = noise(8 << 20, 1)
  const pieces = split(content)
  const inner = pieces.slice(0, -1)
  t.ok(
    inner.every(
      p =>
        p.lengthBytes >= DEFAULT_CHUNKER.minBytes &&
        p.lengthBytes <= DEFAULT_CHUNKER.maxBytes,
    ),
  )
  const mean = content.length / pieces.length
  t.ok(mean > 40_000 && mean < 110_000, `mean ${mean}`)
})

t.test('an insertion changes the chunks around it alone', async t => {
  const content = noise(4 << 20, 2)
  const edited = Buffer.concat([
    content.subarray(0, 1 << 20),
    Buffer.from('inserted'),
    content.subarray(1 << 20),
  ])
  const cuts = (bytes: Buffer) => {
    const found = new Set<string>()
    for (const piece of splitContent(sourceOf(bytes, 1 << 20), buffer))
      if (piece.bytes !== undefined) found.add(piece.bytes.toString('latin1'))
    return found
  }
  const before = cuts(content)
  const fresh = [...cuts(edited)].filter(chunk => !before.has(chunk))
  t.ok(fresh.length <= 3, `${fresh.length} new chunks`)
})

t.test('cuts are where the definition says', async t => {
  const content = noise(4 << 20, 5)
  let at = 0
  // The end moves, so that it falls on every remainder of four.
  for (let end = content.length; at < end; end--) {
    const length = cutPoint(content, at, end)
    t.equal(length, plainCutPoint(content, at, end), `from ${at} to ${end}`)
    at += length
  }
})

t.test('small content is one chunk', async t => {
  t.equal(cutPoint(Buffer.alloc(100), 0, 100), 100)
  t.same(split(Buffer.from('small')), [{ lengthBytes: 5, isHole: false }])
  t.same(split(Buffer.alloc(0)), [])
})

t.test('holes are found by content, however it is read', async t => {
  const content = Buffer.alloc(9 << 20)
  noise(5000, 3).copy(content, 0)
  noise(70_000, 4).copy(content, 3_000_001)
  content[content.length - 1] = 1
  const expected = split(content)
  // Data may be several chunks; a hole is always one piece.
  const runs = expected.filter(
    (p, i) => p.isHole || expected[i - 1]?.isHole !== false,
  )
  t.same(
    runs.map(p => p.isHole),
    [false, true, false, true, false],
  )
  t.equal(
    expected.reduce((sum, p) => sum + p.lengthBytes, 0),
    content.length,
  )
  for (const step of [1, 7, 4095].map(n => n * 1000 + 1))
    t.same(split(content, step), expected)
  t.same(join(content), content)
  const nextData = (position: number) => {
    let at = position
    while (at < content.length && content[at] === 0) at++
    return at - (at % 4096)
  }
  t.same(split(content, 1 << 20, nextData), expected)
})

t.test(
  'a run of zeros below 64 KiB is data, one of 64 KiB is a hole',
  async t => {
    const around = (zeros: number) => {
      const content = Buffer.alloc(8192 + zeros, 1)
      content.fill(0, 4096, 4096 + zeros)
      return split(content).some(p => p.isHole)
    }
    t.equal(around(65536 - 1), false)
    t.equal(around(65536), true)
  },
)

t.test('a file of nothing but zeros is one hole', async t => {
  for (const length of [65536, 65537, 3_000_000])
    t.same(split(Buffer.alloc(length)), [{ lengthBytes: length, isHole: true }])
  t.same(
    split(Buffer.alloc(65535)).map(p => p.isHole),
    [false],
  )
})

t.test('random mixes come back whole', async t => {
  let state = 99
  const random = (n: number) =>
    (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n
  for (let round = 0; round < 20; round++) {
    const parts = Array.from({ length: 1 + random(5) }, () =>
      random(2) === 0
        ? Buffer.alloc(random(400_000))
        : noise(random(400_000), random(1000)),
    )
    const content = Buffer.concat(parts)
    t.ok(join(content).equals(content))
  }
})

t.test('isZero', async t => {
  const bytes = Buffer.alloc(200_000)
  t.ok(isZero(bytes, 0, bytes.length))
  bytes[199_999] = 1
  t.notOk(isZero(bytes, 0, bytes.length))
  t.ok(isZero(bytes, 0, 199_999))
})
