/**
 * Checks that data flows one way: a folder of src/ may import only from the
 * folders named for it here. Prints the reason for every line that does not.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..', 'src')
const base = ['errors', 'errno-words', 'units', 'steps']

/** Folder: what it is for, and what it may import besides itself. */
const LAYERS = {
  bytes: ['readers and writers of values, pure', []],
  objects: ['values and their bytes, pure', ['bytes']],
  chunking: ['content-defined chunking, pure', ['bytes']],
  system: ['the only door to the system', ['bytes']],
  store: ['objects on disk', ['bytes', 'objects', 'chunking', 'system']],
  refs: ['names for commits', ['bytes', 'objects', 'system', 'store']],
  tree: [
    'import, walk, diff and checkout of trees',
    ['bytes', 'objects', 'chunking', 'system', 'store', 'refs'],
  ],
  fuse: ['the kernel protocol; knows nothing of objects', ['bytes', 'system']],
  packages: [
    'package databases in a commit',
    ['objects', 'system', 'store', 'tree'],
  ],
  view: [
    'commits as one filesystem: marries tree and fuse',
    ['bytes', 'objects', 'system', 'store', 'refs', 'tree', 'fuse'],
  ],
  server: [
    'the process that serves a view, its control, its keeper',
    ['bytes', 'objects', 'system', 'store', 'refs', 'tree', 'fuse', 'view'],
  ],
  mount: [
    'asking for a mount, finding who serves, unmounting',
    ['bytes', 'objects', 'system', 'store', 'tree', 'fuse', 'server'],
  ],
  upkeep: [
    'check, repair and prune',
    ['bytes', 'objects', 'system', 'store', 'refs', 'tree', 'mount'],
  ],
  etc: [
    '3-way merge: pure plan, then apply',
    ['bytes', 'objects', 'system', 'store', 'refs', 'tree'],
  ],
  sysroot: [
    'what a machine has: deployments, layers, boot entries, the transaction that changes them',
    ['bytes', 'objects', 'system', 'store', 'refs', 'tree', 'packages', 'etc'],
  ],
  root: [
    'a root put together and entered, instances',
    [
      'bytes',
      'objects',
      'system',
      'store',
      'tree',
      'fuse',
      'packages',
      'server',
      'mount',
      'etc',
      'sysroot',
    ],
  ],
  deploy: [
    'deploy, rollback, undo, edits of /etc',
    [
      'bytes',
      'objects',
      'system',
      'store',
      'refs',
      'tree',
      'packages',
      'etc',
      'sysroot',
      'root',
    ],
  ],
  machine: [
    'machines that boot: trees made ready, disks, both ends of a boot',
    [
      'bytes',
      'objects',
      'system',
      'store',
      'refs',
      'packages',
      'server',
      'mount',
      'upkeep',
      'sysroot',
      'root',
      'deploy',
    ],
  ],
  cli: [
    'parses and prints',
    [
      'bytes',
      'objects',
      'system',
      'store',
      'refs',
      'tree',
      'packages',
      'server',
      'mount',
      'upkeep',
      'etc',
      'sysroot',
      'root',
      'deploy',
      'machine',
    ],
  ],
}
/** Folders and files that change a repository only through system/disk.ts. */
const THROUGH_THE_DOOR = [
  'store/',
  'refs/',
  'upkeep/',
  'tree/commit.ts',
  'tree/import.ts',
  'tree/importer.ts',
  'tree/stat-cache.ts',
  'etc/',
  'sysroot/',
  'root/',
  'deploy/',
]
/** News, and the making of a repository that is not there yet. */
const BESIDE_THE_DOOR = [
  'store/event-log.ts',
  'store/layout.ts',
  // What is in memory alone, or lasts as long as a mount.
  'root/assemble.ts',
  'root/enter.ts',
  'root/live.ts',
  'sysroot/mounted-layers.ts',
  'packages/packages.ts',
  'root/skeleton.ts',
  // What tests stand on.
  'deploy/crash-points.ts',
  'sysroot/small-sysroot.ts',
]
const CHANGES =
  /\b(?:write|writeFile|appendFile|rename|unlink|rm|rmdir|mkdir|truncate|ftruncate|fsync|symlink|link|copyFile)Sync\b/
/** Folders that read a repository only through system/plain-file.ts. */
const THROUGH_THE_READING_DOOR = ['store/', 'refs/', 'upkeep/']
/** Where a repository begins, where events go when they go nowhere, and sources. */
const BESIDE_THE_READING_DOOR = [
  'store/layout.ts',
  'store/event-log.ts',
  'upkeep/repair.ts',
]
const READS =
  /\b(?:open|readFile|readdir|stat|lstat|exists|access|realpath|readlink)Sync\b/
const PURE = [
  'bytes',
  'objects',
  'chunking',
  'fuse/layout',
  'fuse/request',
  'fuse/reply',
  'fuse/handler',
  'fuse/opcodes',
  'fuse/operations-served',
  'fuse/operations-refused',
  'etc/plan',
  'etc/etc-node',
  'etc/policy',
  'etc/merge-text',
  'etc/merge-records',
  'etc/merge-content',
  'etc/record-formats',
  'etc/check-accounts',
  'etc/unified-diff',
  'packages/package-version',
]
/** Who may import node:fs: the door itself. */
const MAY_IMPORT_FS = ['system/files.ts']
/**
 * What only system/ may do, since one folder is the door to the system: what is
 * looked for, why, and who may all the same.
 */
const SYSTEM_ALONE = [
  {
    what: /'node:child_process'/,
    why: 'programs are started through system/spawn.ts, which keeps arguments that are not UTF-8',
    except: {
      'deploy/crash-points.ts':
        'what tests stand on: it starts itself as the program that is killed',
    },
  },
  {
    what: /\bprocess\.(?:kill|get[eug]+id|set[eug]+id|umask)\b/,
    why: 'processes and users are asked about and changed through system/process.ts, spawn.ts and root-user.ts',
    except: {},
  },
  {
    what: /['"`]\/proc(?=[/'"`])/,
    why: '/proc is read through system/ (process.ts, mount-table.ts, namespaces.ts; descriptorPath of files.ts)',
    except: {},
  },
  {
    what: /\.(?:mount|umount|unshare|detachedMount|namespaceOwner|flock)\(\s*(?:textToBytes|Buffer|CLONE|LOCK)|shim\(\)\??\.(?:mount|umount|unshare|detachedMount|namespaceOwner|flock)\b/,
    why: 'mounts, namespaces and locks are system/mounts.ts, namespaces.ts and lock.ts',
    except: {},
  },
  {
    what: /['"`](?:fusermount3?|mount|umount|losetup)['"`]\s*,\s*\[/,
    why: 'mounts are made by system/mounts.ts, and for ordinary users by system/fusermount.ts',
    except: {
      'machine/disk.ts':
        'a disk is made with the tools that make disks; mount(8) finds its file system',
    },
  },
  {
    what: /\b(?:MS|MNT|UMOUNT|CLONE)_[A-Z]+ = |\bE(?:PERM|NOENT|IO|NXIO|AGAIN|NOMEM|ACCES|BUSY|EXIST|XDEV|NODEV|NOTDIR|ISDIR|INVAL|NOTTY|NOSPC|ROFS|RANGE|NAMETOOLONG|NOSYS|LOOP|NODATA|NOTSUP|CONNABORTED|STALE) = -?\d/,
    why: 'numbers of the kernel stand once, in system/mounts.ts and system/errno.ts',
    except: {},
  },
]
const IMPURE = /^node:(fs|child_process|net|os|worker_threads|timers)/

const problems = []
const visit = directory => {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) visit(path)
    else if (entry.name.endsWith('.ts')) checkFile(path)
  }
}

const folderOf = path => relative(root, path).split('/')[0].replace(/\.ts$/, '')

const checkFile = path => {
  const name = relative(root, path)
  const folder = folderOf(path)
  if (folder === 'index' || base.includes(folder) || name.endsWith('.test.ts'))
    return
  const layer = LAYERS[folder]
  if (layer === undefined) {
    problems.push(
      `${name}: there is no layer '${folder}'; name it in scripts/build/check-layers.mjs`,
    )
    return
  }
  const isPure = PURE.some(
    pure => name === `${pure}.ts` || name.startsWith(`${pure}/`),
  )
  const text = readFileSync(path, 'utf8')
  const isGuarded = THROUGH_THE_DOOR.some(door => name.startsWith(door))
  const change = CHANGES.exec(text)?.[0]
  if (isGuarded && !BESIDE_THE_DOOR.includes(name) && change !== undefined)
    problems.push(
      `${name}: calls ${change}; a repository is changed through system/disk.ts, where faults are tested`,
    )
  const isRead = THROUGH_THE_READING_DOOR.some(door => name.startsWith(door))
  const look = READS.exec(text)?.[0]
  if (isRead && !BESIDE_THE_READING_DOOR.includes(name) && look !== undefined)
    problems.push(
      `${name}: calls ${look}; a repository is read through system/plain-file.ts, which waits for nothing and follows no link`,
    )
  if (/\bJSON\.parse\b/.test(text) && name !== 'bytes/json-shape.ts')
    problems.push(
      `${name}: calls JSON.parse; what is stored or comes from elsewhere is read by bytes/json-shape.ts, which believes nothing`,
    )
  if (folder !== 'system')
    for (const { what, why, except } of SYSTEM_ALONE) {
      const found = what.exec(text)?.[0]
      if (found !== undefined && except[name] === undefined)
        problems.push(`${name}: has ${found.trim()}; ${why}`)
    }
  for (const [, from] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    if (isPure && IMPURE.test(from))
      problems.push(`${name}: imports ${from}, but it must be pure`)
    if (from === 'node:fs' && !MAY_IMPORT_FS.includes(name))
      problems.push(
        `${name}: imports node:fs, which loses what is not UTF-8 in a path; system/files.ts does not`,
      )
    if (from.endsWith('.node') && name !== 'system/native.ts')
      problems.push(`${name}: only system/native.ts may load the shim`)
    if (!from.startsWith('.')) continue
    const target = resolve(dirname(path), from)
    if (!target.startsWith(root)) {
      if (name !== 'system/native.ts')
        problems.push(`${name}: imports ${from} from outside src/`)
      continue
    }
    const other = folderOf(target)
    if (other === folder || base.includes(other) || layer[1].includes(other))
      continue
    const reason = LAYERS[other] === undefined ? 'no layer' : LAYERS[other][0]
    problems.push(
      `${name}: ${folder}/ (${layer[0]}) may not import from ${other}/ (${reason})`,
    )
  }
}

visit(root)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
console.log('layers: data flows one way')
