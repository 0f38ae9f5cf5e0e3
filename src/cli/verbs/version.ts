/** The version in package.json. */

import { existsSync, readFileSync } from '../../system/files.ts'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const packageVersion = (): string => {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json')))
    directory = dirname(directory)
  const text = readFileSync(join(directory, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
