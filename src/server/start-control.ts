/** Makes the control thread of a server out of what its parent gave it. */

import { writeSync } from '../system/files.ts'
import { sendInvalidation } from '../fuse/notify.ts'
import { HeldDirectory } from '../system/held-path.ts'
import { shim } from '../system/native.ts'
import type { ControlSetup } from './control-setup.ts'
import { ControlThread } from './control-thread.ts'
import { startKeeper } from './keeper.ts'
import { eventLogOf } from './news.ts'
import { viewState } from './shared-state.ts'

const EXIT_BUG = 70

/** Turns this thread into the control thread; it lasts as long as the process. */
export const startControl = (setup: ControlSetup): void => {
  // This thread cannot be replaced alone, and its parent sleeps in the kernel:
  // the keeper starts another server.
  process.on('uncaughtException', error => {
    writeSync(2, `dendro: control thread: ${error.stack ?? error.message}\n`)
    shim().exit(EXIT_BUG)
  })
  const { config, fd, stateFd } = setup
  const repository = HeldDirectory.of(
    setup.repository.fd,
    setup.repository.path,
  )
  const events = eventLogOf(repository, config)
  new ControlThread(setup, {
    repository,
    events,
    state: stateFd < 0 ? undefined : viewState(stateFd),
    sendAll: invalidations => {
      if (fd < 0) return
      for (const invalidation of invalidations)
        sendInvalidation(fd, invalidation)
    },
    startKeeper: () =>
      startKeeper(config, { fuse: fd, state: stateFd }, events),
    exit: code => shim().exit(code),
  }).start()
}
