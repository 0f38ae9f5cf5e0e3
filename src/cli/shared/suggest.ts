/** What somebody meant who mistyped a word. */

/**
 * Steps from one word to the other: letters added, left out, exchanged, or two
 * neighbours swapped (the restricted Damerau-Levenshtein distance).
 */
const distance = (a: string, b: string): number => {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let steps = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        steps = Math.min(steps, (beforeLast[j - 2] as number) + 1)
      row.push(steps)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] as number
}

/** Longer words are no typing errors; bounds the work. */
const MAX_LENGTH = 40

/**
 * The known word that `word` was meant to be: one that it begins, or the
 * nearest within a third of its letters. Undefined where none is near.
 */
export const nearest = (
  word: string,
  known: Iterable<string>,
): string | undefined => {
  if (word.length > MAX_LENGTH) return undefined
  let found: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const isBeginning = word.length >= 3 && candidate.startsWith(word)
    const steps = isBeginning ? 0.5 : distance(word, candidate)
    if (steps < least && steps < candidate.length) {
      found = candidate
      least = steps
    }
  }
  return found
}
