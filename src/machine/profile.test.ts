import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { sysrootPaths } from '../sysroot/sysroot.ts'
import type { Place } from '../store/place.ts'
import { joinRanges, readProfile } from './profile.ts'
import { contentDigest } from './runtime-digest.ts'

const place = (pack: string, frameOffset: number): Place =>
  ({ pack, frameOffset, frameBytes: 100 }) as Place

t.test('frames near each other are read in one go, pack by pack', async t => {
  t.same(
    joinRanges([
      place('b', 0),
      place('a', 300),
      place('a', 100),
      place('a', 0),
      place('a', 100),
    ]),
    [
      { pack: 'a', offsetBytes: 0, lengthBytes: 200 },
      { pack: 'a', offsetBytes: 300, lengthBytes: 100 },
      { pack: 'b', offsetBytes: 0, lengthBytes: 100 },
    ],
  )
  t.same(joinRanges([]), [])
})

t.test('a profile that is missing, foreign or cut short', async t => {
  const root = t.testdir()
  const paths = sysrootPaths(root)
  t.same(readProfile(paths, 'os'), [])
  mkdirSync(paths.profiles, { recursive: true })
  const hex = 'ab'.repeat(32)
  const write = (text: string) => writeFileSync(`${paths.profiles}/os`, text)
  write(`dendro boot profile 1\n${hex}\n${hex.slice(9)}`)
  t.same(readProfile(paths, 'os'), [hex])
  write(`dendro boot profile 2\n${hex}\n`)
  t.same(readProfile(paths, 'os'), [])
  write('\0\0\0')
  t.same(readProfile(paths, 'os'), [])
})

t.test('a runtime is named by names, modes and contents', async t => {
  const make = (content: string, name = 'file') =>
    contentDigest(
      t.testdir({
        [name]: content,
        d: { link: t.fixture('symlink', '../file') },
      }),
    )
  const one = make('x')
  t.match(one, /^[0-9a-f]{64}$/)
  t.equal(make('x'), one)
  t.not(make('y'), one)
  t.not(make('x', 'other'), one)
})
