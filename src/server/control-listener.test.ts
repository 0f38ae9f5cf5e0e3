import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { RUNTIME_FILE } from '../system/protocol.ts'
import { ControlListener } from './control-listener.ts'
import { controlAddress } from './control-socket.ts'

/** What comes back for what is sent, in pieces. */
const ask = (directory: string, ...pieces: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(controlAddress(directory))
    let text = ''
    socket.on('data', (data: Buffer) => (text += data.toString()))
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
    for (const piece of pieces) socket.write(piece)
  })

t.test('a line is answered with JSON, however it comes', async t => {
  const directory = t.testdir()
  const listener = new ControlListener(directory, async question => ({
    asked: question,
  }))
  listener.listen()
  t.teardown(() => listener.close())
  t.equal(await ask(directory, 'one\ttwo\n'), '{"asked":"one\\ttwo\\n"}\n')
  t.equal(await ask(directory, 'o', 'ne\n'), '{"asked":"one\\n"}\n')
})

t.test('it listens again where something else took the path', async t => {
  const directory = t.testdir()
  const listener = new ControlListener(directory, async () => 'here')
  listener.listen()
  t.teardown(() => listener.close())
  const other = new ControlListener(directory, async () => 'other')
  other.listen()
  t.teardown(() => other.close())
  t.equal(await ask(directory, '?\n'), '"other"\n')
  listener.listen()
  t.equal(await ask(directory, '?\n'), '"here"\n')
})

t.test('what is no socket is in its way neither', async t => {
  const directory = t.testdir()
  writeFileSync(join(directory, RUNTIME_FILE.controlSocket), '')
  const listener = new ControlListener(directory, async () => 1)
  listener.listen()
  t.equal(await ask(directory, '?\n'), '1\n')
  listener.close()
  t.notOk(existsSync(join(directory, RUNTIME_FILE.controlSocket)))
})

t.test('a question without end is cut off', async t => {
  const directory = t.testdir()
  const listener = new ControlListener(directory, async () => 'answered')
  listener.listen()
  t.teardown(() => listener.close())
  const piece = 'x'.repeat(1024 * 1024)
  const pieces = Array.from({ length: 20 }, () => piece)
  const answer = await ask(directory, ...pieces).catch(() => '')
  t.equal(answer, '')
})
