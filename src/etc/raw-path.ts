/** Raw paths relative to /etc; the empty one is /etc itself. Pure. */

/** Paths above `path`, the uppermost first. */
export const ancestorsOf = (path: string): string[] => {
  const parts = path.split('/')
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

/** The directory of a path, and its name there. */
export const splitLast = (path: string): [string, string] => {
  const slash = path.lastIndexOf('/')
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)]
}

export const isAtOrBelow = (path: string, above: string): boolean =>
  above === '' || path === above || path.startsWith(`${above}/`)

/** The order in which a directory comes right before what is in it. */
export const byPath = (a: string, b: string): number => {
  // A '/' sorts before all else, so that a directory stays with its content.
  const x = a.replaceAll('/', '\0')
  const y = b.replaceAll('/', '\0')
  return x < y ? -1 : x > y ? 1 : 0
}
