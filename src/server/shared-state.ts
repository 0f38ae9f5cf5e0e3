/**
 * What a mount is, beyond any process: the node table, what INIT settled, the
 * request in hand and the counters, in a memfd that the keeper holds too.
 *
 *     0       magic, version, capacity (4 bytes each from 8 on)
 *     16      the words and numbers below
 *     64      requests by opcode and by outcome (tally.ts), float64
 *     4096    the request in hand: received here, its length zeroed when it is
 *             answered (native-shim/keeper.c reads length and unique)
 *     135168  the same for what is served between two steps of that one
 *     266240  rows (node-rows.ts)
 *
 * A server of another version refuses the state and the old one goes on. What
 * a node is found by (node-identity.ts) belongs to the version.
 */

import { randomInt } from 'node:crypto'
import { closeSync, ftruncateSync } from '../system/files.ts'
import { DendroError } from '../errors.ts'
import { REQUEST_BYTES } from '../fuse/session.ts'
import type { SessionOptions } from '../fuse/session.ts'
import type { InHand } from '../fuse/fatal-request.ts'
import type { Negotiated } from '../fuse/negotiate.ts'
import { COUNTERS } from '../fuse/tally.ts'
import { check, shim } from '../system/native.ts'
import { NodeRows, ROW_BYTES } from '../view/node-rows.ts'
import { STATE } from '../system/protocol.ts'

const MAGIC = 0x52444e44 // "DNDR"
const {
  version: VERSION,
  counters: COUNTERS_AT,
  request: REQUEST_AT,
  between: BETWEEN_AT,
  rows: ROWS_AT,
} = STATE
/** Only rows that are used take memory; the rest is address space. */
const CAPACITY = 1 << 24
const TOTAL_BYTES = ROWS_AT + CAPACITY * ROW_BYTES

const WORD = {
  magic: 0,
  version: 1,
  capacity: 2,
  next: 4,
  minor: 5,
  flags: 6,
  flags2: 7,
  xattrs: 8,
  posixAcl: 9,
  deaths: 10,
  serverPid: 11,
  unique: 12,
  firstGeneration: 14,
} as const

export class SharedState {
  /** The memfd; -1 for a state of this process alone. */
  readonly fd: number
  readonly rows: NodeRows
  readonly journal: SessionOptions['journal']
  readonly counters: Float64Array
  readonly inHand: InHand
  readonly #words: Uint32Array

  private constructor(fd: number, buffer: ArrayBuffer) {
    this.fd = fd
    const words = new Uint32Array(buffer, 0, COUNTERS_AT / 4)
    this.#words = words
    const next = words.subarray(WORD.next, WORD.next + 1)
    this.rows = new NodeRows(buffer, ROWS_AT, CAPACITY, {
      next,
      firstGeneration: words[WORD.firstGeneration] as number,
    })
    this.journal = {
      request: Buffer.from(buffer, REQUEST_AT, REQUEST_BYTES),
      between: Buffer.from(buffer, BETWEEN_AT, REQUEST_BYTES),
    }
    this.counters = countersIn(buffer)
    this.inHand = {
      unique: words.subarray(WORD.unique, WORD.unique + 2),
      deaths: words.subarray(WORD.deaths, WORD.deaths + 1),
    }
  }

  /** A new, empty state. */
  static create(): SharedState {
    const name = Buffer.from('dendro-state')
    const fd = check(shim().memfd(name), 'cannot make shared memory')
    try {
      ftruncateSync(fd, TOTAL_BYTES)
      const buffer = map(fd, TOTAL_BYTES)
      const words = new Uint32Array(buffer, 0, COUNTERS_AT / 4)
      words[WORD.version] = VERSION
      words[WORD.capacity] = CAPACITY
      words[WORD.firstGeneration] = randomInt(2 ** 32)
      words[WORD.magic] = MAGIC
      return new SharedState(fd, buffer)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** The state that another process made. Errors: `FUTURE_FORMAT`. */
  static attach(fd: number): SharedState {
    const words = new Uint32Array(map(fd, COUNTERS_AT), 0, COUNTERS_AT / 4)
    if (
      words[WORD.magic] !== MAGIC ||
      words[WORD.version] !== VERSION ||
      words[WORD.capacity] !== CAPACITY
    )
      throw new DendroError(
        'FUTURE_FORMAT',
        `cannot take over the mount: its state is of version ${words[WORD.version]}, this program knows ${VERSION}`,
        { hint: 'umount and mount again with this program' },
      )
    return new SharedState(fd, map(fd, TOTAL_BYTES))
  }

  /** What INIT settled. */
  get negotiated(): Negotiated {
    const words = this.#words
    return {
      get minor() {
        return words[WORD.minor] as number
      },
      set minor(value) {
        words[WORD.minor] = value
      },
      get flags() {
        return words[WORD.flags] as number
      },
      set flags(value) {
        words[WORD.flags] = value
      },
      get flags2() {
        return words[WORD.flags2] as number
      },
      set flags2(value) {
        words[WORD.flags2] = value
      },
    }
  }

  /** Whether xattrs are answered; the kernel remembers a refusal. */
  get xattrs(): boolean {
    return this.#words[WORD.xattrs] === 1
  }

  set xattrs(value: boolean) {
    this.#words[WORD.xattrs] = value ? 1 : 0
  }

  /** The process whose turn it is to serve. */
  get serverPid(): number {
    return this.#words[WORD.serverPid] as number
  }

  set serverPid(value: number) {
    this.#words[WORD.serverPid] = value
  }

  get posixAcl(): boolean {
    return this.#words[WORD.posixAcl] === 1
  }

  set posixAcl(value: boolean) {
    this.#words[WORD.posixAcl] = value ? 1 : 0
  }
}

const map = (fd: number, length: number): ArrayBuffer => {
  const mapped = shim().mapShared(fd, length)
  if (typeof mapped === 'number') {
    check(mapped, 'cannot map shared memory')
    throw new DendroError('IO_ERROR', 'cannot map shared memory')
  }
  return mapped
}

const countersIn = (buffer: ArrayBuffer): Float64Array =>
  new Float64Array(buffer, COUNTERS_AT, COUNTERS)

/** What another thread of the server may look at. */
export interface StateView {
  readonly counters: Float64Array
  /** The process whose turn it is to serve. */
  readonly serverPid: () => number
  /** Whether a request is being answered. */
  readonly isInHand: () => boolean
}

export const viewState = (fd: number): StateView => {
  const buffer = map(fd, BETWEEN_AT)
  const words = new Uint32Array(buffer, 0, COUNTERS_AT / 4)
  const length = new Uint32Array(buffer, REQUEST_AT, 1)
  return {
    counters: countersIn(buffer),
    serverPid: () => words[WORD.serverPid] as number,
    isInHand: () => length[0] !== 0,
  }
}
