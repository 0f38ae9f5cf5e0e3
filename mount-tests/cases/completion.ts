/** What zsh and fish complete; bash is in src/cli/generated/completion.test.ts. */

import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'

const COMPLETIONS = resolve('scripts/shipped/completions')

/** A repository with a ref and a mount, and `dendro` in PATH. */
const start = (t: TestContext): void => {
  writeFileSync(`${t.makeDirectory('source')}/file`, 'content\n')
  t.dendro('init')
  t.commit('debian/stable', t.path('source'))
  symlinkSync(DENDRO, `${t.makeDirectory('bin')}/dendro`)
}

const shell = (t: TestContext, name: string, words: string[]): string =>
  t.run('env', [`PATH=${t.path('bin')}:${process.env['PATH']}`, name, ...words])

/** Types into a zsh on a pseudo-terminal, and prints what is then on the line. */
const ZSH = String.raw`
zmodload zsh/zpty
zpty z "PS1= zsh -fi"
zpty -w z "fpath=($1 \$fpath); autoload -U compinit; compinit -u -d $2/dump; bindkey '^I' complete-word; echo REA''DY"
local out
zpty -r -m z out '*READY*'
zpty -n -w z $'dendro log deb\t\C-a: \C-eEND\n'
zpty -r -m z out '*END*'
print -r -- "$out"
zpty -d z`

export const tests: TestTable = {
  'fish completes verbs, options, names and mount points': t => {
    start(t)
    t.mount('debian/stable', t.makeDirectory('m'))
    const complete = (line: string): string[] =>
      shell(t, 'fish', [
        '--no-config',
        '-c',
        `source ${COMPLETIONS}/dendro.fish; complete -C ${JSON.stringify(line)}`,
      ])
        .split('\n')
        .filter(found => found !== '')
        .map(found => found.split('\t')[0] as string)
    assert.deepEqual(complete('dendro rev'), ['rev-parse'])
    assert.deepEqual(complete('dendro log deb'), ['debian/stable'])
    assert.deepEqual(complete('dendro umount '), [t.path('m')])
    assert.deepEqual(complete('dendro tag --for'), ['--force'])
  },
  'zsh completes names': t => {
    start(t)
    const said = shell(t, 'zsh', ['-fc', ZSH, 'zsh', COMPLETIONS, t.path('.')])
    assert.match(said, /dendro log debian\/stable/)
  },
}
