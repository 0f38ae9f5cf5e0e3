/** What a commit's sysusers.d files (sysusers.d(5)) declare. */

import { CommitDefaults } from '../etc/defaults.ts'
import type { FileReader } from '../store/object-reader.ts'
import type { CommitLayout } from '../sysroot/commit-layout.ts'
import { readFileOf } from '../tree/commit-file.ts'

const PLACE = 'usr/lib/sysusers.d'
const MAX_BYTES = 1024 * 1024

/** Their lines, in the order in which they are read. */
export const sysusersOf = (store: FileReader, { root }: CommitLayout): string =>
  new CommitDefaults(store, root)
    .names(PLACE)
    .filter(name => name.endsWith('.conf'))
    .map(name => readFileOf(store, root, `${PLACE}/${name}`, MAX_BYTES))
    .map(bytes => bytes?.toString('latin1') ?? '')
    .join('\n')
