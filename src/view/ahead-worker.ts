/** The thread that decodes and stores before it is asked for; see ahead.ts. */

import { writeSync } from '../system/files.ts'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { ENOENT } from '../fuse/layout.ts'
import { storePages } from '../fuse/notify.ts'
import { DIGEST_BYTES } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { FrameDecoder } from '../store/frame-decoder.ts'
import { FrameRing, packKey } from '../store/frame-ring.ts'
import type { PackKey } from '../store/frame-ring.ts'
import { repositoryPaths } from '../store/layout.ts'
import { HeldDirectory } from '../system/held-path.ts'
import { setThreadNice } from '../system/thread-priority.ts'
import { ITEM_NUMBERS, PART_NUMBERS, WORD } from './ahead.ts'
import type { AheadSetup, StoreJob } from './ahead.ts'

/** Jobs that wait; of a longer queue the oldest are late and dropped. */
const MAX_JOBS = 64
/** Frames decoded behind the last one of a job. */
const FRAMES_BEHIND_JOB = 10
/** How long to look for news before sleeping: being woken takes longer. */
const SPIN_MS = 0.2
/** A reader takes up the nodes of a listing within so many pauses of so long. */
const TAKE_UP_TRIES = 4
const TAKE_UP_MS = 0.05
/** Packs are let go of when nothing was asked for so long. */
const IDLE_MS = 5000

/** Who answers a request comes first: nice(1) levels below the server. */
const NICE = 5

const { memory, repository, framesAhead, port, fuseFd, wakeFd, words } =
  workerData as AheadSetup
setThreadNice(NICE)
const ring = new FrameRing(memory)
const { packs } = repositoryPaths(
  HeldDirectory.of(repository.fd, repository.path),
)
const decoder = new FrameDecoder(packs, ring)
const jobs: StoreJob[] = []

/** Slots that the file in hand is in, and the frame of the last one. */
const pinned: number[] = []
let slot = -1
let slotKey: PackKey | undefined
let slotOffset = -1

const unpin = (): void => {
  for (const one of pinned) ring.unpin(one)
  pinned.length = 0
  slot = -1
  slotKey = undefined
}

/** Pins the frame, decoding it first where the ring lacks it; its slot or -1. */
const pin = (key: PackKey, frameOffset: number): number => {
  if (slotOffset === frameOffset && slotKey === key) return slot
  slot = ring.pin(key, frameOffset)
  if (slot < 0 && decoder.decode(key, frameOffset) !== undefined)
    slot = ring.pin(key, frameOffset)
  if (slot >= 0) pinned.push(slot)
  slotKey = key
  slotOffset = frameOffset
  return slot
}

const isCancelled = (): boolean => Atomics.load(words, WORD.cancel) === 1

/**
 * Stores a file. The reader may not have taken up the listing yet that the
 * node is from: then the first of them are not known for a moment.
 */
const store = (nodeId: number, parts: readonly Buffer[], isFirst: boolean) => {
  let result = storePages(fuseFd, nodeId, parts)
  for (let i = 0; isFirst && result === -ENOENT && i < TAKE_UP_TRIES; i++) {
    const until = performance.now() + TAKE_UP_MS
    while (performance.now() < until);
    result = storePages(fuseFd, nodeId, parts)
  }
  if (result > 0) Atomics.add(words, WORD.stored, 1)
}

const runJob = ({ id, packs: names, numbers, digests }: StoreJob): void => {
  const keys = names.map(packKey)
  const found: Buffer[] = []
  let part = 0
  let isFirst = true
  for (let at = 0; at < numbers.length && !isCancelled();) {
    const index = numbers[at] as number
    const nodeId = numbers[at + 1] as number
    const parts = numbers[at + 2] as number
    at += ITEM_NUMBERS
    const isLate =
      Atomics.load(words, WORD.progressJob) === id &&
      Atomics.load(words, WORD.progressIndex) >= index
    found.length = 0
    for (let i = 0; i < parts; i++, at += PART_NUMBERS, part++) {
      // Late, or a part before this one was not found.
      if (isLate || found.length < i) continue
      const key = keys[numbers[at] as number] as PackKey
      const bytes = ring.object(
        pin(key, numbers[at + 1] as number),
        digestOfPart(digests, part),
        numbers[at + 2] as number,
        numbers[at + 3] as number,
      )
      if (bytes !== undefined) found.push(bytes)
    }
    if (found.length === parts) {
      store(nodeId, found, isFirst)
      isFirst = false
    }
    // The last frame is likely to hold the next file too.
    if (pinned.length > 1) unpin()
  }
  unpin()
}

const digestOfPart = (digests: string, part: number): Digest =>
  digests.slice(part * DIGEST_BYTES, (part + 1) * DIGEST_BYTES) as Digest

/** Where decoding goes on, and for how many frames. */
let key: PackKey | undefined
let next: number | undefined
let left = 0
let aimed = 0

const takeJobs = (): void => {
  for (;;) {
    const got = receiveMessageOnPort(port) as { message: StoreJob } | undefined
    if (got === undefined) break
    jobs.push(got.message)
  }
  while (jobs.length > MAX_JOBS || (isCancelled() && jobs.length > 0)) {
    jobs.shift()
    Atomics.add(words, WORD.completed, 1)
  }
}

/** Does one piece of work; false when there is none. */
const step = (): boolean => {
  const job = jobs.shift()
  if (job !== undefined) {
    runJob(job)
    Atomics.add(words, WORD.completed, 1)
    const at = job.numbers.length - PART_NUMBERS
    key = packKey(job.packs[job.numbers[at] as number] as string)
    next = decoder.decode(key, job.numbers[at + 1] as number)
    left = FRAMES_BEHIND_JOB
    return true
  }
  const aim = ring.readAim()
  if (aim !== undefined && aim.sequence !== aimed) {
    aimed = aim.sequence
    key = aim
    next = aim.frameOffset
    left = framesAhead
  }
  if (key === undefined || next === undefined || left === 0) return false
  next = decoder.decode(key, next)
  left--
  return true
}

const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])

/** Whether news came while looking for it. */
const spin = (bell: number): boolean => {
  const until = performance.now() + SPIN_MS
  do {
    for (let i = 0; i < 64; i++)
      if (Atomics.load(words, WORD.bell) !== bell) return true
  } while (performance.now() < until)
  return false
}

for (;;) {
  const bell = Atomics.load(words, WORD.bell)
  takeJobs()
  if (isCancelled()) {
    writeSync(wakeFd, ONE)
    Atomics.wait(words, WORD.bell, bell)
  } else if (!step() && !spin(bell)) {
    Atomics.store(words, WORD.awake, 0)
    if (Atomics.wait(words, WORD.bell, bell, IDLE_MS) === 'timed-out') {
      decoder.close()
      Atomics.wait(words, WORD.bell, bell)
    }
    Atomics.store(words, WORD.awake, 1)
  }
}
