/**
 * Boots real Debian machines from their deployments in QEMU, upgrades them,
 * rolls them back, kills their server, damages them.
 *
 *     scripts/boot-test [--full] [CASE...]
 *
 * Serial logs are kept in dist/boot-logs. Needs root. Everything else that it
 * makes is in a directory of its own, which it removes.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import {
  boot,
  bringUpgrade,
  logs,
  makeMachine,
  mountpoint,
  prepare,
  setStep,
  work,
} from './boot-lib.mjs'

const secondsSince = began => ((performance.now() - began) / 1000).toFixed(0)

/** What every step of a machine begins with. */
const BEGIN = `
exec 2>&1
say() { echo "MARK $*"; }
say up $(uname -r) version $(cat /etc/machine-version)
say failed $(systemctl --failed --no-legend --plain | wc -l)
systemctl --failed --no-legend --plain
say tries $(ls /dendro/tries | wc -l)
`
const REBOOT = 'say end\nsystemctl --no-block reboot\n'

const upWell = (run, { kernel, version }) => {
  assert.match(
    run.text,
    new RegExp(
      `MARK up ${kernel.replaceAll('.', '\\.')}\\S* version ${version}\\r?\\n`,
    ),
  )
  assert.match(run.text, /MARK failed 0\r?\n/)
  assert.match(run.text, /MARK tries 0\r?\n/)
  assert.match(run.text, /MARK end/)
  assert.equal(run.signal, null, 'it was not off in time')
  assert.doesNotMatch(run.text, /Kernel panic|FAILED(?!.* \/var\.)/)
  console.log(
    `# ${run.name}: up ${run.marks.up.toFixed(1)} s, off ${run.seconds.toFixed(1)} s`,
  )
}

const cases = {
  'boot, kill the server, upgrade, roll back': {
    run: async () => {
      const disk = makeMachine()
      bringUpgrade(disk)
      setStep(
        disk,
        `${BEGIN}
dendro status
echo mine > /etc/mine
userdel --help >/dev/null 2>&1
pid=$(dendro mount stats /usr --json | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p')
say server $pid
kill -9 $pid
cat /usr/bin/* | md5sum
say survived $?
touch /usr/x && say writable
dendro live unlock && touch /usr/x && say unlocked
dendro live lock
dendro upgrade
say upgraded $?
dendro status
${REBOOT}`,
      )
      const first = await boot('1-first', disk)
      upWell(first, { kernel: '6.1.0', version: '1' })
      assert.match(first.text, /MARK survived 0/)
      assert.match(first.text, /MARK unlocked/)
      assert.doesNotMatch(first.text, /MARK writable/)
      assert.match(first.text, /MARK upgraded 0/)
      setStep(
        disk,
        `${BEGIN}
say mine $(cat /etc/mine)
dendro status
dendro rollback
say rolled $?
${REBOOT}`,
      )
      const second = await boot('2-upgraded', disk)
      upWell(second, { kernel: '6.12', version: '2' })
      assert.match(second.text, /MARK mine mine/)
      assert.match(second.text, /MARK rolled 0/)
      setStep(
        disk,
        `${BEGIN}
say mine $(cat /etc/mine)
dendro status
say end
systemctl --no-block poweroff
`,
      )
      const third = await boot('3-rolled-back', disk)
      upWell(third, { kernel: '6.1.0', version: '1' })
      assert.match(third.text, /MARK mine mine/)
    },
  },
}

const main = async () => {
  if (process.geteuid() !== 0) {
    console.error('scripts/boot-test must be run as root')
    process.exit(2)
  }
  rmSync(logs, { recursive: true, force: true })
  mkdirSync(logs, { recursive: true })
  const isFull = process.argv.includes('--full')
  const named = process.argv.slice(2).filter(word => !word.startsWith('--'))
  let passed = 0
  let failed = 0
  const began = performance.now()
  try {
    prepare()
    console.log(`# trees ready after ${secondsSince(began)} s`)
    for (const [name, { full = false, run }] of Object.entries(cases)) {
      if (named.length > 0 ? !named.includes(name) : full && !isFull) continue
      try {
        await run()
        passed++
        console.log(`ok ${name}`)
      } catch (error) {
        failed++
        console.log(`not ok ${name}\n  ${error.stack.replaceAll('\n', '\n  ')}`)
      }
    }
  } finally {
    if (existsSync(mountpoint)) spawnSync('umount', ['-q', mountpoint])
    rmSync(work, { recursive: true, force: true })
  }
  console.log(
    `${passed} passed, ${failed} failed; ${secondsSince(began)} s, logs in ${logs}`,
  )
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}

await main()
