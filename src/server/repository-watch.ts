/**
 * What happens to the repository of a mount: publications, and moves.
 *
 * The mount follows its repository wherever that is moved, since the server
 * holds its directory; another one under the old name is not served by it.
 */

import { descriptorPath, watch } from '../system/files.ts'
import type { HeldDirectory } from '../system/held-path.ts'
import { statPlace } from '../system/plain-file.ts'

const SETTLE_MS = 20
const POLL_MS = 500
/** What the kernel puts behind the path of what is nowhere. */
const DELETED = ' (deleted)'
/** A directory above it may be moved, which no watch on it tells. */
const MOVE_CHECK_MS = 10_000

export class RepositoryWatch {
  readonly #repository: HeldDirectory
  readonly #onMoved: (from: string, to: string) => void
  #path: string
  /** What `start` began. */
  #watcher: { close(): void } | undefined
  readonly #timers: NodeJS.Timeout[] = []

  /** `path` is where the repository was when its place was told last. */
  constructor(
    repository: HeldDirectory,
    path: string,
    onMoved: (from: string, to: string) => void,
  ) {
    this.#repository = repository
    this.#path = path
    this.#onMoved = onMoved
  }

  /**
   * Where it is now; who is to know of a move is told before. As long as the
   * old path leads to it, it was not moved: in another root directory, as that
   * of a boot, the kernel may call it by another name.
   */
  path(): string {
    const from = this.#path
    if (this.#repository.isAt(from)) return from
    const to = this.#repository.currentPath()
    const isKnown = to.endsWith(DELETED) || this.#repository.isAt(to)
    if (from === to || !isKnown) return from
    this.#path = to
    this.#onMoved(from, to)
    return to
  }

  /** Calls `onPublished` behind each publication, or burst of them, from now on. */
  start(onPublished: () => void): void {
    let timer: NodeJS.Timeout | undefined
    const changed = (): void => {
      // The first event of a burst starts the wait for its end.
      timer ??= setTimeout(() => {
        timer = undefined
        onPublished()
      }, SETTLE_MS)
    }
    this.#timers.push(setInterval(() => this.path(), MOVE_CHECK_MS))
    try {
      // Every publication replaces the file `generation`.
      const watcher = watch(
        `${descriptorPath(this.#repository.fd)}/.`,
        (_event, name) => {
          if (name === null || name === 'generation') changed()
          else this.path()
        },
      )
      watcher.on('error', () => this.#poll(changed))
      this.#watcher = watcher
    } catch {
      // Out of inotify watches: look twice a second instead.
      this.#poll(changed)
    }
  }

  /** Looks no more. */
  stop(): void {
    this.#watcher?.close()
    for (const timer of this.#timers) clearInterval(timer)
  }

  #poll(changed: () => void): void {
    let last = 0
    const look = (): void => {
      const now = statPlace(this.#repository.at('generation'))?.ino ?? 0
      if (now !== last) changed()
      last = now
    }
    this.#timers.push(setInterval(look, POLL_MS))
  }
}
