import t from 'tap'
import { digestOf } from '../objects/digest.ts'
import {
  digestOfPart,
  encodeJob,
  ITEM_NUMBERS,
  lastFrameOf,
  PART_NUMBERS,
} from './store-job.ts'

const partOf = (pack: string, frameOffset: number, text: string) => ({
  digest: digestOf(Buffer.from(text)),
  place: {
    pack,
    frameOffset,
    offsetBytes: 5,
    lengthBytes: text.length,
    frameBytes: 99,
  },
})

t.test('items become numbers, packs are named once', async t => {
  const far = 2 ** 40 + 3
  const job = encodeJob(9, [
    { index: 2, nodeId: 77, parts: [partOf('aa', 0, 'one')] },
    {
      index: 4,
      nodeId: 78,
      parts: [partOf('bb', far, 'three'), partOf('aa', 64, 'four')],
    },
  ])
  t.equal(job.id, 9)
  t.same(job.packs, ['aa', 'bb'])
  t.equal(job.numbers.length, 2 * ITEM_NUMBERS + 3 * PART_NUMBERS)
  t.same(
    [...job.numbers],
    [2, 77, 1, 0, 0, 5, 3, 4, 78, 2, 1, far, 5, 5, 0, 64, 5, 4],
  )
  for (const [part, text] of ['one', 'three', 'four'].entries())
    t.equal(digestOfPart(job, part), digestOf(Buffer.from(text)))
  t.same(lastFrameOf(job), { pack: 'aa', frameOffset: 64 })
})
