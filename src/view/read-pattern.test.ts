import t from 'tap'
import { ReadPattern } from './read-pattern.ts'

t.test(
  'somebody who opens a file here and there gets nothing ahead',
  async t => {
    const pattern = new ReadPattern()
    for (let i = 0; i < 50; i++) {
      t.equal(pattern.onListed(`d${i}`), false)
      t.equal(pattern.onRead(`d${i}`, 3), undefined)
      t.equal(pattern.onRead(`d${i}`, 1), undefined, 'back is no run')
    }
  },
)

t.test('three files one behind the other are a pattern', async t => {
  const pattern = new ReadPattern()
  t.equal(pattern.onRead('a', 0), undefined)
  t.equal(pattern.onRead('a', 1), undefined)
  t.equal(pattern.onRead('a', 4), 5, 'what is behind the third is stored')
  pattern.planned(40, 20)
  t.equal(pattern.onRead('a', 6), undefined, 'late, but planned')
  t.equal(pattern.onRead('a', 20), 40, 'the marker asks for the next batch')
  pattern.planned(60, Infinity)
  t.equal(pattern.onRead('a', 50), undefined, 'the end was planned')
  t.equal(pattern.onRead('a', 60), undefined)
})

t.test('a reader that overtakes the batch goes on behind itself', async t => {
  const pattern = new ReadPattern()
  for (const index of [0, 1, 2]) pattern.onRead('a', index)
  pattern.planned(10, 5)
  t.equal(pattern.onRead('a', 12), 13)
})

t.test('trust ends when nothing that was stored is read', async t => {
  const pattern = new ReadPattern()
  for (const index of [0, 1, 2]) pattern.onRead('a', index)
  t.equal(pattern.isProbing, false)
  let stored = 0
  for (let i = 0; i < 20; i++) if (pattern.onListed(`d${i}`)) stored++
  t.equal(stored, 8, 'a walk without reads stores eight directories')
  t.equal(pattern.isProbing, true)
})

t.test('a probe that is read restores trust', async t => {
  const pattern = new ReadPattern()
  for (const index of [0, 1, 2]) pattern.onRead('a', index)
  for (let i = 0; i < 40; i++) {
    t.equal(pattern.onListed(`d${i}`), true)
    pattern.planned(10, Infinity)
    if (pattern.isProbing) pattern.onRead(`d${i}`, 0)
  }
})
