/**
 * Measures what deployments cost beside ostree's, and prints a table in
 * Markdown.
 *
 *     scripts/bench deploy [--rounds N]
 *
 * Debian 12 deployed, 30 files of /etc changed, Debian 13 deployed over it.
 * Needs root; works in a directory of its own, which it removes.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  base,
  cleanUp,
  dendro as program,
  env,
  fixtures,
  install,
  machine,
  median,
  option,
  project,
  seconds,
  sh,
} from './bench-lib.mjs'

const rounds = Number(option('rounds', 5))
const pair = join(fixtures, 'pair')
// Repositories are those of the sysroots.
env.DENDRO_REPO = ''

const EDIT = `
  cd "$1"
  for i in 1 2 3 4 5 6 7 8 9 10; do echo "$i" > "mine$i"; done
  for f in $(find . -type f -size -8k | sort | head -n 20); do echo '# mine' >> "$f"; done
`

const times = new Map()
const note = (name, value) =>
  times.set(name, [...(times.get(name) ?? []), value])

/** ostree wants defaults in /usr/etc, and a kernel. */
const prepare = (from, to) =>
  sh(
    `
    cp -a "$1" "$2"
    mv "$2/etc" "$2/usr/etc"
    mkdir -p "$2/usr/lib/modules/1" "$2/sysroot" "$2/boot"
    rm -rf "$2/var" "$2/dev" && mkdir "$2/var" "$2/dev"
    echo kernel > "$2/usr/lib/modules/1/vmlinuz"
    echo initramfs > "$2/usr/lib/modules/1/initramfs.img"
    `,
    from,
    to,
  )

try {
  install({ ostree: 'ostree' })
  sh('"$1" "$2"', join(project, 'scripts/testing/make-release-pair'), pair)
  const [old, next] = ['old', 'new'].map(name => join(base, name))
  prepare(join(pair, 'old'), old)
  prepare(join(pair, 'new'), next)
  for (let round = 0; round < rounds; round++) {
    const root = join(base, `dendro${round}`)
    mkdirSync(root)
    const dendro = (command, ...args) =>
      seconds(`"$1" --sysroot "$2" ${command}`, program, root, ...args)
    dendro('init')
    dendro('commit -b os "$3"', old)
    note('first deployment', dendro('deploy os'))
    const layer = sh('echo "$1"/dendro/deploy/*/*.0/etc/upper', root)
    const mounted = join(base, 'mounted')
    dendro('root assemble "$3"', mounted)
    sh(EDIT, join(mounted, 'etc'))
    dendro('root release "$3"', mounted)
    dendro('commit -b os "$3"', next)
    note('what was changed in /etc', dendro('etc diff'))
    note('upgrade, 30 files of /etc changed', dendro('upgrade'))
    note('rollback', dendro('rollback'))
    note('status', dendro('status'))
    note('run true', dendro('run -- true'))
    note('create an instance', dendro('instance create i os'))
    note(
      'instance, kB',
      Number(sh('du -sk "$1"/dendro/instances/i | cut -f1', root)),
    )
    if (layer === '') throw new Error('no layer')

    const peer = join(base, `ostree${round}`)
    sh(
      'mkdir "$1" && ostree admin init-fs "$1" && ostree admin os-init --sysroot="$1" os',
      peer,
    )
    const ostree = (command, ...args) =>
      seconds(`ostree ${command} --repo="$1"/ostree/repo`, peer, ...args)
    ostree('commit -b os --tree=dir="$2"', old)
    const admin = command => seconds(`ostree admin ${command}`, peer)
    note('ostree first deployment', admin('deploy --sysroot="$1" --os=os os'))
    sh(EDIT, sh('echo "$1"/ostree/deploy/os/deploy/*.0/etc', peer))
    note(
      'ostree what was changed in /etc',
      admin('config-diff --sysroot="$1" --os=os'),
    )
    ostree('commit -b os --tree=dir="$2"', next)
    note(
      'ostree upgrade, 30 files of /etc changed',
      admin('deploy --sysroot="$1" --os=os os'),
    )
    note('ostree status', admin('status --sysroot="$1"'))
    sh('chattr -i "$1"/ostree/deploy/os/deploy/*.0; rm -rf "$1"', peer)
  }
  console.log(`${machine()} Medians of ${rounds}, seconds.\n`)
  console.log('| | dendro | ostree | ratio |\n|---|---|---|---|')
  for (const [name, values] of times) {
    if (name.startsWith('ostree ')) continue
    const mine = median(values)
    const other = times.get(`ostree ${name}`)
    const theirs = other === undefined ? undefined : median(other)
    const digits = name.endsWith('kB') ? 0 : 3
    console.log(
      `| ${name} | ${mine.toFixed(digits)} | ${theirs?.toFixed(3) ?? '-'} | ${theirs === undefined ? '-' : (mine / theirs).toFixed(2)} |`,
    )
  }
} finally {
  sh(
    'for m in $(findmnt -rno TARGET | grep "^$1" | sort -r); do umount -l "$m"; done; chattr -R -i "$1" 2>/dev/null || true',
    base,
  )
  cleanUp()
}
