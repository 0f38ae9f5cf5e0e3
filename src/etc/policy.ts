/**
 * What is to happen at a path that both sides changed, as the administrator
 * wants it. Pure.
 *
 * A policy file has lines `GLOB POLICY`; the last line that matches counts.
 * `*` and `?` stay inside a name, `**` does not. `#` begins a comment.
 */

import { DendroError } from '../errors.ts'

/** Where it stands, relative to /etc: in mine, else in the defaults. */
export const POLICY_FILE = 'dendro/merge.policy'

export const POLICIES = ['merge', 'keep-mine', 'take-theirs', 'fail'] as const

/**
 * `merge`: merge where nothing overlaps, else mine and a conflict.
 * `keep-mine`, `take-theirs`: without a conflict. `fail`: no deployment.
 */
export type Policy = (typeof POLICIES)[number]

interface Rule {
  readonly pattern: RegExp
  readonly policy: Policy
}

/** A glob over raw paths relative to /etc; a leading `/` or `/etc/` is dropped. */
export const globToRegExp = (glob: string): RegExp => {
  const relative = glob.replace(/^\/(etc\/)?/, '')
  const source = relative.replace(
    /\*\*|\*|\?|[.+^${}()|[\]\\]/g,
    part => ({ '**': '.*', '*': '[^/]*', '?': '[^/]' })[part] ?? `\\${part}`,
  )
  // A pattern of a directory means what is in it too.
  return new RegExp(`^${source}(?:/.*)?$`, 's')
}

export class MergePolicy {
  readonly #rules: readonly Rule[]

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  /** The policy of a raw path relative to /etc. */
  of(path: string): Policy {
    return (
      this.#rules.findLast(({ pattern }) => pattern.test(path))?.policy ??
      'merge'
    )
  }
}

const isPolicy = (word: string): word is Policy =>
  (POLICIES as readonly string[]).includes(word)

/**
 * What holds before the file is read: copies that the account tools keep of the
 * version before, which nothing reads, and the cache that ldconfig makes of /usr.
 */
const BUILT_IN: readonly (readonly [string, Policy])[] = [
  ['passwd-', 'keep-mine'],
  ['group-', 'keep-mine'],
  ['shadow-', 'keep-mine'],
  ['gshadow-', 'keep-mine'],
  ['subuid-', 'keep-mine'],
  ['subgid-', 'keep-mine'],
  ['ld.so.cache', 'take-theirs'],
]

/** Parses a policy file (latin1 text). Errors: `INVALID_ARGUMENT`. */
export const parsePolicy = (text: string): MergePolicy => {
  const rules: Rule[] = BUILT_IN.map(([glob, policy]) => ({
    pattern: globToRegExp(glob),
    policy,
  }))
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/(^|\s)#.*/, '').trim()
    if (line === '') continue
    const [glob, policy, ...rest] = line.split(/\s+/) as [string, string?]
    if (policy === undefined || !isPolicy(policy) || rest.length > 0)
      throw new DendroError(
        'INVALID_ARGUMENT',
        `bad line ${index + 1} of /etc/${POLICY_FILE}: ${line}`,
        { hint: `a line is GLOB and one of ${POLICIES.join(', ')}` },
      )
    rules.push({ pattern: globToRegExp(glob), policy })
  }
  return new MergePolicy(rules)
}
