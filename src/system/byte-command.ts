/**
 * Commands with arguments that need not be UTF-8.
 *
 * Node gives a child its arguments as UTF-8. Where one holds other bytes
 * (bytes/byte-text.ts), sh puts the bytes in and becomes the program: same
 * process, same descriptors.
 */

import { isEscaped, textToBytes } from '../bytes/byte-text.ts'

/** Of each argument printf(1) makes the bytes; the dot saves newlines at its end. */
const SCRIPT = `
count=$#
for escaped in "$@"; do
  bytes=$(printf "$escaped.")
  set -- "$@" "\${bytes%.}"
done
shift "$count"
exec "$@"`

const escapeForPrintf = (text: string): string =>
  Array.from(
    textToBytes(text),
    byte => `\\${byte.toString(8).padStart(3, '0')}`,
  ).join('')

/** What is to be spawned instead, to run `program` with `args`. */
export const byteCommand = (
  program: string,
  args: readonly string[],
): [string, string[]] => {
  const words = [program, ...args]
  return words.some(isEscaped)
    ? ['/bin/sh', ['-c', SCRIPT, 'sh', ...words.map(escapeForPrintf)]]
    : [program, [...args]]
}
