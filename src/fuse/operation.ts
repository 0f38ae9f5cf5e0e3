/** A row of the table of opcodes (opcodes.ts): how one request is answered. */

import type { Exchange } from './exchange.ts'
import type { FuseHandler } from './handler.ts'
import type { Negotiated, Wishes } from './negotiate.ts'

/** What decides how requests are answered, besides the handler. */
export interface DispatchOptions extends Wishes {
  /** INIT's outcome, written here. */
  readonly negotiated: Negotiated
  /** Whether xattrs are answered at all; else the kernel never asks again. */
  readonly xattrs: boolean
}

/** Who answers. */
export interface Served {
  readonly handler: FuseHandler
  readonly options: DispatchOptions
}

/**
 * Structures are named as linux/fuse.h names them; those of the request stand
 * behind its header, those of the answer behind the answer's.
 */
export interface Operation {
  readonly opcode: number
  /** The kernel's name for it, without FUSE_. */
  readonly name: string
  /** What the request carries and is looked at. */
  readonly request?: string
  /** The method that is asked. */
  readonly handler?: keyof FuseHandler
  /** What it is answered. */
  readonly reply?: string
  /** What the kernel remembers of the answer, or of the refusal. */
  readonly remembered: string
  /**
   * The errno where it is refused: always, by the connections that do not serve
   * it (`isServed`), or where it asks for something else than what is served.
   */
  readonly refused?: number
  /** Whether a connection serves it; all do where this is left out. */
  readonly isServed?: (options: DispatchOptions) => boolean
  /**
   * Decodes the request, asks, and encodes the answer, all in the exchange;
   * returns the length of the answer's body, or `NO_REPLY`. Throws
   * `FuseErrno`, or what the handler throws. Absent: all connections refuse it.
   */
  readonly answer?: (exchange: Exchange, served: Served) => number
  /** Answered in steps; waits its turn while another request is in hand. */
  readonly isInSteps?: boolean
  /** No answer is owed. */
  readonly isUnanswered?: boolean
  /** It is no wonder when the kernel does not take the answer. */
  readonly mayFindNobody?: boolean
  /**
   * The nodes that the answer, whose body is so long, tells the kernel of: a
   * lookup of each.
   */
  readonly nodesTold?: (
    exchange: Exchange,
    lengthBytes: number,
  ) => Iterable<number>
}
