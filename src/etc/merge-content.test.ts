/** The drivers for keyed lines and sections, and the last check of accounts. */

import t from 'tap'
import { mergeContent } from './merge-content.ts'

const text = (...lines: string[]): string => lines.map(l => `${l}\n`).join('')

const merged = (path: string, base: string, mine: string, theirs: string) => {
  const result = mergeContent(path, base, mine, theirs)
  return 'text' in result ? result.text : result.overlaps
}

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
})

t.test('sections: new ones, removed ones, and comments', async t => {
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

t.test('keyed files: what both sides add to 100,000 lines', async t => {
  const base = Array.from({ length: 100_000 }, (_, i) => `s${i} ${i}/tcp\n`)
  const there = base.flatMap((line, i) => [line, `t${i} ${i}/udp\n`])
  const both = ['a 1/tcp\n', ...there]
  t.equal(
    merged(
      'services',
      base.join(''),
      `a 1/tcp\n${base.join('')}`,
      there.join(''),
    ),
    both.join(''),
  )
})

t.test('sections: a key before all of them', async t => {
  const base = text('# top', '[A]', 'a=1')
  t.equal(
    merged('x.ini', base, `${base}b=2\n`, text('# top', 'k=v', '[A]', 'a=1')),
    text('# top', 'k=v', '[A]', 'a=1', 'b=2'),
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
