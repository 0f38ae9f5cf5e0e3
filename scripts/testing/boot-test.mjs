/**
 * Boots real machines in QEMU from their deployments.
 *
 *     scripts/boot-test [--full] [CASE...]
 *
 * Without --full only what every change is tested with. Serial logs stay in
 * dist/boot-logs. Needs root. Closes with a line "N passed, N failed".
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { kernelParameter } from '../../dist/src/sysroot/kernel-words.js'
import { damageFile } from '../../dist/mount-tests/damage-file.js'
import {
  boot,
  bring,
  logs,
  makeMachine,
  mountpoint,
  onSysroot,
  prepare,
  prepareSpeaker,
  setStep,
  sh,
  withDisk,
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
const POWER_OFF = 'say end\nsystemctl --no-block poweroff\n'
/** Kills the server while every program of /usr/bin is read. */
const KILL = `
server() { dendro mount stats /usr --json | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p'; }
pid=$(server)
kill -9 $pid
cat /usr/bin/* | md5sum
say survived $? $([ "$pid" != "$(server)" ] && echo by another server)
`

const upWell = (run, { kernel = '', version, tries = 0 }) => {
  assert.match(
    run.text,
    new RegExp(
      `MARK up ${kernel.replaceAll('.', '\\.')}\\S* version ${version}\\r?\\n`,
    ),
  )
  assert.match(run.text, /MARK failed 0\r?\n/)
  assert.match(run.text, new RegExp(`MARK tries ${tries}\\r?\\n`))
  assert.match(run.text, /MARK end/)
  assert.equal(run.signal, null, 'it was not off in time')
  // systemd says that of every separate /var that the journal is written to.
  assert.doesNotMatch(run.text, /Kernel panic|FAILED(?!.* \/var\.)/)
  console.log(
    `# ${run.name}: up ${run.marks.up.toFixed(1)} s, off ${run.seconds.toFixed(1)} s`,
  )
}

/** One boot of a machine that is killed in and switched off. */
const bootsAndSurvives = async (name, disk, expected, options = {}) => {
  setStep(disk, `${BEGIN}${KILL}${POWER_OFF}`)
  const run = await boot(name, disk, options)
  upWell(run, expected)
  assert.match(run.text, /MARK survived 0 by another server/)
}

const upgradeAndRollBack = async () => {
  prepare(['old', 'new'])
  const disk = makeMachine('machine.img', 'machine~1')
  bring(disk, 'machine')
  setStep(
    disk,
    `${BEGIN}
dendro status
echo mine > /etc/mine
${KILL}
touch /usr/x && say writable
dendro live unlock && touch /usr/x && say unlocked
dendro live lock
say runtimes $(ls /dendro/runtime | wc -l)
dendro upgrade
say upgraded $?
say runtimes now $(ls /dendro/runtime | wc -l)
dendro status
${REBOOT}`,
  )
  const first = await boot('1-first', disk)
  upWell(first, { kernel: '6.1.0', version: '1' })
  assert.match(first.text, /MARK survived 0 by another server/)
  assert.match(first.text, /MARK unlocked/)
  assert.doesNotMatch(first.text, /MARK writable/)
  assert.match(first.text, /MARK runtimes 1\r?\n/)
  assert.match(first.text, /MARK upgraded 0/)
  assert.match(first.text, /MARK runtimes now 2\r?\n/)
  setStep(
    disk,
    `${BEGIN}
say mine $(cat /etc/mine)
say build $(cat /usr/lib/dendro/build) served by $(cat /run/initramfs/dendro/jail/build)
dendro status
dendro kargs --append dendro.test=1
dendro rollback
say rolled $?
${REBOOT}`,
  )
  const second = await boot('2-upgraded', disk)
  upWell(second, { kernel: '6.12', version: '2' })
  assert.match(second.text, /MARK mine mine/)
  assert.match(second.text, /MARK build new served by new/)
  assert.match(second.text, /MARK rolled 0/)
  setStep(
    disk,
    `${BEGIN}
say mine $(cat /etc/mine)
say build $(cat /usr/lib/dendro/build) served by $(cat /run/initramfs/dendro/jail/build)
dendro status
${POWER_OFF}`,
  )
  const third = await boot('3-rolled-back', disk)
  upWell(third, { kernel: '6.1.0', version: '1' })
  assert.match(third.text, /MARK mine mine/)
  assert.match(third.text, /MARK build old served by old/)
}

/** As shown by `kargs`; the kernel drops the quotes. */
const ARGUMENTS = [
  'dyndbg="file foo.c +p"',
  'systemd.setenv="A=b c"',
  'plain="quoted"',
  'list="a, b, c"',
  'option=a,b:c/d@e%f$g#h(i)*j;k&l|m<n>o!p?q~r^s`t{u}[v]',
]

/** What is said to a kernel reaches it, through GRUB and by the boot entry. */
const argumentsReach = async () => {
  prepareSpeaker()
  const disk = makeMachine(
    'speaker.img',
    'speaker',
    ...ARGUMENTS.flatMap(word => ['--karg', word]),
  )
  const wanted = ARGUMENTS.map(kernelParameter)
  for (const firmware of [true, false]) {
    const run = await boot(firmware ? 'words-grub' : 'words', disk, {
      firmware,
      memory: 512,
    })
    const line = /MARK cmdline (.*?)\r?\n/.exec(run.text)?.[1]
    assert.ok(line !== undefined, 'the machine said nothing')
    const parameters = line.match(/(?:[^ "]|"[^"]*")+/g).map(kernelParameter)
    const seen = parameters.filter(word => wanted.includes(word))
    assert.deepEqual(seen, wanted, line)
  }
}

const fallBack = async () => {
  prepare(['old', 'new'])
  const disk = makeMachine('damaged.img', 'machine~1')
  bring(disk, 'machine')
  onSysroot(disk, 'upgrade')
  const { deployments } = JSON.parse(onSysroot(disk, 'status', '--json'))
  const [{ deployment }] = deployments
  withDisk(disk, root =>
    damageFile(root, deployment, 'usr/lib/x86_64-linux-gnu/libcrypto.so.3'),
  )
  setStep(disk, `${BEGIN}\ndendro status\ndendro op log\n${POWER_OFF}`)
  const run = await boot('damaged', disk)
  // The boot that failed stays counted.
  upWell(run, { version: '1', tries: 1 })
  assert.match(run.text, new RegExp(`Booted for: ${deployment}`))
  assert.match(run.text, /Not booted: .*its init cannot be run: .*libcrypto/)
  assert.match(run.text, /fell back to debian/)
}

const CUTS = 20

/** Whatever the power goes in, the next boot comes up with one version or the other. */
const powerCuts = async () => {
  prepare(['old', 'new'])
  const disk = makeMachine('cuts.img', 'machine~1')
  bring(disk, 'machine')
  setStep(
    disk,
    `${BEGIN}
n=0
while :; do
  n=$((n + 1))
  dendro deploy "machine@{$((n % 2 + 1))}" >/dev/null && say deploy $n
done
`,
  )
  const cutAfter = (ms, child) => setTimeout(() => child.kill('SIGKILL'), ms)
  let verified = 0
  for (let cut = 1; cut <= CUTS; cut++) {
    const whileBooting = cut % 2 === 1
    const ms = whileBooting ? randomInt(4_000, 50_000) : randomInt(500, 40_000)
    const run = await boot(`cut-${cut}`, disk, {
      cache: 'directsync',
      onStart: child => whileBooting && cutAfter(ms, child),
      onLine: (line, child) =>
        !whileBooting && /MARK tries/.test(line) && cutAfter(ms, child),
    })
    const deploys = run.text.match(/MARK deploy/g)?.length ?? 0
    console.log(
      `# cut ${cut}: ${(ms / 1000).toFixed(1)} s ${whileBooting ? 'into the boot' : `after it was up, ${deploys} deploys`}`,
    )
    assert.doesNotMatch(run.text, /Kernel panic|no deployment can be booted/)
    if (whileBooting) continue
    assert.match(run.text, /MARK up \S+ version [12]\r?\n/)
    assert.match(run.text, /MARK failed 0\r?\n/)
    verified++
  }
  assert.equal(verified, CUTS / 2)
  await bootsAndSurvives('cut-last', disk, { version: '[12]' })
  console.log(`# ${onSysroot(disk, 'fsck')}`)
  withDisk(disk, root => sh('test -L "$1/dendro/boot"', root))
}

const cases = {
  'boot, kill the server, upgrade, roll back': { run: upgradeAndRollBack },
  'kernel arguments': { run: argumentsReach },
  '256 MB': {
    full: true,
    run: async () => {
      prepare(['old', 'new'])
      const disk = makeMachine('small.img', 'machine~1')
      await bootsAndSurvives('256-mb', disk, { version: '1' }, { memory: 256 })
    },
  },
  'GRUB from the BIOS': {
    full: true,
    run: async () => {
      prepare(['old', 'new'])
      const disk = makeMachine('grub.img', 'machine~1')
      await bootsAndSurvives('grub', disk, { version: '1' }, { firmware: true })
    },
  },
  'Debian 13': {
    full: true,
    run: async () => {
      prepare(['trixie'])
      const disk = makeMachine('trixie.img', 'trixie')
      await bootsAndSurvives('trixie', disk, { kernel: '6.12', version: '13' })
    },
  },
  dracut: {
    full: true,
    run: async () => {
      prepare(['dracut'])
      const disk = makeMachine('dracut.img', 'dracut')
      await bootsAndSurvives('dracut', disk, { kernel: '6.1.0', version: '1' })
    },
  },
  'a damaged upgrade': { full: true, run: fallBack },
  'power cuts': { full: true, run: powerCuts },
}

const main = async () => {
  if (process.geteuid() !== 0) {
    console.error('scripts/boot-test must be run as root')
    process.exit(2)
  }
  mkdirSync(logs, { recursive: true })
  const isFull = process.argv.includes('--full')
  const named = process.argv.slice(2).filter(word => !word.startsWith('--'))
  const unknown = named.filter(name => cases[name] === undefined)
  if (unknown.length > 0) {
    console.error(
      `scripts/boot-test: no case '${unknown[0]}'; there are: ${Object.keys(cases).join('; ')}`,
    )
    process.exit(2)
  }
  let passed = 0
  let failed = 0
  const began = performance.now()
  try {
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
  console.log(`# ${secondsSince(began)} s, logs in ${logs}`)
  console.log(`boot tests: ${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}

await main()
