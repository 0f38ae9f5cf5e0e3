/** Paths as bytes in latin1 text, relative to the root of a tree. */

/** Joins raw paths; the root of a tree is the empty path. */
export const joinRaw = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`

/** Where `path`, relative to the directory `source`, is; empty is `source` itself. */
export const rawPathBelow = (source: string, path: string): string => {
  if (path === '') return source
  return source === '/' ? `/${path}` : `${source}/${path}`
}
