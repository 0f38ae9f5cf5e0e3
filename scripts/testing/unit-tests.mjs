/** Runs the unit tests with tap and closes with a line "N passed, N failed". */
import { spawn } from 'node:child_process'

const child = spawn('npx', ['tap', '--reporter=tap'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
let text = ''
child.stdout.on('data', data => (text += data))
child.on('close', code => {
  const lines = text.split('\n')
  // A file that fails is shown whole; of the others a line each is enough.
  if (code === 0)
    for (const line of lines.filter(l => /^(not )?ok /.test(l)))
      console.log(line)
  else console.log(text)
  const counts = /^# \{ total: (\d+), pass: (\d+)(?:, fail: (\d+))?/m.exec(text)
  const passed = Number(counts?.[2] ?? 0)
  const failed = Number(counts?.[1] ?? 0) - passed
  const isBroken = code !== 0 && failed === 0
  console.log(
    `unit tests: ${passed} passed, ${failed + (isBroken ? 1 : 0)} failed`,
  )
  process.exitCode = code === 0 && passed > 0 ? 0 : 1
})
