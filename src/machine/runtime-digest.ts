/** Names a runtime that stands in no commit by what is in it. */

import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from '../system/files.ts'
import { join } from 'node:path'
import { digestOf, digestToHex } from '../objects/digest.ts'

/** 64 hex digits of the names, modes and contents of everything below. */
export const contentDigest = (directory: string): string => {
  const lines: string[] = []
  const visit = (path: string, name: string): void => {
    const status = lstatSync(path)
    const mode = status.mode.toString(8)
    if (status.isDirectory()) {
      lines.push(`${name} ${mode}`)
      for (const child of readdirSync(path).sort())
        visit(join(path, child), `${name}/${child}`)
    } else if (status.isSymbolicLink())
      lines.push(`${name} ${mode} ${readlinkSync(path)}`)
    else
      lines.push(`${name} ${mode} ${digestToHex(digestOf(readFileSync(path)))}`)
  }
  visit(directory, '')
  return digestToHex(digestOf(Buffer.from(lines.join('\n'))))
}
