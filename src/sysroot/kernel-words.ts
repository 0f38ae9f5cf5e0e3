/**
 * Words of a kernel command line: what the kernel makes of their quotes, and
 * which of them GRUB can pass on. Pure.
 *
 * The kernel takes white space between double quotes for part of a word, and
 * drops the quotes around the whole word or around the value; it knows no
 * backslash (lib/cmdline.c, next_arg). GRUB joins words of its own, writes
 * quotes around one with a space, and a backslash before each quote and each
 * backslash (grub-core/lib/cmdline.c; some versions let `\xHH` pass).
 */

/** The parameter that the kernel reads in `word`: `a=b c` of `a="b c"`. */
export const kernelParameter = (word: string): string => {
  const isQuoted = word.startsWith('"')
  const inner = isQuoted ? word.slice(1).replace(/"$/, '') : word
  const equals = inner.indexOf('=')
  if (equals < 0) return inner
  const name = inner.slice(0, equals)
  const value = inner.slice(equals + 1)
  return value.startsWith('"')
    ? `${name}=${value.slice(1).replace(/"$/, '')}`
    : inner
}

/** What of `word` would not reach the kernel through GRUB; undefined when all does. */
export const lostInGrub = (word: string): string | undefined =>
  /["'\\]/.exec(kernelParameter(word))?.[0]
