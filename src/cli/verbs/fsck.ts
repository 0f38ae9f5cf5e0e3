/** dendro fsck */

import { latin1ToDisplay } from '../../bytes/latin1.ts'
import { DendroError } from '../../errors.ts'
import { digestToHex } from '../../objects/digest.ts'
import { resolveRevision } from '../../refs/revision.ts'
import { EventLog, readEvents } from '../../store/event-log.ts'
import { Repository } from '../../store/repository.ts'
import { statPlace } from '../../system/plain-file.ts'
import type { Finding } from '../../upkeep/findings.ts'
import { checkRepository } from '../../upkeep/fsck.ts'
import { readPublished } from '../../upkeep/published.ts'
import type { FsckOptions, FsckResult } from '../../upkeep/fsck.ts'
import { repairRepository } from '../../upkeep/repair.ts'
import { formatBytes } from '../../units.ts'
import { definition } from '../definitions/fsck.ts'
import { usageError } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { repositoryPath } from '../shared/open-repository.ts'
import {
  jsonPath,
  print,
  printJson,
  ProgressLine,
  warnWaiting,
} from '../shared/output.ts'

export const verb: Verb<typeof definition> = {
  run: async ({ global, options: asked }) => {
    const isRepair = asked.repair
    if (isRepair && (asked.quick || asked.since !== undefined))
      throw usageError('a repair checks everything', definition)
    const repository = Repository.open(repositoryPath(global), {
      isTolerant: true,
    })
    const line = new ProgressLine()
    const options: FsckOptions = {
      isQuick: asked.quick,
      ...since(repository, asked.since),
      onProgress: p =>
        line.update('checking', p.packs, p.totalPacks, p.bytes, p.totalBytes),
    }
    const onWait = warnWaiting
    try {
      if (isRepair) {
        const done = await repairRepository(repository, {
          ...options,
          from: asked.from,
          onWait,
        })
        line.end()
        report(repository, done.after, global.json, {
          repaired: done.before.findings,
          recovered: done.recovered,
          quarantined: done.quarantined,
        })
        return
      }
      const lock = await repository.lockObjects('shared', onWait)
      try {
        const publication = await repository.lockPublication(onWait)
        const published = readPublished(repository)
        publication.release()
        const result = checkRepository(repository, { ...options, published })
        line.end()
        report(repository, result, global.json)
      } finally {
        lock.release()
      }
    } finally {
      line.end()
      repository.close()
    }
  },
}

interface RepairReport {
  readonly repaired: readonly Finding[]
  readonly recovered: number
  readonly quarantined: readonly string[]
}

const isDamaged = ({ findings }: FsckResult): boolean =>
  findings.some(({ severity }) => severity === 'damage')

const report = (
  repository: Repository,
  result: FsckResult,
  json: boolean,
  repair?: RepairReport,
): void => {
  const damaged = isDamaged(result)
  const damage = result.findings.filter(f => f.severity === 'damage').length
  new EventLog(repository.paths.events).append(
    repair === undefined ? 'fsck' : 'repair',
    {
      damage,
      isWhole: !result.isQuick,
      objects: result.objects,
      ...(repair === undefined
        ? {}
        : { repaired: repair.repaired.length, recovered: repair.recovered }),
    },
  )
  if (json)
    printJson({
      damaged,
      quick: result.isQuick,
      packs: result.packs.length,
      objects: result.objects,
      commits: result.commits,
      bytes: result.bytes,
      findings: result.findings.map(describe),
      ...(repair === undefined
        ? {}
        : {
            repaired: repair.repaired.map(describe),
            recovered: repair.recovered,
            quarantined: repair.quarantined,
          }),
    })
  else {
    if (repair !== undefined) printRepair(repair, result)
    for (const finding of result.findings) printFinding(finding)
    print(
      `${result.packs.length} packs, ${result.objects} objects, ${result.commits} commits, ` +
        `${formatBytes(result.bytes)} read: ${damaged ? `${damage} damaged` : 'no damage'}`,
    )
  }
  if (damaged) process.exitCode = 3
}

const printRepair = (repair: RepairReport, after: FsckResult): void => {
  const left = new Set(after.findings.map(({ message }) => message))
  for (const { message } of repair.repaired)
    if (!left.has(message)) print(`repaired: ${message}`)
  for (const name of repair.quarantined)
    print(`moved to quarantine: pack ${name}`)
  if (repair.recovered > 0)
    print(`${repair.recovered} objects and commits taken from elsewhere`)
}

const printFinding = (finding: Finding): void => {
  print(`${finding.severity}: ${finding.message}`)
  for (const { commit, paths } of finding.affected ?? [])
    for (const path of paths)
      print(`    ${digestToHex(commit)} ${latin1ToDisplay(path)}`)
}

const describe = (finding: Finding) => ({
  ...finding,
  digest: finding.digest === undefined ? null : digestToHex(finding.digest),
  affected: (finding.affected ?? []).map(({ commit, paths }) => ({
    commit: digestToHex(commit),
    paths: paths.map(jsonPath),
  })),
})

/** When `--since` begins. */
const since = (
  repository: Repository,
  text: string | undefined,
): Pick<FsckOptions, 'sinceMs'> => {
  if (text === undefined) return {}
  if (text === 'last') {
    const last = readEvents(repository.paths.events).findLast(
      event => event.type === 'fsck' && event['isWhole'] === true,
    )
    return last === undefined ? {} : { sinceMs: Date.parse(last.time) }
  }
  if (/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$/.test(text)) {
    const sinceMs = Date.parse(
      text.length === 10 ? `${text}T00:00:00Z` : `${text.replace(' ', 'T')}Z`,
    )
    if (!Number.isNaN(sinceMs)) return { sinceMs }
    throw new DendroError('USAGE', `bad date ${text}`, {
      hint: 'write it as 2026-01-27 or 2026-01-27T12:30',
    })
  }
  const id = resolveRevision(repository, text)
  const place = repository.paths.commits.child(digestToHex(id))
  return { sinceMs: statPlace(place)?.mtimeMs ?? 0 }
}
