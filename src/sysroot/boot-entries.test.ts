import t from 'tap'
import { bootFiles } from './boot-entries.ts'
import {
  changedArguments,
  checkKernelArgument,
} from '../deploy/kernel-arguments.ts'
import type { ListedDeployment } from './sysroot.ts'

const commit = 'a'.repeat(64)
const deployment = (serial: number, words: string[]): ListedDeployment => ({
  os: 'debian',
  commit,
  serial,
  isPinned: false,
  kernelArguments: words,
  ...(serial === 1 ? { runtime: 'b'.repeat(64) } : {}),
})

t.test('entries, a menu and a list, the first deployment first', async t => {
  const files = bootFiles(
    [deployment(1, ['quiet', 'a="b c"']), deployment(0, [])],
    ({ serial }) => ({
      title: serial === 1 ? "it's\nnew" : 'old',
      version: String(serial),
      ...(serial === 1
        ? { linux: '/boot/dendro/k/vmlinuz', initrd: '/boot/dendro/k/initrd' }
        : {}),
    }),
  )
  const byName = new Map(files.map(({ name, text }) => [name, text]))
  t.equal(
    byName.get('loader/entries/dendro-2-debian.conf'),
    [
      "title it's new",
      'sort-key dendro-debian',
      'version 2',
      'linux /boot/dendro/k/vmlinuz',
      'initrd /boot/dendro/k/initrd',
      `options dendro=debian/${commit}.1 quiet a="b c"`,
      '',
    ].join('\n'),
  )
  t.match(
    byName.get('loader/entries/dendro-1-debian.conf'),
    /^title old\nsort-key dendro-debian\nversion 1\noptions dendro=\S+\n$/,
  )
  const menu = byName.get('grub.cfg') ?? ''
  t.match(menu, "menuentry 'it'\\''s new' {")
  t.match(
    menu,
    `  linux /boot/dendro/k/vmlinuz 'dendro=debian/${commit}.1' 'quiet' 'a=b c'`,
  )
  t.notMatch(menu, 'old', 'what has no kernel is in no menu')
  t.equal(
    byName.get('deployments'),
    `debian/${commit}.1 ${'b'.repeat(64)}\ndebian/${commit}.0 -\n`,
  )
})

t.test('changes of kernel arguments', async t => {
  const before = ['quiet', 'a=1', 'b=2', 'a=3']
  const change = (
    given: Partial<Parameters<typeof changedArguments>[1]>,
  ): string =>
    changedArguments(before, {
      append: [],
      delete: [],
      replace: [],
      ...given,
    }).join(' ')
  for (const [given, after] of [
    [{ append: ['a=4', 'c'] }, 'quiet a=1 b=2 a=3 a=4 c'],
    [{ delete: ['a'] }, 'quiet b=2'],
    [{ delete: ['a=3'] }, 'quiet a=1 b=2'],
    [{ delete: ['quiet'] }, 'a=1 b=2 a=3'],
    [{ replace: ['a=9'] }, 'quiet a=9 b=2'],
    [{ replace: ['new=1'] }, 'quiet a=1 b=2 a=3 new=1'],
    [
      { delete: ['b'], replace: ['quiet'], append: ['b=3'] },
      'quiet a=1 a=3 b=3',
    ],
  ] as const)
    t.equal(change(given), after, JSON.stringify(given))
  t.throws(() => change({ delete: ['x'] }), /'x': it is not there/)
  t.throws(() => change({ delete: ['a=2'] }), /'a=2': it is not there/)
})

t.test('what is a kernel argument', async t => {
  for (const good of ['quiet', 'a=b', 'dyndbg="file x +p"', 'root=UUID=1-2'])
    t.equal(checkKernelArgument(good), good)
  for (const bad of ['', 'a b', 'a\n', 'ä', '"a', 'x'.repeat(1025)])
    t.throws(() => checkKernelArgument(bad), /one word of printable ASCII/)
  t.throws(() => checkKernelArgument('dendro=x'), /names the deployment/)
  t.equal(checkKernelArgument('dendro.store=x'), 'dendro.store=x')
  for (const lost of ['a=b\\x2dc', "a='b'", 'a=b"c d"e'])
    t.throws(() => checkKernelArgument(lost), /GRUB would put a backslash/)
})
