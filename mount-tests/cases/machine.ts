/**
 * Machines that boot, without the machine: the initramfs library on a real disk
 * in a mount namespace, on good days and bad ones, and containers that boot the
 * same roots.
 */

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DENDRO } from '../context.ts'
import type { TestContext, TestTable } from '../context.ts'
import { addStep, bootContainer } from '../container.ts'
import { damageFile } from '../damage-file.ts'
import {
  bootInNamespace,
  copyDisk,
  deploymentsOf,
  machineStore,
  onDisk,
} from '../machine-store.ts'
import type { Booted } from '../machine-store.ts'

const VERSION = 'cat "$root/etc/machine-version"'

/** Runs a command in the root, as the running machine would. */
const INSIDE = `
inside() {
  mount --rbind /run "$root/run"
  mount -t proc proc "$root/proc"
  chroot "$root" "$@"
  umount -l "$root/proc" "$root/run"
}
`

const bootsInstead = (run: Booted, version: string, why: RegExp): void => {
  assert.equal(run.status, 0, run.text)
  assert.match(run.text, new RegExp(`^${version}$`, 'm'))
  assert.match(run.text, why)
  assert.match(run.state, why)
}

const runtimesByBuild = (root: string): Map<string, string> => {
  const directory = join(root, 'dendro/runtime')
  return new Map(
    readdirSync(directory).map(name => [
      readFileSync(join(directory, name, 'build'), 'utf8').trim(),
      join(directory, name),
    ]),
  )
}

/** A case in which the newer deployment cannot be booted. */
const without = (
  t: TestContext,
  ruin: (root: string, name: string) => void,
  why: RegExp,
): void => {
  const disk = copyDisk(t)
  const [name] = machineStore(t).names
  onDisk(t, disk, root => ruin(root, name))
  bootsInstead(bootInNamespace(t, disk, `dendro=${name}`, VERSION), '1', why)
}

const layerOf = (root: string, name: string): string =>
  join(root, 'dendro/deploy', name, 'etc/upper')

export const tests: TestTable = {
  'the initramfs boots the deployment that is asked for': t => {
    const { disk, names } = machineStore(t)
    const script = `${INSIDE}${VERSION}
      touch "$root/usr/x" || touch "$root/x" || echo "read-only"
      echo mine > "$root/etc/mine"
      inside dendro status`
    for (const [name, version] of [
      [names[0], '2'],
      [names[1], '1'],
    ] as const) {
      const run = bootInNamespace(t, disk, `quiet dendro=${name}`, script)
      assert.equal(run.status, 0, run.text)
      assert.match(run.text, new RegExp(`^${version}$`, 'm'))
      assert.match(run.text, /^read-only$/m)
      assert.match(
        run.text,
        new RegExp(`^\\* \\d.*\n +Version: ${version}$`, 'm'),
      )
      assert.doesNotMatch(run.text, /Booted for|Not booted/)
      assert.equal(run.state, `booted ${name}\nwanted ${name}\n`)
    }
    onDisk(t, disk, root => {
      for (const name of names) {
        const mine = join(layerOf(root, name), 'mine')
        assert.equal(readFileSync(mine, 'utf8'), 'mine\n')
        rmSync(mine)
      }
      rmSync(join(root, 'dendro/tries'), { recursive: true })
    })
  },
  'without a name on the command line the default is booted': t => {
    const run = bootInNamespace(t, copyDisk(t), 'quiet', VERSION)
    assert.equal(run.status, 0, run.text)
    assert.match(run.text, /^2$/m)
  },
  'a deployment that was deleted': t => {
    const name = `debian/${'0'.repeat(64)}.0`
    const run = bootInNamespace(t, copyDisk(t), `dendro=${name}`, VERSION)
    bootsInstead(run, '2', /0\.0: there is no such deployment/)
  },
  'a runtime that is missing, or cut short': t => {
    const runtime = (root: string) => runtimesByBuild(root).get('new') as string
    without(
      t,
      root => rmSync(runtime(root), { recursive: true }),
      /its runtime [0-9a-f]{64} is missing or damaged/,
    )
    without(
      t,
      root => truncateSync(join(runtime(root), 'bin/node'), 1 << 20),
      /its runtime [0-9a-f]{64} is damaged/,
    )
    without(
      t,
      root =>
        truncateSync(join(runtime(root), 'dist/bundle/main.cjs'), 1 << 12),
      /its runtime [0-9a-f]{64} is damaged/,
    )
  },
  'flags of a runtime that are damaged are done without': t => {
    const disk = copyDisk(t)
    onDisk(t, disk, root => {
      for (const runtime of runtimesByBuild(root).values())
        writeFileSync(join(runtime, 'scripts/shipped/server-flags'), 'case (\n')
    })
    const run = bootInNamespace(t, disk, '', VERSION)
    assert.match(run.text, /^2$/m)
  },
  'a layer that is missing': t =>
    without(
      t,
      (root, name) => renameSync(layerOf(root, name), join(root, 'taken')),
      /ENOENT|no such file/i,
    ),
  'a library of the init that is damaged': t =>
    without(
      t,
      (root, name) =>
        damageFile(root, name, 'usr/lib/x86_64-linux-gnu/libcrypto.so.3'),
      /its init cannot be run: .*libcrypto/,
    ),
  'a commit that is damaged': t => {
    const ruin = (root: string, name: string): void => {
      const hex = name.replace(/^.*\/|\..*$/g, '')
      truncateSync(join(root, 'dendro/repo/commits', hex), 20)
    }
    without(t, ruin, /damaged|corrupt/i)
    // What it damages is itself: the other one is confirmed, and the default.
    const disk = copyDisk(t)
    const [newer, older] = machineStore(t).names
    onDisk(t, disk, root => ruin(root, newer))
    const script = `${INSIDE}inside dendro status; inside dendro boot-complete; inside dendro undeploy 1`
    const run = bootInNamespace(t, disk, '', script)
    assert.match(run.text, /Damage: damaged commit/)
    assert.match(run.text, /has booted/)
    // What it had in /etc can be kept as files without its defaults.
    assert.match(run.text, /is removed; dendro undo brings it back/)
    onDisk(t, disk, root => assert.deepEqual(deploymentsOf(t, root), [older]))
  },
  'nothing that can be booted: it says why': t => {
    const ruin = (work: (root: string) => void): Booted => {
      const disk = copyDisk(t)
      onDisk(t, disk, work)
      return bootInNamespace(t, disk, '')
    }
    const withConfig = (change: (text: string) => string): Booted =>
      ruin(root => {
        const config = join(root, 'dendro/repo/config.json')
        writeFileSync(config, change(readFileSync(config, 'utf8')))
      })
    const cut = withConfig(text => text.slice(0, text.length / 2))
    assert.equal(cut.status, 11, cut.text)
    assert.match(cut.text, /config\.json/)
    assert.match(cut.text, /no deployment can be booted/)
    const future = withConfig(text =>
      JSON.stringify({ ...JSON.parse(text), version: 1000 }),
    )
    assert.equal(future.status, 11, future.text)
    assert.match(future.text, /version 1000, this program knows 1/)
    const state = ruin(root =>
      truncateSync(join(root, 'dendro/boot/state.json'), 30),
    )
    assert.equal(state.status, 11, state.text)
    assert.match(state.text, /damaged state of deployments/)
    const empty = ruin(root =>
      renameSync(join(root, 'dendro'), join(root, 'taken')),
    )
    assert.equal(empty.status, 10, empty.text)
    assert.match(empty.text, /holds no deployments/)
    const disk = t.path('empty.img')
    t.run('truncate', ['-s', '64M', disk])
    const missing = bootInNamespace(t, disk, '')
    assert.equal(missing.status, 10, missing.text)
    assert.match(missing.text, /cannot mount the store .*: is it damaged\?/)
  },
  'a store that is full boots, and says that it cannot count': t => {
    const disk = copyDisk(t)
    onDisk(t, disk, root => {
      // What is removed is free when the journal has it.
      rmSync(join(root, 'dendro/tries'), { recursive: true, force: true })
      t.run('sync', ['-f', root])
      for (const name of ['fill', 'rest']) {
        t.try('dd', ['if=/dev/zero', `of=${root}/${name}`, 'bs=4k'])
        t.run('sync', ['-f', root])
      }
    })
    const run = bootInNamespace(t, disk, '', VERSION)
    assert.equal(run.status, 0, run.text)
    assert.match(run.text, /^2$/m)
    assert.match(run.text, /cannot count this boot/)
  },
  'boots that nobody confirms: the version before, and status says so': t => {
    const disk = copyDisk(t)
    const [newer, older] = machineStore(t).names
    for (let tries = 1; tries <= 3; tries++) {
      const run = bootInNamespace(t, disk, `dendro=${newer}`, VERSION)
      assert.match(run.text, /^2$/m, run.text)
      onDisk(t, disk, root => {
        const [file] = readdirSync(join(root, 'dendro/tries'))
        const path = join(root, 'dendro/tries', file as string)
        assert.equal(readFileSync(path, 'utf8'), `${tries}\n`)
      })
    }
    const why = /3 boots of it were not confirmed/
    const run = bootInNamespace(
      t,
      disk,
      `dendro=${newer}`,
      `${INSIDE}${VERSION}; inside dendro status; inside dendro boot-complete; inside dendro status`,
    )
    bootsInstead(run, '1', why)
    assert.match(run.text, new RegExp(`Booted for: ${newer}`))
    assert.match(run.text, /Not booted: .*3 boots of it were not confirmed/)
    onDisk(t, disk, root => {
      assert.deepEqual(deploymentsOf(t, root), [older, newer])
      const log = t.run(DENDRO, ['--sysroot', root, 'op', 'log'], {
        env: { DENDRO_REPO: '' },
      })
      assert.match(log, why)
      const [file] = readdirSync(join(root, 'dendro/tries'))
      assert.match(file as string, new RegExp(newer.slice(-20)))
    })
    // The fallback is the default; the other one may be asked for again.
    const next = bootInNamespace(t, disk, '', VERSION)
    assert.match(next.text, /^1$/m, next.text)
    const limit = `dendro=${newer} dendro.tries=9`
    assert.match(bootInNamespace(t, disk, limit, VERSION).text, /^2$/m)
  },
  'a server that everything waits for is not stopped for long': t => {
    // As systemd-shutdown does it, which then asks for what nobody asked for.
    const run = bootInNamespace(
      t,
      copyDisk(t),
      '',
      `pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' /run/dendro/*/server.json)
       kill -STOP $pid; grep State: /proc/$pid/status
       timeout 20 ls "$root/etc/initrd-release"
       timeout 20 cat "$root/usr/bin/perl" | md5sum
       echo "then $?"`,
    )
    assert.match(run.text, /^State:\s+T/m)
    assert.match(run.text, /cannot access .*initrd-release/)
    assert.match(run.text, /^then 0$/m)
  },
  'what one boot read is read ahead by the next one': t => {
    const disk = copyDisk(t)
    const record = `${INSIDE}cat "$root/usr/bin/perl" | md5sum; inside dendro profile record`
    const recorded = bootInNamespace(t, disk, '', record)
    assert.match(recorded.text, /^\d{3,} objects are read ahead/m)
    // Of the pack, without a file of the commit being read.
    const resident = (run: Booted): number =>
      Number(/^resident (\d+)$/m.exec(run.text)?.[1])
    const count = `sleep 1; echo resident $(fincore -nrb -o RES /run/initramfs/dendro/store/dendro/repo/packs/* | awk '{ n += $1 } END { print n }')`
    const boot = () => {
      writeFileSync('/proc/sys/vm/drop_caches', '3')
      return bootInNamespace(t, disk, 'init=/bin/true', count)
    }
    const ahead = resident(boot())
    onDisk(t, disk, root =>
      rmSync(join(root, 'dendro/profile'), { recursive: true }),
    )
    const plain = resident(boot())
    assert.ok(ahead > plain + 2_000_000, `${ahead} bytes, else ${plain}`)
  },
  'a confirmed boot counts no more': t => {
    const disk = copyDisk(t)
    const script = `${INSIDE}inside dendro boot-complete`
    for (let i = 0; i < 4; i++) {
      const run = bootInNamespace(t, disk, '', script)
      assert.match(run.text, /has booted/, run.text)
      assert.doesNotMatch(run.state, /why/)
    }
    onDisk(t, disk, root =>
      assert.deepEqual(readdirSync(join(root, 'dendro/tries')), []),
    )
  },
  'upgraded from inside: kernels, runtimes and entries for the next boot':
    t => {
      const disk = copyDisk(t)
      const [newer] = machineStore(t).names
      const script = `${INSIDE}inside dendro kargs --append a.b=c; inside dendro rollback; inside dendro undeploy 1; inside dendro upgrade`
      const run = bootInNamespace(t, disk, `dendro=${newer}`, script)
      assert.equal(run.status, 0, run.text)
      onDisk(t, disk, root => {
        const entries = join(root, 'boot/loader/entries')
        for (const file of readdirSync(entries)) {
          const text = readFileSync(join(entries, file), 'utf8')
          for (const key of ['linux', 'initrd']) {
            const path = new RegExp(`^${key} (.*)$`, 'm').exec(text)?.[1]
            assert.ok(path !== undefined, text)
            assert.ok(existsSync(join(root, path)), `${path} is there`)
          }
          assert.match(
            text,
            /^options dendro=debian\/\S+ boot=dendro dendro\.store=UUID=\S+/m,
          )
        }
        const menu = readFileSync(join(root, 'dendro/boot/grub.cfg'), 'utf8')
        assert.match(menu, /linux \/boot\/dendro\//)
      })
    },
  'systemd boots two versions in a container, and the first one again': t => {
    const { repository } = machineStore(t)
    const sysroot = t.makeDirectory('sysroot')
    const dendro = (...args: string[]) =>
      t.run(DENDRO, ['--sysroot', sysroot, ...args], {
        env: { DENDRO_REPO: repository },
      })
    dendro('deploy', 'machine~1')
    const [first] = deploymentsOf(t, sysroot, repository)
    const layer = layerOf(sysroot, first as string)
    addStep(layer)
    writeFileSync(join(layer, 'mine'), 'mine\n')
    const readOnly = /touch: .*Read-only file system\nend\n$/
    const one = bootContainer(t, sysroot, repository)
    assert.match(one, /^1\nmine\n/)
    assert.match(one, readOnly)
    dendro('deploy', 'machine')
    const two = bootContainer(t, sysroot, repository)
    assert.match(two, /^2\nmine\n/)
    assert.match(two, readOnly)
    dendro('rollback')
    assert.match(bootContainer(t, sysroot, repository), /^1\nmine\n/)
  },
  'bwrap and unshare run an assembled root': t => {
    const { repository } = machineStore(t)
    const sysroot = t.makeDirectory('sysroot')
    const root = t.path('root')
    const env = { DENDRO_REPO: repository }
    const dendro = (...args: string[]) =>
      t.run(DENDRO, ['--sysroot', sysroot, ...args], { env })
    dendro('deploy', 'machine')
    dendro('root', 'assemble', root)
    const script = 'cat /etc/machine-version && dpkg --audit && echo $$'
    const bwrap = t.run('bwrap', [
      ...['--bind', root, '/', '--dev', '/dev', '--proc', '/proc'],
      ...['--tmpfs', '/run', '--tmpfs', '/tmp', '--unshare-pid'],
      ...['sh', '-c', script],
    ])
    assert.match(bwrap, /^2\n\d\n$/)
    const unshare = t.run('unshare', [
      ...['--mount', '--pid', '--fork', '--mount-proc'],
      ...['chroot', root, 'sh', '-c', script],
    ])
    assert.equal(unshare, '2\n1\n')
    dendro('root', 'release', root)
  },
  'what cannot be installed, integrated or told to a kernel': t => {
    const { repository, disk } = machineStore(t)
    const env = { DENDRO_REPO: repository }
    const refuse = (status: number, why: RegExp, ...args: string[]): void => {
      const result = t.try(DENDRO, args, { env })
      assert.match(result.stderr, why)
      if (status === 1)
        assert.match(result.stderr, /^dendro: .*\n$/, 'one line')
      assert.equal(result.status, status)
    }
    const image = t.path('new.img')
    const install = ['install', '--disk', image]
    refuse(1, /no revision|cannot find|unknown/i, ...install, 'nothing')
    assert.ok(!existsSync(image))
    refuse(2, /is no size/, ...install, '--size', '4T', 'machine')
    refuse(1, /must have \d+ at least/, ...install, '--size', '1M', 'machine')
    assert.ok(!existsSync(image))
    refuse(2, /go with --disk/, 'install', '--size', '1G', 'machine')
    refuse(
      1,
      /it has partitions .*--wipe/,
      ...['install', '--disk', disk, 'machine'],
    )
    refuse(
      1,
      /neither a file nor a disk/,
      'install',
      '--disk',
      '/tmp',
      'machine',
    )
    refuse(
      1,
      /bad kernel argument 'a b'/,
      ...[...install, '--karg', 'a b', 'machine'],
    )
    assert.ok(!existsSync(image))
    const tree = t.makeDirectory('tree')
    refuse(1, /it has no directory usr/, 'integrate', tree)
    mkdirSync(join(tree, 'usr/etc'), { recursive: true })
    writeFileSync(join(tree, 'usr/etc/os-release'), 'ID=x\n')
    t.run(DENDRO, ['commit', '-b', 'plain', tree], { env })
    refuse(1, /it has no kernel .*dendro integrate/, ...install, 'plain')
    refuse(1, /no deployment/i, '--sysroot', tree, 'kargs')
    refuse(
      1,
      /serves no machine|is not there|cannot reach|no deployment/i,
      'profile',
      'record',
    )
    refuse(2, /unknown action/, 'profile', 'play')
    refuse(1, /no deployment/i, '--sysroot', tree, 'boot-complete')
    refuse(
      1,
      /there is no deployment x/,
      '--sysroot',
      tree,
      'boot-root',
      'x',
      '/mnt',
    )
  },
}
