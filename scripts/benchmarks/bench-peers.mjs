/**
 * Measures dendro beside its peers in one run, and prints tables in Markdown.
 *
 *     scripts/bench peers [mount|store] [--rounds N] [--slow-rounds N] [--tree DIR]
 *
 * cold: a fresh mount and dropped caches. Every number is a median of its
 * rounds; ratios are to the first column named in the table. Needs root; works
 * in a directory of its own, which it removes.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  at,
  cleanUp,
  dendro,
  dropCaches,
  env,
  install,
  log,
  machine,
  median,
  megabytes,
  mnt,
  option,
  realTree,
  seconds,
  sh,
  show,
  sizeInWords,
} from './bench-lib.mjs'
import { WALK } from './bench-report.mjs'

const what = ['mount', 'store'].includes(process.argv[2])
  ? process.argv[2]
  : 'all'
const rounds = Number(option('rounds', 5))
const slowRounds = Number(option('slow-rounds', rounds))
if (process.geteuid() !== 0) {
  console.error('scripts/bench peers must be run as root')
  process.exit(2)
}
const tree = option('tree', undefined) ?? realTree('tree')

/** Each peer: how it stores the tree, and how it mounts it; `root` is the tree inside. */
const PEERS = [
  {
    name: 'dendro',
    store: () =>
      sh(
        '"$1" init >/dev/null; "$1" commit -b bench "$2" >/dev/null',
        dendro,
        tree,
      ),
    again: () => sh('"$1" commit -b bench "$2" >/dev/null', dendro, tree),
    stored: () => megabytes(env.DENDRO_REPO),
    mount: dir => sh('"$1" mount bench "$2"', dendro, dir),
    umount: dir => sh('"$1" umount "$2"', dendro, dir),
    rss: dir =>
      JSON.parse(sh('"$1" mount stats "$2" --json', dendro, dir)).rssBytes /
      1e6,
    mountTime: true,
  },
  {
    name: 'ext4',
    store: () => sh('cp -a "$1" "$2"', tree, at('ext4')),
    stored: () => megabytes(at('ext4')),
    mount: dir => sh('mount --bind "$1" "$2"', at('ext4'), dir),
    umount: dir => sh('umount "$1"', dir),
  },
  {
    name: 'EROFS lz4hc',
    store: () =>
      sh('mkfs.erofs -zlz4hc "$1" "$2" >/dev/null 2>&1', at('erofs.img'), tree),
    stored: () => megabytes(at('erofs.img')),
    mount: dir =>
      sh('mount -t erofs -o loop,ro "$1" "$2"', at('erofs.img'), dir),
    umount: dir => sh('umount "$1"', dir),
  },
  {
    name: 'squashfs zstd (kernel)',
    store: () =>
      sh(
        'mksquashfs "$2" "$1" -comp zstd -Xcompression-level 15 -quiet -no-progress >/dev/null 2>&1',
        at('squash.img'),
        tree,
      ),
    stored: () => megabytes(at('squash.img')),
    mount: dir =>
      sh('mount -t squashfs -o loop,ro "$1" "$2"', at('squash.img'), dir),
    umount: dir => sh('umount "$1"', dir),
  },
  {
    name: 'squashfuse_ll',
    stored: () => megabytes(at('squash.img')),
    mount: dir => sh('squashfuse_ll "$1" "$2"', at('squash.img'), dir),
    umount: dir => sh('umount "$1"', dir),
    program: 'squashfuse_ll',
  },
  {
    name: 'borg zstd,3',
    slow: true,
    store: () =>
      sh(
        'borg init -e none "$1" >/dev/null 2>&1; cd "$2"; borg create -C zstd,3 "$1::first" . >/dev/null 2>&1',
        at('borg'),
        tree,
      ),
    again: () =>
      sh(
        'cd "$2"; borg create -C zstd,3 "$1::again-$(date +%s%N)" . >/dev/null 2>&1',
        at('borg'),
        tree,
      ),
    stored: () => megabytes(at('borg')),
    mount: dir => sh('borg mount "$1::first" "$2"', at('borg'), dir),
    umount: dir => sh('borg umount "$1"; sleep 1', dir),
    program: 'borg mount',
  },
  {
    name: 'restic',
    slow: true,
    store: () =>
      sh(
        'restic -q init --repo "$1" >/dev/null 2>&1; cd "$2"; restic -q -r "$1" backup . >/dev/null 2>&1',
        at('restic'),
        tree,
      ),
    again: () =>
      sh(
        'cd "$2"; restic -q -r "$1" backup . >/dev/null 2>&1',
        at('restic'),
        tree,
      ),
    stored: () => megabytes(at('restic')),
    mount: dir =>
      sh(
        'restic -q -r "$1" mount "$2" >/dev/null 2>&1 & for i in $(seq 200); do [ -d "$2/snapshots/latest" ] && exit 0; sleep 0.1; done; exit 1',
        at('restic'),
        dir,
      ),
    umount: dir => sh('umount "$1"; sleep 1', dir),
    root: dir => join(dir, 'snapshots/latest'),
    program: 'restic -q',
  },
]

const rssOf = (peer, dir) => {
  if (peer.rss !== undefined) return peer.rss(dir)
  if (peer.program === undefined) return undefined
  const pids = sh(`pgrep -f "^[^ ]*/?${peer.program}" || true`)
    .split('\n')
    .filter(Boolean)
  const sizes = pids.map(pid =>
    Number(
      /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ??
        0,
    ),
  )
  return sizes.length === 0 ? undefined : Math.max(...sizes) / 1000
}

const measureMount = peer => {
  const dir = mnt
  const results = {
    coldFind: [],
    warmFind: [],
    coldTar: [],
    warmTar: [],
    warmGrep: [],
    rss: [],
    mount: [],
  }
  for (let round = 0; round < (peer.slow ? slowRounds : rounds); round++) {
    for (const [cold, warm, script] of [
      ['coldFind', 'warmFind', WALK['find -ls']],
      ['coldTar', 'warmTar', WALK['tar c']],
    ]) {
      dropCaches()
      const began = process.hrtime.bigint()
      peer.mount(dir)
      if (peer.mountTime)
        results.mount.push(Number(process.hrtime.bigint() - began) / 1e9)
      // Some keep the whole path of the tree.
      const top = peer.root?.(dir) ?? dir
      const root = existsSync(join(top, 'usr')) ? top : join(top, tree)
      dropCaches()
      results[cold].push(seconds(script, root))
      results[warm].push(seconds(script, root))
      if (cold === 'coldTar') {
        seconds(WALK['grep -r'], root)
        results.warmGrep.push(seconds(WALK['grep -r'], root))
        const rss = rssOf(peer, dir)
        if (rss !== undefined) results.rss.push(rss)
      }
      peer.umount(dir)
    }
  }
  return Object.fromEntries(
    Object.entries(results).map(([key, values]) => [
      key,
      values.length === 0 ? undefined : median(values),
    ]),
  )
}

/** The program in the page cache, as it is on a machine that uses it. */
const warmMount = () => {
  const dir = mnt
  const [own] = PEERS
  const times = Array.from({ length: Math.max(7, rounds) }, () => {
    const began = process.hrtime.bigint()
    own.mount(dir)
    const took = Number(process.hrtime.bigint() - began) / 1e9
    own.umount(dir)
    return took
  })
  return median(times)
}

const benchStore = () => {
  const rows = []
  for (const peer of PEERS.filter(p => p.store !== undefined)) {
    log(`store: ${peer.name}`)
    dropCaches()
    const began = process.hrtime.bigint()
    peer.store()
    sh('sync')
    const first = Number(process.hrtime.bigint() - began) / 1e9
    let again
    if (peer.again !== undefined) {
      const times = Array.from({ length: rounds }, () => {
        const start = process.hrtime.bigint()
        peer.again()
        return Number(process.hrtime.bigint() - start) / 1e9
      })
      again = median(times)
    }
    rows.push({ name: peer.name, first, again, stored: peer.stored() })
  }
  console.log(
    '\n| | commit, cold | again, unchanged | stored MB |\n|---|---|---|---|',
  )
  for (const row of rows)
    console.log(
      `| ${row.name} | ${show(row.first)} | ${show(row.again)} | ${row.stored.toFixed(0)} |`,
    )
}

const benchMount = () => {
  const rows = []
  for (const peer of PEERS) {
    log(`mount: ${peer.name}`)
    try {
      const row = {
        name: peer.name,
        stored: peer.stored(),
        ...measureMount(peer),
      }
      log(JSON.stringify(row))
      rows.push(row)
    } catch (error) {
      // One peer that does not work here takes nothing from the others.
      log(`${peer.name}: ${error.message}`)
      spawnSync('umount', ['-l', mnt])
    }
  }
  console.log(
    '\n| | cold `find -ls` | warm | cold `tar c` | warm | warm `grep -r` | RSS MB | stored MB |\n|---|---|---|---|---|---|---|---|',
  )
  for (const r of rows)
    console.log(
      `| ${r.name} | ${show(r.coldFind)} | ${show(r.warmFind)} | ${show(r.coldTar)} | ${show(r.warmTar)} | ${show(r.warmGrep)} | ${r.rss === undefined ? '-' : r.rss.toFixed(0)} | ${r.stored.toFixed(0)} |`,
    )
  const [own] = rows
  console.log(
    '\n| dendro, ratio to | cold `find -ls` | warm | cold `tar c` | warm | warm `grep -r` |\n|---|---|---|---|---|---|',
  )
  for (const r of rows.slice(1)) {
    const ratio = key => (own[key] / r[key]).toFixed(2)
    console.log(
      `| ${r.name} | ${ratio('coldFind')} | ${ratio('warmFind')} | ${ratio('coldTar')} | ${ratio('warmTar')} | ${ratio('warmGrep')} |`,
    )
  }
  console.log(
    `\nMount, from the start of the command until it answers: ${(warmMount() * 1000).toFixed(0)} ms, ` +
      `${(own.mount * 1000).toFixed(0)} ms when the program itself must come from disk (goal 150 ms).`,
  )
}

try {
  install({
    'mkfs.erofs': 'erofs-utils',
    mksquashfs: 'squashfs-tools',
    squashfuse_ll: 'squashfuse',
    restic: 'restic',
    borg: 'borgbackup',
  })
  console.log(machine())
  console.log(
    `Tree: ${sizeInWords(tree)}. ${rounds} rounds (${slowRounds} for borg and restic), medians, seconds.`,
  )
  if (what === 'mount')
    for (const peer of PEERS)
      if (peer.store) {
        log(`making: ${peer.name}`)
        peer.store()
      }
  if (what !== 'mount') benchStore()
  if (what !== 'store') benchMount()
} finally {
  cleanUp()
}
