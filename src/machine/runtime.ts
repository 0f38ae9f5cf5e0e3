/**
 * The runtime: this program with Node and the libraries of both, in one
 * directory that needs nothing else. It is what /usr/lib/dendro of a system
 * is, and what the initramfs enters with chroot(2) to serve the mount.
 */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from '../system/files.ts'
import { dirname, join } from 'node:path'
import { DendroError, wrapSystemError } from '../errors.ts'
import { packageRoot } from '../system/native.ts'
import { spawnSync } from '../system/spawn.ts'

/** Mount points of the jail that the initramfs makes of a runtime. */
const JAIL_MOUNT_POINTS = ['dev', 'proc', 'run', 'store', 'sys', 'tmp']

/** What of the package a runtime needs; the rest is for who builds it. */
const PARTS = [
  'package.json',
  'LICENSE',
  'docs/man',
  'scripts/dendro',
  'scripts/shipped/mount.dendro',
  'scripts/shipped/server-flags',
  'scripts/shipped/completions',
  'scripts/shipped/systemd',
  'scripts/shipped/initramfs',
  'native-shim/shim.node',
  'native-shim/dendro-keeper',
  'native-shim/dendro-enter',
  'native-shim/dendro-detach',
]
const OPTIONAL_PARTS = ['LICENSE']

/** What of the native packages is not needed to run them. */
const LEFT_OUT = /^(?:deps|src|obj\.target|.*\.a|.*\.map|.*\.ts)$/

const MODULES = 'node_modules'

/** Packages that the bundle leaves outside, as far as they are installed. */
const nativePackages = (root: string): string[] => {
  const scope = join(root, MODULES, '@napi-rs')
  const hashes = existsSync(scope)
    ? readdirSync(scope)
        .filter(name => name.startsWith('blake-hash'))
        .map(name => `@napi-rs/${name}`)
    : []
  return ['zstd-napi', 'blake3-wasm', ...hashes]
}

const failed = (why: string, hint: string): DendroError =>
  new DendroError('NOT_FOUND', `cannot make a runtime: ${why}`, { hint })

/** The files that a program or module is loaded with (ld.so(8), --list). */
const librariesOf = (interpreter: string, file: string): string[] => {
  const result = spawnSync(interpreter, ['--list', file], { encoding: 'utf8' })
  if (result.status !== 0)
    throw failed(
      `${interpreter} cannot tell what ${file} needs: ${result.stderr.trim()}`,
      'install what it names',
    )
  return result.stdout
    .split('\n')
    .flatMap(line => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}

/** The program that loads shared libraries, as the program says (elf(5)). */
const interpreterOf = (program: string): string => {
  const result = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    env: { LD_TRACE_LOADED_OBJECTS: '1' },
  })
  const found = /^\s*(\/\S*ld-?\S*) \(0x/m.exec(result.stdout)?.[1]
  if (found !== undefined) return found
  throw failed(
    `${program} does not say which libraries it needs`,
    'a Node.js linked with glibc is needed',
  )
}

/** Paths below a directory, each behind the one it is in. */
const pathsBelow = (
  directory: string,
  isWanted: (name: string) => boolean,
): string[] => {
  const paths: string[] = []
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (!isWanted(entry.name)) continue
    paths.push(entry.name)
    if (entry.isDirectory())
      for (const path of pathsBelow(join(directory, entry.name), isWanted))
        paths.push(join(entry.name, path))
  }
  return paths
}

/** Copies one file, link or directory without what is in it. */
const copyOne = (from: string, to: string): void => {
  const status = lstatSync(from)
  if (status.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
  else if (status.isDirectory()) {
    mkdirSync(to)
    chmodSync(to, status.mode & 0o7777)
  } else copyFileSync(from, to)
}

const copyPart = (from: string, to: string): void => {
  mkdirSync(dirname(to), { recursive: true })
  copyOne(from, to)
  if (!lstatSync(from).isDirectory()) return
  for (const path of pathsBelow(from, name => !LEFT_OUT.test(name)))
    copyOne(join(from, path), join(to, path))
}

const nativeFiles = (directory: string): string[] =>
  pathsBelow(directory, () => true)
    .filter(
      name =>
        name.endsWith('.node') ||
        /\/dendro-(?:keeper|enter|detach)$/.test(name),
    )
    .map(name => join(directory, name))

/**
 * Makes a runtime of this program at `target`, a directory that is absent or
 * empty. Errors: `TARGET_EXISTS`, `NOT_FOUND`, `NO_SPACE`.
 */
export const makeRuntime = (target: string): void => {
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new DendroError(
      'TARGET_EXISTS',
      `cannot make a runtime at ${target}: it is not empty`,
      { hint: 'remove it first' },
    )
  try {
    fill(packageRoot(), target)
  } catch (error) {
    throw wrapSystemError(`cannot make a runtime at ${target}`, error)
  }
}

const fill = (root: string, target: string): void => {
  mkdirSync(join(target, 'bin'), { recursive: true })
  chmodSync(target, 0o755)
  for (const name of JAIL_MOUNT_POINTS) mkdirSync(join(target, name))
  for (const part of PARTS) {
    if (existsSync(join(root, part)))
      copyPart(join(root, part), join(target, part))
    else if (!OPTIONAL_PARTS.includes(part))
      throw failed(`${join(root, part)} is missing`, 'npm run build makes it')
  }
  const bundle = join(root, 'dist', 'bundle')
  if (!existsSync(bundle))
    throw failed(`${bundle} is missing`, 'npm run build makes it')
  copyPart(bundle, join(target, 'dist', 'bundle'))
  for (const name of nativePackages(root)) {
    const from = join(root, MODULES, name)
    if (existsSync(from))
      copyPart(realpathSync(from), join(target, MODULES, name))
  }
  const node = join(target, 'bin', 'node')
  copyFileSync(realpathSync(process.execPath), node)
  chmodSync(node, 0o755)
  copyLibraries(target, node)
}

/** Copies each library to the place it has here, where it is looked for. */
const copyLibraries = (target: string, node: string): void => {
  const interpreter = interpreterOf(process.execPath)
  const libraries = new Set([interpreter])
  for (const file of [node, ...nativeFiles(target)])
    for (const library of librariesOf(interpreter, file)) libraries.add(library)
  for (const library of libraries) {
    const place = join(target, library)
    if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) continue
    mkdirSync(dirname(place), { recursive: true })
    copyFileSync(realpathSync(library), place)
    chmodSync(place, 0o755)
  }
}
