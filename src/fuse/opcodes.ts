/**
 * The table of opcodes: every request of the protocol, what it carries, whom it
 * asks, what it is answered and what the kernel remembers of that. Whoever has
 * to know one request from another looks here: dispatch, scheduling,
 * statistics, the table in docs/fuse.md. Pure.
 *
 * Source: include/uapi/linux/fuse.h of Linux 6.18 (protocol 7.45), enum
 * fuse_opcode; what is remembered: the users of ENOSYS in fs/fuse/.
 */

import { ENOSYS } from './layout.ts'
import type { Operation } from './operation.ts'
import { REFUSED_OPERATIONS } from './operations-refused.ts'
import { SERVED_OPERATIONS } from './operations-served.ts'

/** All rows, by number. */
export const OPERATIONS: readonly Operation[] = [
  ...SERVED_OPERATIONS,
  ...REFUSED_OPERATIONS,
].sort((a, b) => a.opcode - b.opcode)

const byOpcode: (Operation | undefined)[] = []
for (const operation of OPERATIONS) byOpcode[operation.opcode] = operation

/** A request that is newer than this table. */
const UNKNOWN: Operation = {
  opcode: 0,
  name: 'UNKNOWN',
  refused: ENOSYS,
  remembered: 'as a rule that it is not served',
}

/** The row of an opcode; of one that is not in the table, one that refuses it. */
export const operationOf = (opcode: number): Operation =>
  byOpcode[opcode] ?? UNKNOWN

/** The name of an opcode for statistics; `OPCODE_<n>` where the table has none. */
export const opcodeName = (opcode: number): string =>
  byOpcode[opcode]?.name ?? `OPCODE_${opcode}`
