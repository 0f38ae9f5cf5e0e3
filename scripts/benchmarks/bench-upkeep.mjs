/**
 * Measures what upkeep costs, and prints tables in Markdown.
 *
 *     scripts/bench upkeep [--rounds N] [--commits N] [--tree DIR]
 *
 * The pause of a client whose server is killed, a whole check beside those of
 * borg and restic (caches dropped before each), and prunes of long histories.
 * Needs root; works in a directory of its own, which it removes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  base,
  cleanUp,
  dendro,
  dropCaches,
  env,
  fixtures,
  install,
  machine,
  median,
  mnt,
  option,
  project,
  seconds,
  sh,
  sizeInWords,
} from './bench-lib.mjs'

const rounds = Number(option('rounds', 5))
const commits = Number(option('commits', 10000))
const tree = option('tree', join(fixtures, 'tree'))
const state = () => {
  const { id } = JSON.parse(
    readFileSync(join(env.DENDRO_REPO, 'config.json'), 'utf8'),
  )
  const directory = sh('ls -d /run/dendro/"$1".*', id)
  return JSON.parse(readFileSync(join(directory, 'server.json'), 'utf8'))
}

/** Longer than the keeper remembers a death: each kill is the first. */
const BETWEEN_KILLS_MS = 31_000

const benchPause = async () => {
  sh('"$1" mount bench "$2"; find "$2" > /dev/null', dendro, mnt)
  const files = sh('find "$1/usr/bin" -type f -size -100k | sort', mnt)
    .split('\n')
    .slice(0, rounds)
  const { keeperPid } = state()
  const memory = /^Pss:\s+(\d+ kB)/m.exec(
    readFileSync(`/proc/${keeperPid}/smaps_rollup`, 'utf8'),
  )[1]
  const resident = /^VmRSS:\s+(\d+ kB)/m.exec(
    readFileSync(`/proc/${keeperPid}/status`, 'utf8'),
  )[1]
  const pauses = []
  for (const file of files) {
    process.kill(state().pid, 'SIGKILL')
    const began = performance.now()
    readFileSync(file)
    pauses.push(performance.now() - began)
    await sleep(BETWEEN_KILLS_MS)
  }
  const reloads = files.map(() =>
    seconds('"$1" mount reload "$2"', dendro, mnt),
  )
  sh('"$1" umount "$2"', dendro, mnt)
  const all = pauses.map(Math.round).sort((a, b) => a - b)
  console.log('### The pause\n')
  console.log(
    `A server that knows every inode of the tree is killed, and a file that is not cached is read: ${Math.round(median(pauses))} ms (median of ${all.join(', ')}). ` +
      `A reload takes ${median(reloads).toFixed(2)} s, command and all. The keeper: ${resident} resident, ${memory} of its own.\n`,
  )
}

const CHECKS = [
  ['dendro fsck', () => seconds('"$1" fsck >/dev/null', dendro)],
  [
    'dendro fsck --quick',
    () => seconds('"$1" fsck --quick >/dev/null', dendro),
  ],
  [
    'borg check --verify-data',
    () => seconds('borg check --verify-data "$1"', join(base, 'borg')),
  ],
  [
    'restic check --read-data',
    () =>
      seconds(
        'restic -q -r "$1" check --read-data >/dev/null',
        join(base, 'restic'),
      ),
  ],
]

const benchCheck = () => {
  sh(
    'borg init -e none "$1"; borg create -C zstd,3 "$1::a" "$2"',
    join(base, 'borg'),
    tree,
  )
  sh(
    'restic -q -r "$1" init; restic -q -r "$1" backup "$2"',
    join(base, 'restic'),
    tree,
  )
  console.log('### A whole check, caches dropped\n\n| | seconds |\n|---|---|')
  for (const [name, check] of CHECKS) {
    const times = Array.from({ length: rounds }, () => {
      dropCaches()
      return check()
    })
    console.log(`| ${name} | ${median(times).toFixed(1)} |`)
  }
}

const benchPrune = async () => {
  const load = path => import(join(project, 'dist/src', path))
  const { Repository } = await load('store/repository.js')
  const { commitDirectory } = await load('tree/commit.js')
  const { pruneRepository } = await load('upkeep/prune.js')
  const source = join(base, 'source')
  for (let d = 0; d < 20; d++) {
    mkdirSync(join(source, `d${d}`), { recursive: true })
    for (let f = 0; f < 10; f++)
      writeFileSync(join(source, `d${d}`, `f${f}`), `${d} ${f}\n`.repeat(50))
  }
  const repository = Repository.create(join(base, 'long'))
  for (let i = 0; i < commits; i++) {
    writeFileSync(
      join(source, `d${i % 20}`, `f${i % 7}`),
      `change ${i}\n`.repeat(60),
    )
    await commitDirectory(
      repository,
      {
        ref: 'r',
        source,
        subject: '',
        body: '',
        metadata: new Map(),
        timeSec: i * 3600,
      },
      { mtime: { kind: 'exact' } },
    )
  }
  console.log(
    `\n### Prunes of a history of ${commits} commits, each changing one file of 200\n\n| kept | removed | seconds |\n|---|---|---|`,
  )
  const half = commits / 2
  for (const last of [commits, commits - commits / 100, half, commits / 100]) {
    const began = performance.now()
    const { removedCommits } = await pruneRepository(repository, {
      rules: { last },
    })
    const took = (performance.now() - began) / 1000
    console.log(`| ${last} | ${removedCommits.length} | ${took.toFixed(2)} |`)
  }
  repository.close()
}

try {
  sh('"$1" "$2" >&2', join(project, 'scripts/testing/make-tree'), tree)
  install({ borg: 'borgbackup', restic: 'restic' })
  console.log(
    `${machine()} Tree: ${sizeInWords(tree)}. Medians of ${rounds}.\n`,
  )
  sh('"$1" init >/dev/null; "$1" commit -b bench "$2" >/dev/null', dendro, tree)
  await benchPause()
  benchCheck()
  await benchPrune()
} finally {
  cleanUp()
}
