/** dendro cat */

import { writeSync } from '../system/files.ts'
import { DendroError, errnoOf, wrapSystemError } from '../errors.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { requirePath } from '../tree/lookup.ts'
import { readContent } from '../tree/read-file.ts'
import { parseVerb } from './arguments.ts'
import type { Verb } from './arguments.ts'
import { loadRevision, withReader } from './open-repository.ts'
import { printJson } from './output.ts'

const usage = 'cat REV PATH'

const ZEROS = Buffer.alloc(64 * 1024)

/** stdout may be a pipe that is full: then the write is tried again. */
const writeOut = (bytes: Buffer): void => {
  let done = 0
  while (done < bytes.length)
    try {
      done += writeSync(1, bytes, done)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'EPIPE') process.exit(0)
      if (errno !== 'EAGAIN') throw wrapSystemError('cannot write', error)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
}

export const verb: Verb = {
  usage,
  summary: 'write the content of a file of a commit to stdout',
  run: context => {
    const parsed = parseVerb(context, usage, {}, [2, 2])
    const [revision, path] = parsed.positionals as [string, string]
    return withReader(context.global, repository => {
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
      if (context.global.json) {
        const parts = [...readContent(repository, object)].map(
          run => run.bytes ?? Buffer.alloc(run.lengthBytes),
        )
        printJson({
          path,
          size: object.sizeBytes,
          base64: Buffer.concat(parts).toString('base64'),
        })
        return
      }
      for (const { bytes, lengthBytes } of readContent(repository, object)) {
        if (bytes !== undefined) writeOut(bytes)
        else
          for (let left = lengthBytes; left > 0; left -= ZEROS.length)
            writeOut(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
      }
    })
  },
}
