/** Text merged line by line, beside the tools that do the same; and its differences. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { mergeContent } from './merge-content.ts'
import { hasMarkers, markOverlaps, mergeText } from './merge-text.ts'
import { unifiedDiff } from './unified-diff.ts'

const text = (...lines: string[]): string => lines.map(l => `${l}\n`).join('')

const merged = (path: string, base: string, mine: string, theirs: string) => {
  const result = mergeContent(path, base, mine, theirs)
  return 'text' in result ? result.text : result.overlaps
}

t.test('text: far changes merge, near ones overlap', async t => {
  const base = text('1', '2', '3', '4', '5')
  t.equal(
    merged(
      'x',
      base,
      text('one', '2', '3', '4', '5'),
      text('1', '2', '3', '4', 'five'),
    ),
    text('one', '2', '3', '4', 'five'),
  )
  t.same(
    merged(
      'x',
      base,
      text('1', '2', 'c', '4', '5'),
      text('1', '2', 'C', '4', '5'),
    ),
    ['both changed line 3'],
  )
  t.equal(merged('x', '', 'a', 'a'), 'a')
  t.same(mergeContent('x', undefined, 'a', 'b'), {
    overlaps: ['both added it'],
  })
  t.same(merged('x', 'a\0', 'b\0', 'c\0'), ['not text'])
  // A last line without its end, and lines behind it on the other side.
  t.equal(
    merged('x', text('1', '2', '3'), text('0', '1', '2', '3'), '1\n2\n3'),
    '0\n1\n2\n3',
  )
})

/** How three tools merge the same texts: ours, diff3(1) and git-merge-file(1). */
const mergeWithAll = (directory: string, sides: readonly string[][]) => {
  const files = sides.map((lines, i) => {
    const file = join(directory, String(i))
    writeFileSync(file, text(...lines))
    return file
  }) as [string, string, string]
  const [base, mine, theirs] = files
  const output = (program: string, args: readonly string[]) => {
    const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
    return status === 0 ? stdout : undefined
  }
  const ours = mergeText(...(sides.map(lines => text(...lines)) as Three))
  return {
    ours: 'text' in ours ? ours.text : undefined,
    diff3: output('diff3', ['-m', mine, base, theirs]),
    git: output('git', ['merge-file', '-p', mine, base, theirs]),
  }
}

type Three = [string, string, string]

/** Three texts of lines that `line` makes: a base, and two that were edited. */
const threeTexts = (
  random: (n: number) => number,
  length: number,
  line: (i: number) => string,
): string[][] => {
  const base = Array.from({ length }, (_, i) => line(i))
  const edit = () =>
    base.flatMap((old, i) => {
      const dice = random(12)
      return dice === 0 ? [] : dice === 1 ? [old, line(99 + i)] : [old]
    })
  return [base, edit(), edit()]
}

t.test('text: as diff3 and git merge-file say', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'dendro-diff3-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const rounds = Number(process.env['TEXT_ROUNDS'] ?? '120')
  let seed = 4711
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * n)
  }
  let clean = 0
  for (let round = 0; round < rounds; round++) {
    const sides = threeTexts(random, 14, i => `line ${i}`)
    const { ours, diff3, git } = mergeWithAll(directory, sides)
    // Equal changes of both sides are no overlap to us, nor to git.
    t.equal(ours, git)
    if (diff3 === undefined) continue
    clean++
    t.equal(ours, diff3)
  }
  t.ok(clean * 12 > rounds, `${clean} merged by all`)
})

t.test('text: of many equal lines, mostly as the others say', async t => {
  // Where a line could have gone or come at several places, each tool has its own.
  const directory = mkdtempSync(join(tmpdir(), 'dendro-diff3-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const rounds = Number(process.env['TEXT_ROUNDS'] ?? '120')
  let seed = 815
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * n)
  }
  let [agreed, alone] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const line = () => (random(2) === 0 ? '#' : `word ${random(4)}`)
    const sides = threeTexts(random, 14, line)
    const { ours, diff3, git } = mergeWithAll(directory, sides)
    if (git !== diff3) continue
    agreed++
    if (ours !== git) alone++
  }
  t.ok(agreed * 3 > rounds, `${agreed} on which diff3 and git agree`)
  t.ok(alone * 20 < agreed, `${alone} of which are otherwise here`)
})

t.test('markers: all three versions, for a person', async t => {
  const marked = markOverlaps(text('a', 'b'), text('a', 'm'), text('a', 't'))
  t.equal(
    marked,
    text(
      'a',
      '<<<<<<< mine',
      'm',
      '||||||| old default',
      'b',
      '=======',
      't',
      '>>>>>>> new default',
    ),
  )
  t.ok(hasMarkers(marked))
  t.notOk(hasMarkers(text('<<<<<<', '=======')))
})

t.test(
  'the unified format: patch(1) makes the new text of the old',
  async t => {
    const directory = mkdtempSync(join(tmpdir(), 'dendro-patch-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    t.same(unifiedDiff('a\n', 'a\n', ['a', 'b']), [])
    const cases: [string, string][] = [
      ['', 'a\n'],
      ['a\n', ''],
      ['a', 'b'],
      ['a\nb\n', 'a\nb'],
      [text(...'abcdefghijklmnop'), text(...'abXdefghijklmYnop', 'q')],
      [
        text(...'abcdefghijklmnopqrstuvwxyz'),
        text(...'Zabcdefghijklmnopqrstuvwxy'),
      ],
    ]
    for (const [before, after] of cases) {
      const ours = unifiedDiff(before, after, ['a', 'b'])
      const names = ['a', 'b'].map(name => join(directory, name)) as [
        string,
        string,
      ]
      writeFileSync(names[0], before)
      writeFileSync(names[1], after)
      const theirs = spawnSync(
        'diff',
        ['-u', '--label', 'a', '--label', 'b', ...names],
        { encoding: 'utf8' },
      )
      t.equal(
        `${ours.join('\n')}\n`,
        theirs.stdout,
        JSON.stringify([before, after]),
      )
    }
  },
)
