/** Measurements of many: readers, commits, files. */
import { spawn } from 'node:child_process'
import { appendFileSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  at,
  dendro,
  dropCaches,
  env,
  log,
  machine,
  median,
  megabytes,
  mnt,
  percentile,
  seconds,
  secondsOf,
  sh,
  show,
} from './bench-lib.mjs'
import { churnPlot } from './bench-plot.mjs'
import {
  against,
  atMost,
  commitTree,
  erofsOf,
  mountDendro,
  rssMb,
  umountDendro,
  WALK,
} from './bench-report.mjs'

const readers = (count, root) =>
  seconds(
    'for i in $(seq 0 $(($2 - 1))); do (cd "$1"; find usr/lib usr/share -type f | awk "NR % $2 == $i" | tr "\\n" "\\0" | xargs -0 cat > /dev/null) & done; wait',
    root,
    String(count),
  )

export const measureParallel = async (tree, rounds) => {
  commitTree(tree)
  sh(
    'mksquashfs "$2" "$1" -comp zstd -Xcompression-level 3 -quiet -no-progress >/dev/null 2>&1',
    at('squash.img'),
    tree,
  )
  const kinds = {
    dendro: [() => mountDendro(), umountDendro],
    squashfuse: [
      () => sh('squashfuse_ll "$1" "$2"', at('squash.img'), mnt),
      () => sh('umount "$1"', mnt),
    ],
  }
  const times = {}
  for (let round = 0; round < rounds; round++)
    for (const count of [1, 2, 4, 8])
      for (const [kind, [mount, umount]] of Object.entries(kinds)) {
        mount()
        dropCaches()
        ;(times[`${kind} ${count}`] ??= []).push(readers(count, mnt))
        umount()
      }
  for (const count of [1, 2, 4, 8])
    against(
      `${count} cold readers`,
      's',
      median(times[`dendro ${count}`]),
      'squashfuse_ll',
      median(times[`squashfuse ${count}`]),
      1,
    )
  await measureLatency(tree, rounds)
}

/** `lstat` of names that the kernel does not know, while a cold tar runs. */
const measureLatency = async (tree, rounds) => {
  const paths = sh('cd "$1"; find usr/share -type f', tree).split('\n')
  const peer = 'EROFS lz4hc'
  const kinds = {
    dendro: [() => mountDendro(), umountDendro],
    [peer]: erofsOf(tree),
  }
  const worst = {}
  for (let round = 0; round < rounds; round++)
    for (const [kind, [mount, umount]] of Object.entries(kinds)) {
      mount()
      dropCaches()
      const times = await statDuringTar(paths)
      ;(worst[kind] ??= []).push(percentile(times, 99))
      log(
        `stat during tar, ${kind}: ${times.length} times, p50 ${percentile(times, 50).toFixed(3)} p99 ${percentile(times, 99).toFixed(3)} max ${Math.max(...times).toFixed(1)} ms`,
      )
      umount()
    }
  atMost(
    'p99 of `stat` during a cold `tar`',
    'ms',
    median(worst.dendro),
    2,
    peer,
    median(worst[peer]),
  )
}

/** Milliseconds of each. */
const statDuringTar = async paths => {
  const tar = spawn('sh', ['-c', WALK['tar c'], 'sh', mnt])
  const ended = new Promise(done => tar.on('close', done))
  const times = []
  let step = 0
  while (tar.exitCode === null) {
    // Deep in what tar comes to last.
    const path = paths[paths.length - 1 - ((step * 37) % paths.length)]
    step++
    const began = performance.now()
    lstatSync(`${mnt}/${path}`)
    times.push(performance.now() - began)
    await sleep(4)
  }
  await ended
  return times
}

/** Changes one file in a hundred, another hundredth each time. */
const churn = (source, files, round) => {
  for (let i = round % 100; i < files.length; i += 100)
    appendFileSync(`${source}/${files[i]}`, `change ${round}\n`)
}

export const measureChurn = (tree, commits, svg) => {
  sh('rm -rf "$1"; "$2" init >/dev/null', env.DENDRO_REPO, dendro)
  const source = at('churn')
  sh('cp -a "$1" "$2"', tree, source)
  const files = sh(
    'cd "$1"; find usr -type f -size -64k -links 1',
    source,
  ).split('\n')
  sh('"$1" commit -b t "$2" >/dev/null', dendro, source)
  const points = []
  let last = megabytes(env.DENDRO_REPO)
  for (let round = 1; round <= commits; round++) {
    churn(source, files, round)
    const took = seconds('"$1" commit -b t "$2" >/dev/null', dendro, source)
    const now = megabytes(env.DENDRO_REPO)
    points.push({ commit: round, seconds: took, megabytes: now - last })
    last = now
    if (round % 20 === 0) log(`churn: commit ${round} took ${show(took)} s`)
  }
  const part = Math.floor(commits / 4)
  const of = (key, from) =>
    median(points.slice(from, from + part).map(point => point[key]))
  for (const [key, unit] of [
    ['seconds', 's'],
    ['megabytes', 'MB'],
  ])
    against(
      `churn: ${key} a commit, last quarter of ${commits}`,
      unit,
      of(key, commits - part),
      'first quarter',
      of(key, 0),
      1.15,
    )
  if (svg !== undefined) writeFileSync(svg, churnPlot(points, machine()))
  measureManyCommits()
}

/** Walks ten commits of the churn with one server. */
const measureManyCommits = () => {
  sh('"$1" mount "$2"', dendro, mnt)
  const ids = sh('ls "$1/commits" | head -10', mnt).split('\n')
  let first
  for (const id of ids) {
    sh(WALK['find -ls'], `${mnt}/commits/${id}`)
    sh(WALK['tar c'], `${mnt}/commits/${id}/usr/share`)
    first ??= rssMb()
  }
  against(
    'RSS after walking ten commits',
    'MB',
    rssMb(),
    'after one',
    first,
    1.3,
  )
  umountDendro()
}

const MANY_DIRECTORIES = 1000
const MANY_FILES = 1000

export const measureScale = rounds => {
  sh('rm -rf "$1"; "$2" init >/dev/null', env.DENDRO_REPO, dendro)
  const source = at('many')
  for (let d = 0; d < MANY_DIRECTORIES; d++) {
    mkdirSync(`${source}/d${d}`, { recursive: true })
    for (let f = 0; f < MANY_FILES; f++)
      writeFileSync(`${source}/d${d}/f${f}`, `${d} ${f}\n`)
  }
  const few = at('thousand')
  sh('mkdir "$2"; cp -a "$1/d0" "$2/"', source, few)
  sh('"$1" commit -b few "$2" >/dev/null', dendro, few)
  const took = seconds('"$1" commit -b t "$2" >/dev/null', dendro, source)
  log(`1,000,000 files committed in ${show(took)} s`)
  const mounts = { few: [], t: [] }
  const first = []
  for (let round = 0; round < rounds; round++)
    for (const rev of ['few', 't']) {
      mounts[rev].push(secondsOf(() => mountDendro(rev)))
      if (rev === 't') first.push(seconds('ls "$1" > /dev/null', mnt))
      umountDendro()
    }
  atMost('mount, 1,000 files', 'ms', median(mounts.few) * 1000, 150)
  atMost('mount, 1,000,000 files', 'ms', median(mounts.t) * 1000, 150)
  atMost('first `ls`, 1,000,000 files', 'ms', median(first) * 1000, 50)
  mountDendro()
  log(`walk of it: ${show(seconds(WALK['find -ls'], mnt))} s`)
  atMost('RSS after walking 1,000,000 files', 'MB', rssMb(), 300)
  umountDendro()
}
