import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { commitLevelOf } from './commit-level.ts'
import { encodeFrame, tableBytes, writeTableEntry } from './frame.ts'
import { digestOf } from '../objects/digest.ts'
import { COMMIT_LEVEL, TEXT_LEVEL } from './zstd.ts'

const source = readFileSync(fileURLToPath(import.meta.url))
const code = readFileSync(process.execPath).subarray(1 << 20, (1 << 20) + 65536)

t.test('text is compressed harder than machine code', async t => {
  t.equal(commitLevelOf(source), TEXT_LEVEL)
  t.equal(commitLevelOf(code), COMMIT_LEVEL)
  t.equal(commitLevelOf(Buffer.alloc(300)), COMMIT_LEVEL, 'zeros')
  t.doesNotThrow(() => commitLevelOf(Buffer.alloc(0)), 'nothing at all')
})

t.test('a sample decides, wherever the text stands', async t => {
  const mostly = Buffer.concat([
    code.subarray(0, 10_000),
    Buffer.alloc(40_000, 'text '),
  ])
  t.equal(commitLevelOf(mostly), TEXT_LEVEL)
  const hardly = Buffer.concat([code, Buffer.alloc(40_000, 'text ')])
  t.equal(commitLevelOf(hardly), COMMIT_LEVEL)
})

t.test('a frame without a level of its own takes that one', async t => {
  const table = Buffer.alloc(tableBytes(1))
  writeTableEntry(table, 0, digestOf(source), source.length)
  const frame = (level?: number) =>
    Buffer.from(encodeFrame({ table, plain: source }, undefined, level))
  t.strictSame(frame(), frame(TEXT_LEVEL))
  t.notSame(frame(), frame(COMMIT_LEVEL))
})
