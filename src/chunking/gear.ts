/**
 * The gear table: one random 32-bit word for each byte value.
 *
 * Filled by xorshift32 from a fixed seed. It is part of the repository format:
 * another table would cut other chunks and find no duplicates. A test pins it.
 */

const SEED = 0x64656e64 // "dend"

const makeTable = (): Int32Array => {
  const table = new Int32Array(256)
  let state = SEED
  for (let i = 0; i < 256; i++) {
    for (let round = 0; round < 8; round++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
    }
    table[i] = state
  }
  return table
}

export const GEAR: Readonly<Int32Array> = makeTable()
