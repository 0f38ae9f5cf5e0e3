/** What a server tells of itself and of what its readers met. */

import { join } from 'node:path'
import { isDamage } from '../errors.ts'
import { EventLog } from '../store/event-log.ts'
import { repositoryPaths } from '../store/layout.ts'
import { quarantine } from '../store/quarantine.ts'
import type { Repository } from '../store/repository.ts'
import type { HeldDirectory } from '../system/held-path.ts'
import { tellFailures } from './errno.ts'
import type { ServerConfig } from './server-config.ts'
import { RUNTIME_FILE } from '../system/protocol.ts'

/** Where this server's news go. */
export const eventLogOf = (
  repository: HeldDirectory,
  config: ServerConfig,
): EventLog =>
  new EventLog(
    repositoryPaths(repository).events,
    join(config.runtimeDirectory, RUNTIME_FILE.events),
  )

/** Damage that a reader met is news; the same damage only once. */
export const tellDamage = (repository: Repository, events: EventLog): void => {
  const told = new Set<string>()
  tellFailures(error => {
    if (!isDamage(error) || told.has(error.message)) return
    told.add(error.message)
    events.append('damage', { code: error.code, message: error.message })
    quarantine(repository, error)
  })
}
