import {
  closeSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { DirectoryHandle } from './directory-handle.ts'
import { listNames } from './directory-names.ts'

t.test('all names of a large directory, as bytes', t => {
  const directory = t.testdir()
  // More than one call returns.
  const files = Array.from({ length: 3000 }, (_, i) => `file-${i}`.padEnd(60))
  files.push('not UTF-8: \xff', 'x'.repeat(255))
  for (const name of files)
    writeFileSync(latin1ToBytes(join(directory, name)), '')
  for (const name of ['d1', 'd2']) mkdirSync(join(directory, name))
  symlinkSync('d1', join(directory, 'link'))
  const handle = DirectoryHandle.open(Buffer.from(directory))
  const { names, directories } = handle.names()
  t.same(names.sort(), [...files, 'd1', 'd2', 'link'].sort())
  t.same(
    names.sort(),
    handle
      .list()
      .map(({ name }) => name)
      .sort(),
  )
  for (const name of directories) t.ok(['d1', 'd2'].includes(name))
  handle.close()
  t.end()
})

t.test('what is no directory', t => {
  const fd = openSync(join(t.testdir({ file: '' }), 'file'), 'r')
  t.throws(() => listNames(fd), { code: 'NOT_A_DIRECTORY' })
  closeSync(fd)
  t.end()
})
