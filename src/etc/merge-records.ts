/**
 * Three-way merge of files made of records with keys: accounts, mounts, hosts,
 * sections of settings. Pure.
 *
 * Records are compared by key and not by place, so two sides that both add a
 * line at the end do not overlap. Mine gives the order and the comments.
 */

import type { Merged } from './merge-text.ts'
import { mergeText, splitLines } from './merge-text.ts'

export interface Record3 {
  /** Undefined for comments and blank lines. */
  readonly key: string | undefined
  /** One or more whole lines. */
  readonly text: string
  /** Key of the header this record stands under, in files with sections. */
  readonly section?: string
}

export interface RecordFormat {
  readonly name: string
  parse(text: string): Record3[]
  /** Merges one record that both sides changed; undefined when they overlap. */
  mergeRecord?(
    base: string | undefined,
    mine: string,
    theirs: string,
  ): string | undefined
  /** Whether the record of this key is mine whatever theirs says. */
  isAlwaysMine?(key: string): boolean
  /** Why a merged file must not be used, or undefined. */
  check?(merged: string, mine: string, theirs: string): string | undefined
}

/** Keys that come twice are told apart by their number. */
const unique = (records: readonly Record3[]): Record3[] => {
  const seen = new Map<string, number>()
  return records.map(record => {
    if (record.key === undefined) return record
    const count = seen.get(record.key) ?? 0
    seen.set(record.key, count + 1)
    return count === 0 ? record : { ...record, key: `${record.key}\0${count}` }
  })
}

/** All lines but the last have their line end; so has every record. */
const parse = (format: RecordFormat, text: string): Record3[] =>
  unique(format.parse(text === '' || text.endsWith('\n') ? text : `${text}\n`))

const byKey = (records: readonly Record3[]): Map<string, Record3> =>
  new Map(
    records.flatMap(record =>
      record.key === undefined ? [] : [[record.key, record] as const],
    ),
  )

/** A key as the file has it. */
export const shown = (key: string): string => key.split('\0')[0] as string

/** Merges; mine stays where the merge says `overlaps`. */
export const mergeRecords = (
  format: RecordFormat,
  base: string,
  mine: string,
  theirs: string,
): Merged => {
  const merge = new RecordMerge(format, base, mine, theirs)
  const merged = merge.run()
  if (!('text' in merged)) return merged
  const byLine = mergeText(base, mine, theirs)
  const text = preferText(format, merged.text, byLine)
  const complaint = format.check?.(text, mine, theirs)
  return complaint === undefined ? { text } : { overlaps: [complaint] }
}

/**
 * The merge by lines also carries changed comments; it is taken when it says
 * the same of every key.
 */
export const preferText = (
  format: RecordFormat,
  byRecord: string,
  byLine: Merged,
): string => {
  if (!('text' in byLine)) return byRecord
  const a = byKey(parse(format, byRecord))
  const b = byKey(parse(format, byLine.text))
  const isSame =
    a.size === b.size &&
    [...a].every(([key, record]) => b.get(key)?.text === record.text)
  return isSame ? byLine.text : byRecord
}

/** The three sides of one file, record by record. */
export class RecordMerge {
  readonly #format: RecordFormat
  readonly #mine: readonly Record3[]
  readonly #theirs: readonly Record3[]
  readonly #baseOf: Map<string, Record3>
  readonly #mineOf: Map<string, Record3>
  readonly #theirsOf: Map<string, Record3>
  readonly #overlaps: string[] = []

  constructor(
    format: RecordFormat,
    base: string,
    mine: string,
    theirs: string,
  ) {
    this.#format = format
    this.#mine = parse(format, mine)
    this.#theirs = parse(format, theirs)
    this.#baseOf = byKey(parse(format, base))
    this.#mineOf = byKey(this.#mine)
    this.#theirsOf = byKey(this.#theirs)
  }

  run(): Merged {
    const result = new Map<string, Record3>()
    for (const key of this.keys()) {
      const decided = this.decide(key)
      const record = decided === 'overlap' ? this.mine(key) : decided
      if (decided === 'overlap')
        this.#overlaps.push(`both changed ${shown(key)}`)
      if (record !== undefined) result.set(key, record)
    }
    this.#keepHeaders(result)
    if (this.#overlaps.length > 0) return { overlaps: this.#overlaps }
    return { text: this.write(result) }
  }

  keys(): Set<string> {
    return new Set([...this.#mineOf.keys(), ...this.#theirsOf.keys()])
  }

  base(key: string): Record3 | undefined {
    return this.#baseOf.get(key)
  }

  mine(key: string): Record3 | undefined {
    return this.#mineOf.get(key)
  }

  theirs(key: string): Record3 | undefined {
    return this.#theirsOf.get(key)
  }

  /** What becomes of one record; undefined where it goes. */
  decide(key: string): Record3 | undefined | 'overlap' {
    const base = this.#baseOf.get(key)
    const mine = this.#mineOf.get(key)
    const theirs = this.#theirsOf.get(key)
    if (mine !== undefined && this.#format.isAlwaysMine?.(key) === true)
      return mine
    if (mine?.text === base?.text) return theirs
    if (theirs?.text === base?.text || mine?.text === theirs?.text) return mine
    const merged =
      mine === undefined || theirs === undefined
        ? undefined
        : this.#format.mergeRecord?.(base?.text, mine.text, theirs.text)
    if (merged !== undefined && mine !== undefined)
      return { ...mine, text: merged }
    return 'overlap'
  }

  /** A header stays while anything stands under it. */
  #keepHeaders(result: Map<string, Record3>): void {
    for (const { section } of [...result.values()]) {
      if (section === undefined || result.has(section)) continue
      const header = this.#mineOf.get(section)
      if (header === undefined)
        this.#overlaps.push(
          `${shown(section)} is removed here and changed there`,
        )
      else result.set(section, header)
    }
  }

  /** Mine in its order, with what theirs adds behind what it follows there. */
  write(result: ReadonlyMap<string, Record3>): string {
    const added = this.#addedBehind(result)
    const headers = new Set([...result.values()].map(({ section }) => section))
    const isHeader = ({ key }: Record3) => key !== undefined && headers.has(key)
    const kept = this.#mine.flatMap(record => {
      const now = record.key === undefined ? record : result.get(record.key)
      return now === undefined ? [] : [now]
    })
    const out: string[] = []
    // A new section comes behind the whole section of what it follows.
    let waiting: Record3 | undefined
    const put = (record: Record3): void => {
      let next: Record3 | undefined = record
      while (next !== undefined) {
        out.push(next.text)
        next = next.key === undefined ? undefined : added.get(next.key)
        if (next === undefined || !isHeader(next)) continue
        waiting = next
        next = undefined
      }
    }
    const putWaiting = (): void => {
      while (waiting !== undefined) {
        const header = waiting
        waiting = undefined
        put(header)
      }
    }
    const first = added.get(undefined)
    const place = placeOfFirst(kept, kept.some(isHeader))
    for (const [i, record] of kept.entries()) {
      if (isHeader(record)) putWaiting()
      if (first !== undefined && i === place) put(first)
      put(record)
    }
    putWaiting()
    if (first !== undefined && place >= kept.length) put(first)
    putWaiting()
    return out.join('')
  }

  /** What theirs adds, by the key that it follows there; undefined at the begin. */
  #addedBehind(
    result: ReadonlyMap<string, Record3>,
  ): Map<string | undefined, Record3> {
    const added = new Map<string | undefined, Record3>()
    let previous: string | undefined
    for (const { key } of this.#theirs) {
      const record = key === undefined ? undefined : result.get(key)
      if (key === undefined || record === undefined) continue
      if (!this.#mineOf.has(key)) added.set(previous, record)
      previous = key
    }
    return added
  }
}

/**
 * Where a record goes that follows no other: before trailing comments, or in a
 * file with sections behind leading ones.
 */
const placeOfFirst = (
  records: readonly Record3[],
  hasSections: boolean,
): number => {
  const hasKey = ({ key }: Record3) => key !== undefined
  if (!hasSections) return records.findLastIndex(hasKey) + 1
  const first = records.findIndex(hasKey)
  return first < 0 ? records.length : first
}

/** Lines with a key each; `keyOf` is not asked for comments and blank lines. */
export const lineFormat = (
  name: string,
  keyOf: (line: string) => string | undefined,
  rest: Omit<RecordFormat, 'name' | 'parse'> = {},
): RecordFormat => ({
  name,
  parse: text =>
    splitLines(text).map(line => {
      const bare = line.trim()
      const isComment = bare === '' || bare.startsWith('#')
      return { key: isComment ? undefined : keyOf(bare), text: line }
    }),
  ...rest,
})
