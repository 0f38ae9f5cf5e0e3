/** The program of the thread that works ahead; see ahead.ts and ahead-thread.ts. */

import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { storePages } from '../fuse/notify.ts'
import { FrameDecoder } from '../store/frame-decoder.ts'
import { FrameRing } from '../store/frame-ring.ts'
import { repositoryPaths } from '../store/layout.ts'
import { writeSync } from '../system/files.ts'
import { HeldDirectory } from '../system/held-path.ts'
import { setThreadNice } from '../system/thread-priority.ts'
import { AheadThread } from './ahead-thread.ts'
import type { AheadSetup } from './ahead.ts'
import type { StoreJob } from './store-job.ts'

/** Who answers a request comes first: nice(1) levels below the server. */
const NICE = 5
/** What an eventfd is raised by. */
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])

const { memory, repository, framesAhead, port, fuseFd, wakeFd, words } =
  workerData as AheadSetup
setThreadNice(NICE)
const ring = new FrameRing(memory)
const { packs } = repositoryPaths(
  HeldDirectory.of(repository.fd, repository.path),
)
new AheadThread({
  ring,
  decoder: new FrameDecoder(packs, ring),
  words,
  framesAhead,
  nextJob: () =>
    (receiveMessageOnPort(port) as { message: StoreJob } | undefined)?.message,
  storePages: (nodeId, parts) => storePages(fuseFd, nodeId, parts),
  wake: () => writeSync(wakeFd, ONE),
}).run()
