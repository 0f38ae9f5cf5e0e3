/**
 * The holds (store/holds.ts) of a sysroot's deployments and instances.
 *
 * A sysroot is its directory: device, inode and, where the file system tells
 * it, birth time. A copy has the id of the original and holds of its own; one
 * that is moved on its file system keeps its holds. docs/formats/sysroot.md
 */

import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import type { Digest } from '../objects/digest.ts'
import { holdNames, removeHold, setHold } from '../store/holds.ts'
import type { Repository } from '../store/repository.ts'
import { statSync } from '../system/files.ts'
import type { Sysroot } from './session.ts'
import { commitOf, deploymentName } from './sysroot.ts'
import type { DeploymentId, SysrootPaths } from './sysroot.ts'

interface Place {
  readonly dev: bigint
  readonly ino: bigint
  /** 0 where the file system does not tell. */
  readonly birthtimeNs: bigint
}

const placeOf = (paths: SysrootPaths): Place =>
  statSync(join(paths.deploy, '..'), { bigint: true })

const tokenOf = ({ dev, ino, birthtimeNs }: Place): string =>
  `${dev}-${ino}-${birthtimeNs}`

/** Whether the repository is the sysroot's own, not one that is shared. */
const isInside = (repository: Repository, paths: SysrootPaths): boolean => {
  const own = statSync(paths.repository, {
    bigint: true,
    throwIfNoEntry: false,
  })
  const used = statSync(repository.paths.root, { bigint: true })
  return own?.dev === used.dev && own.ino === used.ino
}

/** Holds of the deployments of one sysroot. */
export class DeploymentHolds {
  readonly #repository: Repository
  readonly #paths: SysrootPaths
  readonly #id: string

  /** The directory of the sysroot is there. */
  constructor({ repository, paths, state }: Sysroot) {
    this.#repository = repository
    this.#paths = paths
    this.#id = state.id
  }

  #nameOf(id: DeploymentId): string {
    const end = deploymentName(id).replace('/', '.')
    return `${this.#id}@${tokenOf(placeOf(this.#paths))}.${end}`
  }

  /** Keeps the commit of a deployment from being pruned. */
  hold(id: DeploymentId): void {
    setHold(this.#repository.paths, this.#nameOf(id), commitOf(id))
  }

  /** Makes those that are not there: of a sysroot that came from elsewhere. */
  renew(listed: readonly DeploymentId[]): void {
    const found = new Set(holdNames(this.#repository.paths))
    for (const id of listed) if (!found.has(this.#nameOf(id))) this.hold(id)
  }

  /** Drops those of this sysroot that are not of `listed`. */
  releaseOthers(listed: readonly DeploymentId[]): void {
    const wanted = new Set(listed.map(id => this.#nameOf(id)))
    const isOurs = this.#ownership()
    for (const name of holdNames(this.#repository.paths))
      if (isOurs(name) && !wanted.has(name))
        removeHold(this.#repository.paths, name)
  }

  /**
   * What is provably ours: what has our numbers. In a repository inside the
   * sysroot also what older programs made, and what was made when the disk had
   * another device number.
   */
  #ownership(): (name: string) => boolean {
    const place = placeOf(this.#paths)
    const own = `${this.#id}@${tokenOf(place)}.`
    if (!isInside(this.#repository, this.#paths))
      return name => name.startsWith(own)
    const { ino, birthtimeNs } = place
    const earlier = new RegExp(
      `^${this.#id}(?:\\.(?!instance\\.)|@\\d+-${ino}-${birthtimeNs}\\.)`,
    )
    return name => earlier.test(name)
  }
}

const instanceHold = (paths: SysrootPaths, name: string): string =>
  `instance.${tokenOf(placeOf(paths))}.${name}`

/** As programs named it that knew a sysroot by its path. */
const olderInstanceHold = (paths: SysrootPaths, name: string): string =>
  `instance.${textToBytes(paths.instances).toString('base64url')}.${name}`

/** Keeps the commit of an instance from being pruned. */
export const holdInstance = (
  { repository, paths }: Sysroot,
  name: string,
  commit: Digest,
): void => setHold(repository.paths, instanceHold(paths, name), commit)

/** Drops the hold of an instance that is gone. */
export const releaseInstance = (
  { repository, paths }: Sysroot,
  name: string,
): void => {
  removeHold(repository.paths, instanceHold(paths, name))
  removeHold(repository.paths, olderInstanceHold(paths, name))
}

/** Whether an instance has its hold under the present numbers. */
export const isInstanceHeld = (
  { repository, paths }: Sysroot,
  name: string,
): boolean => holdNames(repository.paths).includes(instanceHold(paths, name))
