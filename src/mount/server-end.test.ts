import { spawn } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { once } from 'node:events'
import t from 'tap'
import { waitForEnd } from './server-end.ts'

t.test('a process is waited for until it holds nothing', async t => {
  const fd = openSync(t.testdir(), 'r')
  const child = spawn('cat', { stdio: ['pipe', 'ignore', fd] })
  closeSync(fd)
  await once(child, 'spawn')
  let isOver = false
  const waiting = waitForEnd(child.pid as number).then(() => (isOver = true))
  await new Promise(done => setTimeout(done, 50))
  t.notOk(isOver)
  child.stdin?.end()
  await waiting
  t.ok(isOver)
  await waitForEnd(child.pid as number)
})
