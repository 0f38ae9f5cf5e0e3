import t from 'tap'
import { kernelParameter, lostInGrub } from './kernel-words.ts'

/** As the kernel does it (lib/cmdline.c, next_arg), one line to parameters. */
const readLine = (line: string): string[] => {
  const parameters: string[] = []
  let at = 0
  for (;;) {
    while (line[at] === ' ') at++
    if (at >= line.length) return parameters
    const isQuoted = line[at] === '"'
    let inside = isQuoted
    if (isQuoted) at++
    const begin = at
    let equals = 0
    for (; at < line.length && (inside || line[at] !== ' '); at++) {
      if (equals === 0 && line[at] === '=') equals = at
      if (line[at] === '"') inside = !inside
    }
    let end = at
    if (isQuoted && line[end - 1] === '"') end--
    if (equals === 0) parameters.push(line.slice(begin, end))
    else {
      let from = equals + 1
      if (line[from] === '"') {
        from++
        if (line[at - 1] === '"') end = at - 1
      }
      parameters.push(`${line.slice(begin, equals)}=${line.slice(from, end)}`)
    }
  }
}

/** As GRUB makes a line of the words it was given. */
const grubLine = (words: readonly string[]): string =>
  words
    .map(word => {
      const text = word.replace(/["'\\]/g, found => `\\${found}`)
      return word.includes(' ') ? `"${text}"` : text
    })
    .join(' ')

const WORDS: readonly [string, string, string | undefined][] = [
  ['quiet', 'quiet', undefined],
  ['root=UUID=1-2', 'root=UUID=1-2', undefined],
  ['dyndbg="file foo.c +p"', 'dyndbg=file foo.c +p', undefined],
  ['"dyndbg=file foo.c +p"', 'dyndbg=file foo.c +p', undefined],
  ['plain="quoted"', 'plain=quoted', undefined],
  ['empty=""', 'empty=', undefined],
  ['units=a\\x2db', 'units=a\\x2db', '\\'],
  ['path=a\\b', 'path=a\\b', '\\'],
  ["it='s'", "it='s'", "'"],
  ['a=b"c d"e', 'a=b"c d"e', '"'],
]

t.test(
  'a word is read as the kernel reads it, and passed on by GRUB',
  async t => {
    for (const [word, parameter, lost] of WORDS) {
      t.equal(kernelParameter(word), parameter, word)
      t.same(readLine(`first ${word} last`), ['first', parameter, 'last'], word)
      t.equal(lostInGrub(word), lost, word)
    }
    const passed = WORDS.filter(([, , lost]) => lost === undefined)
    const parameters = passed.map(([, parameter]) => parameter)
    t.same(readLine(grubLine(parameters)), parameters)
  },
)
