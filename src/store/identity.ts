/**
 * Which repository it is: its directory, and the id in it.
 *
 * A copy, however made, and a restored backup have the id of the original, and
 * are other repositories all the same: what is committed to one is not in the
 * other. A repository that is moved keeps its directory. Of one directory that
 * is made again the device and the inode may come back, its id does not.
 */

export interface RepositoryIdentity {
  /** The UUID in `config.json`. */
  readonly id: string
  /** Device and inode of the directory, in hex, with a dash between them. */
  readonly directory: string
}

/** `status` is that of the repository's directory. */
export const identityOf = (
  id: string,
  { dev, ino }: { readonly dev: bigint; readonly ino: bigint },
): RepositoryIdentity => ({
  id,
  directory: `${dev.toString(16)}-${ino.toString(16)}`,
})

/** One word for it, which begins with the id; also a file name. */
export const identityName = ({ id, directory }: RepositoryIdentity): string =>
  `${id}.${directory}`

export const isSameRepository = (
  a: RepositoryIdentity,
  b: RepositoryIdentity,
): boolean => a.id === b.id && a.directory === b.directory
