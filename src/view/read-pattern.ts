/**
 * Tells a program that reads whole directories (tar, grep -r, rsync -c) from
 * one that opens a file here and there. Pure.
 *
 * Files that are stored ahead are never asked for, so the reader is out of
 * sight. Its trail: a directory's first file is not stored while we are
 * unsure, and one in the middle of a long batch never is. A directory that
 * was stored and of which nothing was read costs trust; without any left
 * nothing is stored.
 */

/** Reads one behind the other that make a pattern. */
const RUN = 3
const FULL_TRUST = 8
/** Up to this much trust a directory's first file is left to be asked for. */
const PROBING_TRUST = 4

export class ReadPattern {
  #trust = 0
  #directory: string | undefined
  #last = -1
  #run = 0
  #isPlanned = false
  /** Entries before this one were dealt with. */
  #end = 0
  /** A READ from here on asks for the next batch. */
  #marker = Infinity

  /** Whether the first file of a directory is not to be stored. */
  get isProbing(): boolean {
    return this.#trust <= PROBING_TRUST
  }

  /** A directory was listed to its end. True: store what is in it. */
  onListed(directory: string): boolean {
    if (this.#trust === 0) return false
    this.#trust--
    this.#enter(directory)
    return true
  }

  /**
   * Entry `index` of a directory was asked for. Returns the entry from which
   * to store, if any.
   */
  onRead(directory: string, index: number): number | undefined {
    if (directory !== this.#directory) this.#enter(directory)
    this.#run = index > this.#last ? this.#run + 1 : 1
    this.#last = index
    if (this.#isPlanned || this.#run >= RUN) this.#trust = FULL_TRUST
    if (!this.#isPlanned && this.#run >= RUN) return index + 1
    return this.#isPlanned && index >= this.#marker
      ? Math.max(this.#end, index + 1)
      : undefined
  }

  /** Entries before `end` are dealt with; a READ of `marker` asks for more. */
  planned(end: number, marker: number): void {
    this.#isPlanned = true
    this.#end = end
    this.#marker = marker
  }

  #enter(directory: string): void {
    this.#directory = directory
    this.#last = -1
    this.#run = 0
    this.#isPlanned = false
    this.#end = 0
    this.#marker = Infinity
  }
}
