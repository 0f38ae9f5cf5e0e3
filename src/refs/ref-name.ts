/** Names of refs and tags: slash-separated components, UTF-8 text. */

import { DendroError } from '../errors.ts'
import { textToDisplay, textToLatin1 } from '../bytes/latin1.ts'
import { explainBadName } from '../objects/name.ts'

declare const refNameBrand: unique symbol
export type RefName = string & { readonly [refNameBrand]: true }

const MAX_REF_BYTES = 1024

/**
 * Checks a name. Refused: empty components, `.` and `..`, NUL and control
 * characters, a leading `-`, a component that ends in `.tmp`, and the
 * characters that revisions give a meaning (`^ ~ : @{`).
 * Errors: `INVALID_REF_NAME`.
 */
export const toRefName = (text: string): RefName => {
  const bad = explain(text)
  if (bad === undefined) return text as RefName
  throw new DendroError(
    'INVALID_REF_NAME',
    `bad ref name ${text === '' ? "''" : textToDisplay(text)}: ${bad}`,
    { hint: 'use components like fedora/40/x86_64' },
  )
}

const explain = (text: string): string | undefined => {
  if (text === '') return 'it is empty'
  if (Buffer.byteLength(text) > MAX_REF_BYTES)
    return `it is longer than ${MAX_REF_BYTES} bytes`
  if (text.startsWith('-')) return "it begins with '-'"
  // eslint-disable-next-line no-control-regex -- control characters are refused
  if (/[\x00-\x1f\x7f]/.test(text)) return 'it holds a control character'
  if (/[\^~:\\]|@\{/.test(text)) return 'it holds one of ^ ~ : \\ @{'
  for (const component of text.split('/')) {
    if (component === '') return 'a component is empty'
    const why = explainBadName(textToLatin1(component))
    if (why !== undefined) return why
    if (component.endsWith('.tmp')) return "a component ends in '.tmp'"
  }
  return undefined
}
