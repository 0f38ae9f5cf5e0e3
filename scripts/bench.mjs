/**
 * Measures dendro beside its peers in one run, and prints tables in Markdown.
 *
 *     scripts/bench mount|store|all [--rounds N] [--slow-rounds N] [--tree DIR]
 *
 * cold: a fresh mount and dropped caches. Every number is a median of its
 * rounds; ratios are to the first column named in the table. Needs root; works
 * in a directory of its own, which it removes.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const dendro = join(project, 'scripts/dendro')
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const what = process.argv[2] ?? 'all'
const rounds = Number(option('rounds', 5))
const slowRounds = Number(option('slow-rounds', rounds))
const fixtures = process.env.DENDRO_FIXTURES ?? '/var/tmp/dendro-fixtures'
const tree = option('tree', join(fixtures, 'tree'))
if (!['mount', 'store', 'all'].includes(what) || process.geteuid() !== 0) {
  console.error(
    'usage: scripts/bench mount|store|all [--rounds N] [--slow-rounds N] [--tree DIR] (as root)',
  )
  process.exit(2)
}

const base = mkdtempSync('/var/tmp/dendro-bench-')
const env = {
  ...process.env,
  DENDRO_REPO: join(base, 'dendro'),
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  BORG_BASE_DIR: join(base, 'borg-home'),
  RESTIC_PASSWORD: 'x',
  RESTIC_CACHE_DIR: join(base, 'restic-cache'),
}
const sh = (script, ...args) => {
  const result = spawnSync('sh', ['-euc', script, 'sh', ...args], {
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (result.status !== 0)
    throw new Error(`${script}: ${result.stderr.slice(0, 1000)}`)
  return result.stdout.trim()
}
const timed = (script, ...args) => {
  const began = process.hrtime.bigint()
  sh(script, ...args)
  return Number(process.hrtime.bigint() - began) / 1e9
}
const median = values =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const dropCaches = () => sh('sync; echo 3 > /proc/sys/vm/drop_caches')
const megabytes = path =>
  Number(sh('du -sk --apparent-size "$1" | cut -f1', path)) / 1000
const show = seconds =>
  seconds === undefined
    ? '-'
    : seconds >= 10
      ? seconds.toFixed(1)
      : seconds.toFixed(2)
const log = text => console.error(`# ${text}`)

const install = () => {
  const programs = {
    'mkfs.erofs': 'erofs-utils',
    mksquashfs: 'squashfs-tools',
    squashfuse_ll: 'squashfuse',
    restic: 'restic',
    borg: 'borgbackup',
  }
  const missing = Object.entries(programs).filter(
    ([name]) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  )
  const packages = missing.map(([, pkg]) => pkg)
  // borg mounts through a Python binding that it only recommends.
  if (spawnSync('python3', ['-c', 'import pyfuse3']).status !== 0)
    packages.push('python3-pyfuse3')
  if (packages.length > 0)
    sh(
      'apt-get -qq update; apt-get -qqy --no-install-recommends install "$@" >/dev/null',
      ...packages,
    )
}

/** Each peer: how it stores the tree, and how it mounts it; `root` is the tree inside. */
const at = name => join(base, name)
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

const FIND = 'find "$1/" -ls > /dev/null'
const TAR = 'tar cf - -C "$1" . | cat > /dev/null'
const GREP =
  'grep -r nothing-holds-this-line "$1/usr/include" > /dev/null || true'

const measureMount = peer => {
  const dir = at('mnt')
  mkdirSync(dir, { recursive: true })
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
      ['coldFind', 'warmFind', FIND],
      ['coldTar', 'warmTar', TAR],
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
      results[cold].push(timed(script, root))
      results[warm].push(timed(script, root))
      if (cold === 'coldTar') {
        timed(GREP, root)
        results.warmGrep.push(timed(GREP, root))
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
  const dir = at('mnt')
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
      spawnSync('umount', ['-l', at('mnt')])
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
  install()
  if (!existsSync(join(tree, '.complete')))
    execFileSync(join(project, 'scripts/make-tree'), [tree], {
      stdio: 'inherit',
    })
  mkdirSync(env.BORG_BASE_DIR)
  const inodes = sh('find "$1" | wc -l', tree)
  const model = /model name\s*: (.*)/.exec(
    readFileSync('/proc/cpuinfo', 'utf8'),
  )?.[1]
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores ${model}, kernel ${sh('uname -r')}, Node ${process.version}.`,
  )
  console.log(
    `Tree: ${inodes} inodes, ${sh('du -sm --apparent-size "$1" | cut -f1', tree)} MiB. ${rounds} rounds (${slowRounds} for borg and restic), medians, seconds.`,
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
  spawnSync('sh', [
    '-c',
    'for m in "$1/mnt"; do umount -l "$m" 2>/dev/null; done',
    'sh',
    base,
  ])
  writeFileSync('/proc/sys/vm/drop_caches', '1')
  rmSync(base, { recursive: true, force: true })
}
