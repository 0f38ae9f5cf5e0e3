/** The version in package.json. */

import { aString, anObject, parseJson } from '../../bytes/json-shape.ts'
import { existsSync, readFileSync } from '../../system/files.ts'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const packageVersion = (): string => {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json')))
    directory = dirname(directory)
  const text = readFileSync(join(directory, 'package.json'))
  return parseJson(text, anObject({ version: aString() })).version
}
