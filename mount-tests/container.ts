/** A deployment that systemd boots in a container. */

import assert from 'node:assert/strict'
import {
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DENDRO } from './context.ts'
import type { TestContext } from './context.ts'

const NSPAWN = [
  ...['systemd-nspawn', '--quiet', '--boot', '--register=no', '--keep-unit'],
  ...['--resolv-conf=off', '--timezone=off', '--link-journal=no'],
  ...['--kill-signal=SIGRTMIN+3', '--console=read-only'],
]

/** A container that does not come up is not waited for. */
const BOOT_SECONDS = 150

/** What a machine says of its version, and what it can write to. */
const VERSIONS =
  'cat /etc/machine-version /etc/mine; systemctl --failed --no-legend --plain; touch /usr/x'

const stepUnit = (script: string): string => `[Unit]
Description=Test of the container
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '${script.replaceAll('%', '%%')}; echo end'
ExecStartPost=systemctl --no-block exit 7
StandardOutput=file:/run/out/step
StandardError=file:/run/out/step
`

/**
 * Boots what `script` puts together at $root, "$@" being the container, and
 * takes away; what the step printed.
 */
const boot = (
  t: TestContext,
  script: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): string => {
  const out = t.makeDirectory('out')
  rmSync(join(out, 'step'), { force: true })
  const { status, stderr } = t.try(
    'timeout',
    [
      ...['--signal=KILL', String(BOOT_SECONDS)],
      ...['unshare', '--mount', '--cgroup', 'sh', '-euc'],
      `mount -t tmpfs tmpfs /run
       out=$1 sysroot=$2 root=$3 dendro=$4; shift 4
       ${script}`,
      ...['sh', out, ...args, DENDRO, ...NSPAWN],
    ],
    { env: environment },
  )
  assert.equal(status, 7, `${status} ${stderr}`)
  return readFileSync(join(out, 'step'), 'utf8')
}

/**
 * Boots a deployment in a container; what its step printed. `more` are words for
 * systemd-nspawn.
 */
export const bootContainer = (
  t: TestContext,
  sysroot: string,
  repository: string,
  ...more: string[]
): string =>
  boot(
    t,
    `"$dendro" --sysroot "$sysroot" root assemble "$root"
     set +e; "$@" -D "$root" --bind="$out:/run/out" ${more.join(' ')}; status=$?; set -e
     "$dendro" --sysroot "$sysroot" root release "$root"
     exit $status`,
    [sysroot, t.path('root')],
    { DENDRO_REPO: repository },
  )

/** The same of a tree on a disk. */
export const bootTree = (t: TestContext, root: string): string =>
  boot(t, 'exec "$@" -D "$root" --bind="$out:/run/out"', ['', root])

/**
 * Has the container run a script once it is up, by a layer of /etc; what it
 * says goes to the host, and the container powers off. No quotes in `script`.
 */
export const addStep = (layer: string, script = VERSIONS): void => {
  const directory = join(layer, 'systemd/system')
  const wants = join(directory, 'multi-user.target.wants')
  mkdirSync(wants, { recursive: true })
  writeFileSync(join(directory, 'step.service'), stepUnit(script))
  symlinkSync('../step.service', join(wants, 'step.service'))
}
