/** dendro events */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownServers } from '../../mount/servers.ts'
import { readEvents } from '../../store/event-log.ts'
import type { LoggedEvent } from '../../store/event-log.ts'
import type { FilePlace } from '../../system/held-path.ts'
import { sizeOfPlace } from '../../system/plain-file.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/events.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print } from '../shared/output.ts'
import { RUNTIME_FILE } from '../../system/protocol.ts'

const POLL_MS = 200

export const verb: Verb<typeof definition> = {
  run: ({ global, options }) => {
    const wanted = options.type
    return withRepository(global, async repository => {
      const files = async (): Promise<FilePlace[]> => [
        repository.paths.events,
        ...(await ownServers(repository.identity)).map(directory =>
          join(directory, RUNTIME_FILE.events),
        ),
      ]
      let seen = new Set<string>()
      for (;;) {
        const events = (await files())
          .flatMap(readEvents)
          .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
        const now = new Set<string>()
        for (const event of events) {
          const key = JSON.stringify(event)
          now.add(key)
          if (seen.has(key)) continue
          if (wanted === undefined || event.type === wanted)
            print(global.json ? key : describe(event))
        }
        seen = now
        if (!options.follow) return
        const sizes = sizesOf(await files())
        while (sizesOf(await files()) === sizes) await sleep(POLL_MS)
      }
    })
  },
}

const sizesOf = (files: readonly FilePlace[]): string =>
  files.map(sizeOfPlace).join()

const describe = ({ time, type, ...details }: LoggedEvent): string => {
  const words = Object.entries(details).map(
    ([name, value]) =>
      `${name}=${typeof value === 'string' && value.includes(' ') ? JSON.stringify(value) : String(value)}`,
  )
  return [time, type, ...words].join(' ')
}
