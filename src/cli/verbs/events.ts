/** dendro events */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownServers } from '../../mount/servers.ts'
import { readEvents } from '../../store/event-log.ts'
import type { LoggedEvent } from '../../store/event-log.ts'
import type { FilePlace } from '../../system/held-path.ts'
import { sizeOfPlace } from '../../system/plain-file.ts'
import { parseVerb } from '../shared/arguments.ts'
import type { Verb } from '../shared/arguments.ts'
import { withRepository } from '../shared/open-repository.ts'
import { print } from '../shared/output.ts'
import { RUNTIME_FILE } from '../../system/protocol.ts'

const usage = 'events [--follow] [--type TYPE]'

const POLL_MS = 200

export const verb: Verb = {
  usage,
  summary:
    'tell what happened to the repository and its mounts\n\n' +
    'Damage that readers met, servers that died and were replaced, checks,\n' +
    'repairs and prunes, oldest first. With --json a line of JSON each; with\n' +
    '--follow it goes on with what happens next.',
  run: context => {
    const options = {
      follow: { type: 'boolean', short: 'f' },
      type: { type: 'string' },
    } as const
    const parsed = parseVerb(context, usage, options, [0, 0])
    const wanted = parsed.string('type')
    return withRepository(context.global, async repository => {
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
            print(context.global.json ? key : describe(event))
        }
        seen = now
        if (!parsed.flag('follow')) return
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
