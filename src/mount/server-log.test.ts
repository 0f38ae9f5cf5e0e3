import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { complaintIn } from './server-log.ts'

t.test('the last error that was written meanwhile', async t => {
  const log = `${t.testdir()}/server.log`
  t.equal(complaintIn(log, 0), undefined)
  writeFileSync(log, 'dendro: an old one\n')
  const begin = statSync(log).size
  t.equal(complaintIn(log, begin), undefined)
  writeFileSync(log, '(node) a warning\ndendro: first\ndendro: last\nmore\n', {
    flag: 'a',
  })
  t.equal(complaintIn(log, begin), 'last')
})

t.test('only a file is read', async t => {
  const directory = t.testdir({ file: 'dendro: elsewhere\n' })
  symlinkSync('file', `${directory}/link`)
  mkdirSync(`${directory}/directory`)
  for (const name of ['link', 'directory'])
    t.equal(complaintIn(`${directory}/${name}`, 0), undefined, name)
})
