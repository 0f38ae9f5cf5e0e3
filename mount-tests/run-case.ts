/** Runs the tests of one file; the process is in a mount namespace of its own. */

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestContext } from './context.ts'
import type { TestTable } from './context.ts'

const name = process.argv[2] as string
const only = process.env['ONLY']
const { tests } = (await import(`./cases/${name}.js`)) as { tests: TestTable }
const base = mkdtempSync(join(tmpdir(), `dendro-${name}-`))
// Some tests act as another user.
chmodSync(base, 0o755)
let number = 0
let failed = 0
for (const [title, test] of Object.entries(tests)) {
  if (only !== undefined && !title.includes(only)) continue
  const context = new TestContext(join(base, String(++number)))
  const began = Date.now()
  try {
    await test(context)
    console.log(`ok ${name}: ${title} (${Date.now() - began} ms)`)
  } catch (error) {
    failed++
    const text =
      error instanceof Error ? (error.stack ?? error.message) : String(error)
    console.log(`not ok ${name}: ${title}\n${text.replace(/^/gm, '    ')}`)
  }
  context.cleanUp()
}
rmSync(base, { recursive: true, force: true })
process.exitCode = failed > 0 ? 1 : 0
