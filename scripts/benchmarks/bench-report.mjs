/** Rows of goals, and the mounts that they measure. */
import { existsSync, readFileSync } from 'node:fs'
import { at, dendro, env, log, mnt, sh, show } from './bench-lib.mjs'

export const rows = []
/** A row; `goal` is said in words, `isMet` decides. */
const row = (what, own, peer, peerValue, goal, isMet) => {
  const ratio =
    peerValue === undefined ? '-' : (own.value / peerValue).toFixed(2)
  const line = `| ${what} | ${show(own.value)} ${own.unit} | ${peer} | ${show(peerValue)} | ${ratio} | ${goal} | ${isMet ? 'yes' : 'no'} |`
  rows.push(line)
  log(line)
}
export const against = (what, unit, own, peer, peerValue, factor) =>
  row(
    what,
    { value: own, unit },
    peer,
    peerValue,
    `<= ${factor} x`,
    own <= peerValue * factor,
  )
export const atMost = (what, unit, own, limit, peer = '-', peerValue) =>
  row(
    what,
    { value: own, unit },
    peer,
    peerValue,
    `<= ${limit} ${unit}`,
    own <= limit,
  )

export const mountDendro = (rev = 't') =>
  sh('"$1" mount "$2" "$3"', dendro, rev, mnt)
/** Waits for the server to end, so that the next one is a fresh one. */
export const umountDendro = () =>
  sh(
    '"$1" umount "$2"; while ls -d /run/dendro/"$3".* >/dev/null 2>&1; do sleep 0.1; done',
    dendro,
    mnt,
    repositoryId(),
  )
/** How EROFS is mounted and unmounted; makes its image unless that was done. */
export const erofsOf = tree => {
  const image = at('erofs.img')
  if (!existsSync(image))
    sh('mkfs.erofs -zlz4hc "$1" "$2" >/dev/null 2>&1', image, tree)
  return [
    () => sh('mount -t erofs -o loop,ro "$1" "$2"', image, mnt),
    () => sh('umount "$1"', mnt),
  ]
}
const repositoryId = () =>
  JSON.parse(readFileSync(`${env.DENDRO_REPO}/config.json`, 'utf8')).id
export const serverStatistics = () =>
  JSON.parse(sh('"$1" mount stats "$2" --json', dendro, mnt))

export const WALK = {
  'find -ls': 'find "$1/" -ls > /dev/null',
  'tar c': 'tar cf - -C "$1" . | cat > /dev/null',
  'grep -r':
    'grep -r nothing-holds-this-line "$1/usr/include" > /dev/null || true',
}

/** Commits `tree` as `t`, unless that was done. */
export const commitTree = tree => {
  if (existsSync(`${env.DENDRO_REPO}/refs/t`)) return
  sh(
    'test -d "$DENDRO_REPO" || "$1" init >/dev/null; "$1" commit -b t "$2" >/dev/null',
    dendro,
    tree,
  )
}

export const rssMb = () => serverStatistics().rssBytes / 1e6
