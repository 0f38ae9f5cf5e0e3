/** The xattrs of an object as a connection shows them. */

import type { FsObject, Xattr } from '../objects/fs-object.ts'
import type { Presentation } from './attributes.ts'
import { ACL_PREFIX } from '../objects/acl-xattr.ts'

/** None that says what is not enforced. */
const shownOf = (
  { xattrs }: FsObject,
  { enforcesAcls }: Presentation,
): readonly Xattr[] =>
  enforcesAcls
    ? xattrs
    : xattrs.filter(({ name }) => !name.startsWith(ACL_PREFIX))

/** The value of an xattr; undefined when there is none of that name. */
export const getXattr = (
  object: FsObject,
  name: string,
  presentation: Presentation,
): Buffer | undefined => {
  const found = shownOf(object, presentation).find(x => x.name === name)
  return found === undefined ? undefined : Buffer.from(found.value, 'latin1')
}

/** NUL-terminated names. */
export const listXattrs = (
  object: FsObject,
  presentation: Presentation,
): Buffer => {
  const names = shownOf(object, presentation).map(({ name }) => `${name}\0`)
  return Buffer.from(names.join(''), 'latin1')
}
