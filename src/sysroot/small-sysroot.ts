/** A small sysroot for tests that need no mount: layers are changed offline. */

import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from '../system/files.ts'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeWhiteout } from '../etc/node-writer.ts'
import { toRefName } from '../refs/ref-name.ts'
import { Repository } from '../store/repository.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { commitDirectory } from '../tree/commit.ts'
import { Sysroot } from './session.ts'
import type { Running } from './session.ts'
import { layerPath, readSysroot, sysrootPaths } from './sysroot.ts'
import type { ListedDeployment, SysrootPaths } from './sysroot.ts'

/** Contents of files by path; null for what is to go. */
export type Files = Readonly<Record<string, string | null>>

/** Puts files below `root`. */
export const putFiles = (root: string, files: Files): void => {
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name)
    rmSync(path, { recursive: true, force: true })
    if (text === null) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

export class SmallSysroot {
  readonly directory: string
  readonly paths: SysrootPaths
  readonly repository: Repository
  readonly sysroot: Sysroot
  readonly tree: string
  #running: Running | undefined

  /** `isBooting` makes a /boot, for kernels and boot entries. */
  constructor({ isBooting = false } = {}) {
    this.directory = mkdtempSync(join(tmpdir(), 'dendro-sysroot-'))
    this.tree = join(this.directory, 'tree')
    const root = join(this.directory, 'sysroot')
    mkdirSync(join(root, 'dendro'), { recursive: true })
    if (isBooting) mkdirSync(join(root, 'boot'))
    this.paths = sysrootPaths(root)
    this.repository = Repository.create(this.paths.repository)
    this.sysroot = new Sysroot(this.repository, this.paths, {
      running: () => this.#running,
    })
    putFiles(this.tree, { 'usr/lib/os-release': 'ID=os\n' })
  }

  /** Commits the tree with `files` changed in its defaults for /etc. */
  async version(version: string, files: Files = {}, ref = 'os') {
    putFiles(join(this.tree, 'usr', 'etc'), files)
    return this.commit(version, ref)
  }

  async commit(version: string, ref = 'os') {
    const request = {
      ref: toRefName(ref),
      source: this.tree,
      subject: version,
      body: '',
      metadata: new Map([['version', version]]),
      timeSec: 1_700_000_000,
    }
    return commitDirectory(this.repository, request, {
      mtime: { kind: 'exact' },
    })
  }

  /** Has everybody believe that these run; what is mounted counts no more. */
  pretendRunning(running: Running): void {
    this.#running = running
    this.sysroot.refresh()
  }

  get deployments(): readonly ListedDeployment[] {
    return readSysroot(this.paths).deployments
  }

  /** The layer of the nth deployment. */
  layer(index = 0): string {
    return layerPath(this.paths, this.deployments[index] as ListedDeployment)
  }

  /** Changes files in the layer of the nth deployment. */
  edit(files: Files, index = 0): void {
    putFiles(this.layer(index), files)
  }

  /** Hides a default at the top of the nth deployment's /etc. */
  hide(name: string, index = 0): void {
    const layer = DirectoryHandle.open(Buffer.from(this.layer(index)))
    makeWhiteout(layer, name)
    layer.close()
  }

  /** A file in the layer of the nth deployment; undefined where it has none. */
  read(name: string, index = 0): string | undefined {
    try {
      return readFileSync(join(this.layer(index), name), 'utf8')
    } catch {
      return undefined
    }
  }

  remove(): void {
    this.sysroot.close()
    this.repository.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
