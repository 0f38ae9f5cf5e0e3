/** The drivers for content: text, keyed lines, sections; and the last check of accounts. */

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

t.test('text: as diff3 of the system says', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'dendro-diff3-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  let seed = 4711
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * n)
  }
  const edit = (lines: readonly string[]) =>
    lines.flatMap(line => {
      const dice = random(12)
      return dice === 0 ? [] : dice === 1 ? [line, `new${random(99)}`] : [line]
    })
  let clean = 0
  for (let round = 0; round < 120; round++) {
    const base = Array.from({ length: 14 }, (_, i) => `line ${i}`)
    const [mine, theirs] = [edit(base), edit(base)]
    const write = (name: string, lines: readonly string[]) => {
      writeFileSync(join(directory, name), text(...lines))
      return join(directory, name)
    }
    const result = spawnSync(
      'diff3',
      ['-m', write('m', mine), write('b', base), write('t', theirs)],
      { encoding: 'utf8' },
    )
    const ours = mergeText(text(...base), text(...mine), text(...theirs))
    // Where diff3 sees no overlap, we say the same; equal changes are none to us.
    if (result.status === 0) {
      clean++
      t.same(ours, { text: result.stdout })
    }
  }
  t.ok(clean > 10, `${clean} merged by both`)
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

const root = 'root:x:0:0:root:/root:/bin/bash'
const daemon = 'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin'
const alice = 'alice:x:1000:1000:Alice:/home/alice:/bin/bash'
const sshd = 'sshd:x:105:65534::/run/sshd:/usr/sbin/nologin'

t.test('passwd: users of both sides, whoever added last', async t => {
  const base = text(root, daemon)
  t.equal(
    merged('passwd', base, text(root, daemon, alice), text(root, daemon, sshd)),
    text(root, daemon, sshd, alice),
  )
  // Fields of one line.
  t.equal(
    merged(
      'passwd',
      text(root, alice),
      text(root, alice.replace('/bin/bash', '/bin/zsh')),
      text(root, alice.replace(':Alice:', ':Alice A.:')),
    ),
    text(root, 'alice:x:1000:1000:Alice A.:/home/alice:/bin/zsh'),
  )
  t.same(
    merged(
      'passwd',
      text(root, alice),
      text(root, alice.replace('bash', 'zsh')),
      text(root, alice.replace('bash', 'fish')),
    ),
    ['both changed alice'],
  )
})

t.test('passwd: root stays as I have it, and no number twice', async t => {
  const base = text(root, daemon)
  t.equal(
    merged(
      'passwd',
      base,
      text(root, daemon, alice),
      text(root.replace('/bin/bash', '/sbin/nologin'), daemon),
    ),
    text(root, daemon, alice),
  )
  t.match(
    merged(
      'passwd',
      base,
      text(root, daemon, alice),
      text(root, daemon, alice.replace('alice', 'bob')),
    ),
    ['two names would have the number 1000'],
  )
  t.match(
    merged(
      'passwd',
      base,
      text(root, daemon, alice),
      text(root, daemon, 'broken:x'),
    ),
    ['the line of broken would have 2 fields, not 7'],
  )
})

t.test('group and gshadow: members are sets', async t => {
  t.equal(
    merged(
      'group',
      text('adm:x:4:syslog', 'video:x:44:'),
      text('adm:x:4:syslog,alice', 'video:x:44:alice'),
      text('adm:x:4:syslog,journal', 'video:x:44:'),
    ),
    text('adm:x:4:syslog,alice,journal', 'video:x:44:alice'),
  )
  t.equal(
    merged(
      'gshadow',
      text('adm:*::a,b'),
      text('adm:*::a'),
      text('adm:*::a,b,c'),
    ),
    text('adm:*::a,c'),
  )
})

t.test('shadow: my password, their new account', async t => {
  const locked = 'root:*:19000:0:99999:7:::'
  const mine = 'root:$y$j9T$abc:19500:0:99999:7:::'
  const sshdLine = 'sshd:!:19600::::::'
  t.equal(
    merged(
      'shadow',
      text(locked),
      text(mine),
      text(locked.replace('19000', '19700'), sshdLine),
    ),
    text(mine, sshdLine),
  )
})

t.test('fstab, hosts and services', async t => {
  t.equal(
    merged(
      'fstab',
      text('# static', '/dev/a / ext4 defaults 0 1'),
      text(
        '# static',
        '/dev/a / ext4 noatime 0 1',
        'UUID=1 /data xfs defaults 0 2',
      ),
      text(
        '# static',
        '/dev/a / ext4 defaults 0 1',
        'tmpfs /tmp tmpfs nosuid 0 0',
      ),
    ),
    text(
      '# static',
      '/dev/a / ext4 noatime 0 1',
      'tmpfs /tmp tmpfs nosuid 0 0',
      'UUID=1 /data xfs defaults 0 2',
    ),
  )
  t.equal(
    merged(
      'hosts',
      text('127.0.0.1 localhost'),
      text('127.0.0.1 localhost', '10.0.0.5 nas'),
      text('127.0.0.1 localhost', '::1 localhost ip6-localhost'),
    ),
    text('127.0.0.1 localhost', '::1 localhost ip6-localhost', '10.0.0.5 nas'),
  )
  t.equal(
    merged(
      'services',
      text('ssh 22/tcp'),
      text('ssh 22/tcp', 'mine 4000/tcp'),
      text('ssh 22/tcp', 'http 80/tcp'),
    ),
    text('ssh 22/tcp', 'http 80/tcp', 'mine 4000/tcp'),
  )
})

t.test('sections: keys under their header', async t => {
  const base = text(
    '[Service]',
    'ExecStart=/bin/a',
    'Restart=no',
    '',
    '[Install]',
    'WantedBy=x',
  )
  t.equal(
    merged(
      'systemd/system/a.service',
      base,
      text(
        '[Service]',
        'ExecStart=/bin/a',
        'Restart=always',
        'Nice=5',
        '',
        '[Install]',
        'WantedBy=x',
      ),
      text(
        '[Unit]',
        'After=y',
        '',
        '[Service]',
        'ExecStart=/bin/b',
        'Restart=no',
        '',
        '[Install]',
        'WantedBy=x',
      ),
    ),
    text(
      '[Unit]',
      'After=y',
      '[Service]',
      'ExecStart=/bin/b',
      'Restart=always',
      'Nice=5',
      '',
      '[Install]',
      'WantedBy=x',
    ),
  )
  // A new section comes behind all that mine has in the one before.
  t.equal(
    merged(
      'a.ini',
      text('[A]', 'x=1'),
      text('[A]', 'x=1', 'mine=2'),
      text('[A]', 'x=1', '[B]', 'z=3'),
    ),
    text('[A]', 'x=1', 'mine=2', '[B]', 'z=3'),
  )
  // A section that one side removed and the other filled.
  t.match(
    merged(
      'a.ini',
      text('[A]', 'x=1', '[B]', 'y=1'),
      text('[A]', 'x=1'),
      text('[A]', 'x=1', '[B]', 'y=1', 'z=1'),
    ),
    [/\[B\]/],
  )
  t.equal(
    merged(
      'a.ini',
      text('[A]', 'x=1', '[B]', 'y=1'),
      text('[A]', 'x=1', '[B]', 'y=1', 'z=1'),
      text('[A]', 'x=1'),
    ),
    text('[A]', 'x=1', '[B]', 'z=1'),
  )
  // Comments that only theirs changed come along when lines merge too.
  t.equal(
    merged(
      'a.ini',
      text('# old', '[A]', 'x=1', 'y=1', 'z=1'),
      text('# old', '[A]', 'x=1', 'y=1', 'z=2'),
      text('# new', '[A]', 'x=1', 'y=1', 'z=1'),
    ),
    text('# new', '[A]', 'x=1', 'y=1', 'z=2'),
  )
})

t.test('keyed files: a merge loses and invents nothing', async t => {
  let seed = 99
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * n)
  }
  const users = Array.from(
    { length: 30 },
    (_, i) => `u${i}:x:${i + 10}:1::/:/bin/sh`,
  )
  const pick = () => users.filter(() => random(3) > 0)
  for (let round = 0; round < 300; round++) {
    const [b, m, s] = [pick(), pick(), pick()]
    const result = merged(
      'passwd',
      text(root, ...b),
      text(root, ...m),
      text(root, ...s),
    )
    if (typeof result !== 'string') t.fail(`${round}: ${result.join()}`)
    const expected = users.filter(user => {
      const [inB, inM, inS] = [b, m, s].map(list => list.includes(user))
      return inM === inB ? inS : inM
    })
    t.same(String(result).trim().split('\n').slice(1).sort(), expected.sort())
  }
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
