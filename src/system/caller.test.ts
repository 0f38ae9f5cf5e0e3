import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { textToBytes } from '../bytes/byte-text.ts'
import { byteCommand } from './byte-command.ts'
import { callerArguments, callerVariable, absolutePath } from './caller.ts'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from './files.ts'

const ODD = 'caf\udce9'
const SHOW = 'show what the caller gave'

/** This file, started with an argument of its own, prints what it was given. */
const isChild = process.argv[2] === SHOW
if (isChild) {
  const given = {
    args: callerArguments(),
    variable: callerVariable('DENDRO_TEST'),
    path: absolutePath('x'),
  }
  process.stdout.write(JSON.stringify(given))
  process.exit(0)
}

const inside = (
  directory: string,
  script: string,
  ...args: string[]
): string => {
  const [program, words] = byteCommand('sh', [
    '-euc',
    script,
    directory,
    ...args,
  ])
  const { status, stdout, stderr } = spawnSync(program, words)
  t.equal(status, 0, stderr.toString())
  return stdout.toString()
}

t.test('arguments, environment and directory are bytes', async t => {
  const directory = `${t.testdir()}/${ODD}`
  mkdirSync(directory)
  const own = fileURLToPath(import.meta.url)
  const shown = inside(
    directory,
    'cd "$0"; DENDRO_TEST=$1 exec "$2" --no-warnings "$3" "$4" "$1" "" é',
    ODD,
    process.execPath,
    own,
    SHOW,
  )
  t.same(JSON.parse(shown), {
    args: [SHOW, ODD, '', 'é'],
    variable: ODD,
    path: `${directory}/x`,
  })
})

t.test('an empty path is not the working directory', async t => {
  t.throws(() => absolutePath(''), { code: 'INVALID_ARGUMENT' })
  t.equal(absolutePath('.'), process.cwd())
})

t.test('a command gets the bytes of its arguments', async t => {
  const words = ['%s|', ODD, 'new\n\n', '-e \\x', "it's", '', 'é']
  const [program, args] = byteCommand('printf', words)
  const { stdout } = spawnSync(program, args)
  const expected = words
    .slice(1)
    .map(word => `${word}|`)
    .join('')
  t.same(stdout, textToBytes(expected))
  t.same(byteCommand('printf', ['x']), ['printf', ['x']])
})

t.test('files have the names that they were given', async t => {
  const directory = `${t.testdir()}/${ODD}`
  mkdirSync(directory)
  writeFileSync(`${directory}/a${ODD}`, 'content')
  renameSync(`${directory}/a${ODD}`, `${directory}/${ODD}`)
  symlinkSync(ODD, `${directory}/link`)
  t.equal(readFileSync(`${directory}/link`, 'utf8'), 'content')
  t.equal(readlinkSync(`${directory}/link`), ODD)
  t.equal(
    realpathSync(`${directory}/link`),
    `${realpathSync(directory)}/${ODD}`,
  )
  t.same(readdirSync(directory).sort(), [ODD, 'link'].sort())
  t.same(
    readdirSync(directory, { withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => entry.name),
    [ODD],
  )
  t.same(readdirSync(directory, { encoding: 'latin1' }).sort(), [
    'caf\xe9',
    'link',
  ])
  rmSync(directory, { recursive: true })
  t.notOk(existsSync(directory))
})

t.test('an error names the path behind a descriptor', async t => {
  const directory = `${realpathSync(t.testdir())}/${ODD}`
  mkdirSync(directory)
  const fd = openSync(directory, 'r')
  const failure = (work: () => unknown): unknown => {
    try {
      work()
    } catch (error) {
      return (error as NodeJS.ErrnoException).path
    }
    return 'no error'
  }
  const at = `/proc/self/fd/${fd}`
  t.equal(
    failure(() => readFileSync(`${at}/a/b`)),
    `${directory}/a/b`,
  )
  t.equal(
    failure(() => readdirSync(`${at}/absent`)),
    `${directory}/absent`,
  )
  t.equal(
    failure(() => readlinkSync(`${at}/.`)),
    directory,
  )
  closeSync(fd)
  t.equal(
    failure(() => readFileSync(`${at}/a`)),
    `${at}/a`,
    'of what is closed nothing else is known',
  )
})
