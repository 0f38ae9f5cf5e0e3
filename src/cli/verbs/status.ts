/** dendro status */

import { statusOf } from '../../deploy/status.ts'
import type { DeploymentStatus } from '../../deploy/status.ts'
import { deploymentName } from '../../sysroot/sysroot.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/status.ts'
import { etcPath } from '../shared/deploy-output.ts'
import { formatTime } from '../shared/describe.ts'
import { withSysroot } from '../shared/open-sysroot.ts'
import { counted, jsonPath, print, printJson } from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global }) => {
    await withSysroot(global, sysroot => {
      const all = statusOf(sysroot)
      if (global.json) printJson({ deployments: all.map(toJson) })
      else if (all.length === 0)
        print('no deployments; dendro deploy REV makes one')
      else for (const status of all) show(status)
    })
  },
}

const toJson = (status: DeploymentStatus) => ({
  index: status.index,
  deployment: deploymentName(status.deployment),
  os: status.deployment.os,
  commit: status.deployment.commit,
  serial: status.deployment.serial,
  version: status.version,
  origin: status.origin,
  time: status.timeSec,
  default: status.index === 0,
  booted: status.isBooted,
  pending: status.isPending,
  rollback: status.isRollback,
  pinned: status.deployment.isPinned,
  unlocked: status.running?.isUnlocked ?? false,
  runningAt:
    status.running === undefined
      ? null
      : {
          pid: status.running.pid ?? null,
          etc: status.running.mountpoint,
        },
  etcChanges: status.etcChanges,
  conflicts: status.conflicts.map(jsonPath),
  etcOutdated: status.isOutdated,
  damage: status.damage ?? null,
  bootedInsteadOf: status.fallback?.wanted ?? null,
  notBooted: status.fallback?.why ?? [],
})

const show = (status: DeploymentStatus): void => {
  const { index, deployment, running } = status
  const marks = [
    status.isPending ? 'pending' : '',
    status.isRollback ? 'rollback' : '',
    deployment.isPinned ? 'pinned' : '',
    running?.isUnlocked === true ? 'unlocked' : '',
  ].filter(mark => mark !== '')
  const suffix = marks.length === 0 ? '' : ` (${marks.join(', ')})`
  const mark = status.isBooted ? '*' : ' '
  const line = (name: string, value: string) =>
    print(`${name.padStart(14)}: ${value}`)
  print(
    `${mark} ${index} ${deployment.os} ${deployment.commit.slice(0, 12)}.${deployment.serial}${suffix}`,
  )
  if (status.version !== null) line('Version', status.version)
  line('Commit', deployment.commit)
  line('Date', formatTime(status.timeSec))
  if (status.origin !== null) line('Ref', status.origin)
  line(
    '/etc',
    `${counted(status.etcChanges, 'change')}, ${counted(status.conflicts.length, 'conflict')}`,
  )
  for (const path of status.conflicts) line('Conflict', etcPath(path))
  if (status.isOutdated)
    line('Note', '/etc was changed since; dendro deploy --remerge merges again')
  if (status.damage !== undefined) line('Damage', status.damage)
  if (status.fallback !== undefined) {
    line('Booted for', status.fallback.wanted)
    for (const why of status.fallback.why) line('Not booted', why)
  }
  if (running !== undefined && !status.isBooted)
    line(
      'Runs',
      `/etc is mounted at ${running.mountpoint}${running.pid === undefined ? '' : ` for process ${running.pid}`}`,
    )
}
