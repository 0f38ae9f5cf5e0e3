/** A READ that takes its time keeps nobody else waiting. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { waitFor } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'

const PROGRAM = new URL('../slow-reader.js', import.meta.url).pathname

/**
 * Reads the slow file, while that lasts another one, and looks up the name that
 * it waits for; what both held.
 */
const readBoth = async (
  t: TestContext,
  patienceMs: number,
  resend: 'yes' | 'no',
): Promise<string[]> => {
  const mounted = t.makeDirectory('mnt')
  const server = spawn(
    process.execPath,
    [PROGRAM, mounted, String(patienceMs), resend],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = new Promise(done => server.on('close', done))
  let said = ''
  server.stdout.on('data', (data: Buffer) => (said += data.toString()))
  try {
    await waitFor('the server', () => said.includes('ready'))
    const texts = ['', '']
    const readers = []
    for (const [i, name] of ['slow', 'second'].entries()) {
      const cat = spawn('cat', [`${mounted}/${name}`])
      cat.stdout.on('data', (data: Buffer) => (texts[i] += data.toString()))
      readers.push(new Promise(done => cat.on('close', done)))
      await waitFor('the slow read', () => said.includes('reading'))
    }
    // Long enough for the second one's READ to have come.
    await new Promise(done => setTimeout(done, 100))
    assert.equal(statSync(`${mounted}/awaited`).size, 32)
    await Promise.all(readers)
    t.sh('umount "$1"', mounted)
    return texts.map(text => text.trim())
  } finally {
    server.kill()
    await ended
  }
}

export const tests: TestTable = {
  'a name is looked up between the steps of a READ, and READs go in turn':
    async t => {
      const texts = await readBoth(t, 10_000, 'yes')
      assert.deepEqual(texts, ['looked up meanwhile', 'behind the slow one'])
    },
  'where the kernel does not send again what was unanswered, all go in turn':
    async t => {
      const texts = await readBoth(t, 500, 'no')
      assert.deepEqual(texts, ['waited in vain', 'behind the slow one'])
    },
}
