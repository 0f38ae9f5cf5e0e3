/**
 * Whether a merged account file can be used: the last look before it replaces
 * the one by which people log in. Pure.
 */

type AccountFile = 'passwd' | 'group' | 'shadow' | 'gshadow'

/** Fields of a line, and the one that numbers it. */
const SHAPES: Readonly<Record<AccountFile, { fields: number; id?: number }>> = {
  passwd: { fields: 7, id: 2 },
  group: { fields: 4, id: 2 },
  shadow: { fields: 9 },
  gshadow: { fields: 4 },
}

const entries = (text: string): string[][] =>
  text
    .split('\n')
    .filter(line => line !== '' && !/^[#+-]/.test(line))
    .map(line => line.split(':'))

/** Numbers that more than one name has. */
const shared = (text: string, field: number): Set<string> => {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const entry of entries(text)) {
    const id = entry[field] ?? ''
    if (seen.has(id)) twice.add(id)
    seen.add(id)
  }
  return twice
}

const rootLine = (text: string): string | undefined =>
  text.split('\n').find(line => line.startsWith('root:'))

/** Why `merged` must not be written, or undefined. */
export const checkAccounts = (
  file: AccountFile,
  merged: string,
  mine: string,
  theirs: string,
): string | undefined => {
  const { fields, id } = SHAPES[file]
  const names = new Set<string>()
  for (const entry of entries(merged)) {
    const name = entry[0] as string
    if (entry.length !== fields)
      return `the line of ${name} would have ${entry.length} fields, not ${fields}`
    if (names.has(name)) return `${name} would be there twice`
    names.add(name)
    if (id !== undefined && !/^\d+$/.test(entry[id] ?? ''))
      return `${name} would have no number`
  }
  if (id !== undefined) {
    const known = new Set([...shared(mine, id), ...shared(theirs, id)])
    for (const number of shared(merged, id))
      if (!known.has(number)) return `two names would have the number ${number}`
  }
  const root = rootLine(mine)
  const isKeptOut =
    root !== undefined &&
    (file === 'passwd' || file === 'shadow') &&
    rootLine(merged) !== root
  return isKeptOut ? 'the line of root would change' : undefined
}
