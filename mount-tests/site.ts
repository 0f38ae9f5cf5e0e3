/** A sysroot for tests of deployments: a small system, its next version, an administrator. */

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DENDRO } from './context.ts'
import type { TestContext } from './context.ts'
import type { CommandResult } from './context.ts'

const NAMES = ['bash', 'cat', 'ls', 'sleep', 'touch', 'mkdir', 'hostname']

/** The programs with the libraries they need. */
const addPrograms = (t: TestContext, root: string): void => {
  t.sh(
    `
    mkdir -p "$1/usr/bin" "$1/usr/lib64"
    for name in ${NAMES.join(' ')}; do
      file=$(readlink -f "$(command -v $name)")
      cp "$file" "$1/usr/bin/$name"
      ldd "$file" | grep -o '/lib[^ ]*' | while read -r lib; do
        mkdir -p "$1/usr$(dirname "$lib")"
        cp "$lib" "$1/usr$lib"
      done
    done
    ln -s bash "$1/usr/bin/sh"
    ln -s usr/bin "$1/bin"
    ln -s usr/lib "$1/lib"
    ln -s usr/lib64 "$1/lib64"
    `,
    root,
  )
}

export const write = (
  root: string,
  files: Readonly<Record<string, string>>,
): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), text)
  }
}

export const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n'

export interface Site {
  readonly t: TestContext
  readonly sysroot: string
  readonly tree: string
  dendro(...args: string[]): string
  try(...args: string[]): CommandResult
  json<T>(...args: string[]): T
  /** The layer of the nth deployment. */
  layer(index?: number): string
  run(script: string, ...args: string[]): string
}

/** A sysroot with one version deployed. */
export const site = (t: TestContext): Site => {
  const sysroot = t.makeDirectory('sysroot')
  t.makeDirectory('sysroot', 'boot')
  const env = { DENDRO_REPO: '' }
  const attempt = (...args: string[]) =>
    t.try(DENDRO, ['--sysroot', sysroot, ...args], { env })
  const dendro = (...args: string[]): string => {
    const { status, stdout, stderr } = attempt(...args)
    assert.equal(status, 0, `dendro ${args.join(' ')}: ${stderr}`)
    return stdout.trimEnd()
  }
  dendro('init')
  const tree = t.makeDirectory('tree')
  addPrograms(t, tree)
  write(tree, {
    'usr/etc/passwd': PASSWD,
    'usr/etc/text': '1\n2\n3\n4\n5\n6\n7\n',
    'usr/etc/same': 'same\n',
    'usr/etc/deleted': 'default\n',
    'usr/etc/vanishes': 'default\n',
    'usr/etc/moded': 'mode\n',
    'usr/etc/clash': 'default\n',
    'usr/etc/d/one': '1\n',
    'usr/etc/d/two': '2\n',
    'usr/lib/os-release': 'ID=test\nPRETTY_NAME="Test OS"\n',
    'var/lib/app/state': 'initial\n',
    'var/lib/dpkg/status':
      'Package: krb5-libs\nStatus: install ok installed\nVersion: 1.14-2\n',
  })
  chmodSync(join(tree, 'usr/etc/moded'), 0o644)
  dendro('commit', '-b', 'os/test', '--version', '23.31', tree)
  const json = <T>(...args: string[]): T =>
    JSON.parse(dendro('--json', ...args)) as T
  return {
    t,
    sysroot,
    tree,
    dendro,
    try: attempt,
    json,
    layer: (index = 0) => {
      const { deployments } = json<{ deployments: { deployment: string }[] }>(
        'status',
      )
      const name = deployments[index]?.deployment as string
      return join(sysroot, 'dendro/deploy', name, 'etc/upper')
    },
    run: (script, ...args) =>
      dendro('run', '--', '/bin/sh', '-euc', script, 'sh', ...args),
  }
}

/** The next version of the tree. */
export const nextVersion = (s: Site): void => {
  write(s.tree, {
    'usr/etc/passwd': `${PASSWD}sshd:x:105:65534::/run/sshd:/bin/false\n`,
    'usr/etc/text': '1\n2\n3\n4\n5\n6\nseven\n',
    'usr/etc/clash': 'theirs\n',
    'usr/etc/arrives': 'new default\n',
    'usr/etc/d/one': 'one\n',
    'var/lib/new/file': 'new\n',
    'var/lib/app/state': 'changed default\n',
    'var/lib/dpkg/status':
      'Package: krb5-libs\nStatus: install ok installed\nVersion: 1.14-3\n',
  })
  rmSync(join(s.tree, 'usr/etc/vanishes'))
  s.dendro('commit', '-b', 'os/test', '--version', '23.32', s.tree)
}

/** What an administrator does. */
const EDIT = `
  echo one > /etc/text.new
  { echo one; cat /etc/text; } > /etc/t && cat /etc/t > /etc/text
  echo 'alice:x:1000:1000::/home/alice:/bin/sh' >> /etc/passwd
  echo mine > /etc/clash
  mkdir /etc/mine.d
  echo x > /etc/mine.d/x
  echo 'state' > /var/lib/app/state
`

export const edit = (s: Site): void => {
  s.run(EDIT)
  const root = assemble(s)
  chmodSync(join(root, 'etc/moded'), 0o600)
  rmSync(join(root, 'etc/deleted'))
  rmSync(join(root, 'etc/t'))
  release(s)
}

export const assemble = (s: Site, ...index: string[]): string => {
  const root = s.t.path('root')
  s.dendro('root', 'assemble', ...index, root)
  return root
}

export const release = (s: Site): void => {
  s.dendro('root', 'release', s.t.path('root'))
}

export interface Status {
  deployments: {
    index: number
    deployment: string
    version: string
    commit: string
    booted: boolean
    pending: boolean
    rollback: boolean
    pinned: boolean
    unlocked: boolean
    etcChanges: number
    conflicts: { path: string }[]
    etcOutdated: boolean
  }[]
}

export const versions = (s: Site): string[] =>
  s.json<Status>('status').deployments.map(({ version }) => version)

/** Contents, modes, owners and xattrs of everything below. */
export const exactly = (t: TestContext, directory: string): string =>
  t.sh(
    'cd "$1" && find . -printf "%p %y %m %U:%G %l\\n" | sort && find . -type f | sort | xargs -d "\\n" sha256sum && find . | sort | xargs -d "\\n" getfattr -dhm- 2>/dev/null | grep -v -e overlay -e ^# | grep . || true',
    directory,
  )
