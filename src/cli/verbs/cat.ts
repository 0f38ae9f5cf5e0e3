/** dendro cat */

import { DendroError } from '../../errors.ts'
import { textToLatin1 } from '../../bytes/latin1.ts'
import { requirePath } from '../../tree/lookup.ts'
import { readContent, readRange } from '../../tree/read-file.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/cat.ts'
import { loadRevision, withReader } from '../shared/open-repository.ts'
import { printBytes, printJson } from '../shared/output.ts'

const ZEROS = Buffer.alloc(64 * 1024)

export const verb: Verb<typeof definition> = {
  run: ({ global, operands: { revision, path } }) => {
    return withReader(global, repository => {
      const { commit } = loadRevision(repository, revision)
      const object = requirePath(repository, commit.root, textToLatin1(path))
      if (object.kind !== 'file')
        throw new DendroError(
          'IS_A_DIRECTORY',
          `cannot read ${path}: it is a ${object.kind}`,
          {
            hint: 'dendro ls lists directories, dendro ls -l shows link targets',
          },
        )
      if (global.json) {
        const bytes = Buffer.alloc(object.sizeBytes)
        readRange(repository, object, 0, bytes)
        printJson({
          path,
          size: object.sizeBytes,
          base64: bytes.toString('base64'),
        })
        return
      }
      for (const { bytes, lengthBytes } of readContent(repository, object)) {
        if (bytes !== undefined) printBytes(bytes)
        else
          for (let left = lengthBytes; left > 0; left -= ZEROS.length)
            printBytes(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
      }
    })
  },
}
