/** What the measurements share: a place to work in, shells, clocks, medians. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const project = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
export const dendro = join(project, 'scripts/dendro')
export const fixtures =
  process.env.DENDRO_FIXTURES ?? '/var/tmp/dendro-fixtures'

/** The value behind `--name`, or `fallback`. */
export const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}

/** A directory that `cleanUp` removes. */
export const base = mkdtempSync('/var/tmp/dendro-bench-')
export const at = name => join(base, name)
export const mnt = at('mnt')
mkdirSync(mnt)

export const env = {
  ...process.env,
  DENDRO_REPO: at('dendro'),
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  BORG_BASE_DIR: at('borg-home'),
  RESTIC_PASSWORD: 'x',
  RESTIC_CACHE_DIR: at('restic-cache'),
}
mkdirSync(env.BORG_BASE_DIR)

/** What a shell script prints; its arguments are $1 and so on. */
export const sh = (script, ...args) => {
  const result = spawnSync('sh', ['-euc', script, 'sh', ...args], {
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (result.status !== 0)
    throw new Error(`${script}: ${result.stderr.slice(0, 1000)}`)
  return result.stdout.trim()
}

/** Seconds that a shell script takes. */
export const seconds = (script, ...args) => secondsOf(() => sh(script, ...args))

export const secondsOf = work => {
  const began = performance.now()
  work()
  return (performance.now() - began) / 1000
}

export const median = values =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** The least value that at most `percent` of the values exceed. */
export const percentile = (values, percent) =>
  [...values].sort((a, b) => a - b)[
    Math.min(values.length - 1, Math.floor((values.length * percent) / 100))
  ]

export const dropCaches = () => sh('sync; echo 3 > /proc/sys/vm/drop_caches')

export const megabytes = path => Number(sh('du -sb "$1" | cut -f1', path)) / 1e6

export const show = value =>
  value === undefined
    ? '-'
    : value >= 10
      ? value.toFixed(1)
      : value >= 0.1
        ? value.toFixed(2)
        : value.toFixed(3)

export const log = text => console.error(`# ${text}`)

/** Installs the programs, given as {program: package}, that are missing. */
export const install = programs => {
  const packages = Object.entries(programs)
    .filter(
      ([name]) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
    )
    .map(([, name]) => name)
  // borg mounts through a Python binding that it only recommends.
  const hasBinding = spawnSync('python3', ['-c', 'import pyfuse3']).status === 0
  if ('borg' in programs && !hasBinding) packages.push('python3-pyfuse3')
  if (packages.length > 0)
    sh(
      'apt-get -qq update; apt-get -qqy --no-install-recommends install "$@" >/dev/null',
      ...packages,
    )
}

/** A tree of scripts/testing/make-tree, made when it is not there. */
export const realTree = (name, ...options) => {
  const tree = join(fixtures, name)
  sh('"$@" >&2', join(project, 'scripts/testing/make-tree'), tree, ...options)
  return tree
}

/** How large a tree is, in words. */
export const sizeInWords = tree =>
  `${sh('find "$1" | wc -l', tree)} inodes, ${sh('du -sm --apparent-size "$1" | cut -f1', tree)} MiB`

/** One line that says when and where this ran. */
export const machine = () => {
  const model = /model name\s*: (.*)/.exec(
    readFileSync('/proc/cpuinfo', 'utf8'),
  )?.[1]
  return `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores ${model}, kernel ${sh('uname -r')}, Node ${process.version}.`
}

export const cleanUp = () => {
  spawnSync('umount', ['-l', mnt])
  sh('echo 1 > /proc/sys/vm/drop_caches')
  rmSync(base, { recursive: true, force: true })
}
