/**
 * A disk that a machine boots from: GPT with room for the boot loader and one
 * ext4 file system that is the sysroot. The work is done by sfdisk(8),
 * mke2fs(8), losetup(8) and grub-install(8).
 */

import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  ftruncateSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from '../system/files.ts'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  aListOf,
  anInteger,
  anObject,
  optional,
  parseJson,
} from '../bytes/json-shape.ts'
import { DendroError, wrapSystemError } from '../errors.ts'
import { isProgramMissing } from '../system/spawn-failure.ts'
import { spawnSync } from '../system/spawn.ts'
import { MIB } from '../units.ts'

export interface DiskRequest {
  /** A file, made when it is not there, or a block device. */
  readonly disk: string
  /** For a file that is to be made. */
  readonly sizeBytes: number
  /** Whether what is on it may go. */
  readonly wipe: boolean
  /** Whether the boot loader also speaks on the first serial port. */
  readonly isSerial: boolean
}

export const MIN_DISK_BYTES = 512 * MIB

const failed = (what: string, why: string, hint: string): DendroError =>
  new DendroError('IO_ERROR', `${what}: ${why}`, { hint })

/** Runs a tool; what it printed. Errors: `NOT_FOUND`, `IO_ERROR`, system errors. */
const tool = (name: string, args: readonly string[], input = ''): string => {
  const result = spawnSync(name, args, {
    input,
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  })
  if (isProgramMissing(result.error))
    throw new DendroError('NOT_FOUND', `cannot run ${name}: it is missing`, {
      hint: `install ${PACKAGES[name] ?? name}`,
    })
  if (result.error !== undefined)
    throw wrapSystemError(`cannot run ${name}`, result.error)
  if (result.status !== 0)
    throw failed(
      `${name} failed`,
      result.stderr.trim().split('\n').slice(-3).join('; '),
      'nothing but this disk was touched',
    )
  return result.stdout.trim()
}

const PACKAGES: Readonly<Record<string, string>> = {
  sfdisk: 'the Debian package fdisk',
  'mkfs.ext4': 'the Debian package e2fsprogs',
  losetup: 'the Debian package mount',
  wipefs: 'the Debian package util-linux',
}

/** Where the code of GRUB for PCs with a BIOS is, when it is installed. */
const GRUB_BIOS = '/usr/lib/grub/i386-pc'

const TABLE = `label: gpt
size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=bios-boot
type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=dendro
`
const STORE_PARTITION = 1

export interface InstalledDisk<T> {
  readonly result: T
  /** Whether the disk boots by itself. */
  readonly bootLoader: 'grub' | undefined
  readonly uuid: string
}

/**
 * Partitions the disk, makes the file system, runs `work` in it while it is
 * mounted, and installs GRUB if it is there. A file that was made for it goes
 * when that fails. Errors: `TARGET_EXISTS`, `NOT_FOUND`, `IO_ERROR`.
 */
export const withNewDisk = async <T>(
  request: DiskRequest,
  work: (root: string, uuid: string) => Promise<T>,
): Promise<InstalledDisk<T>> => {
  const isNew = prepareDisk(request)
  try {
    tool('sfdisk', ['--quiet', '--wipe=always', request.disk], TABLE)
    const place = placeOf(request.disk, STORE_PARTITION)
    return await onLoop(request.disk, place, partition =>
      fill(request, partition, work),
    )
  } catch (error) {
    if (isNew) rmSync(request.disk, { force: true })
    throw error
  }
}

/** True when the disk is a file that was made here. */
const prepareDisk = ({ disk, sizeBytes, wipe }: DiskRequest): boolean => {
  const status = statSync(disk, { throwIfNoEntry: false })
  if (status === undefined) {
    if (sizeBytes < MIN_DISK_BYTES)
      throw new DendroError(
        'INVALID_ARGUMENT',
        `cannot make a disk of ${sizeBytes} bytes: it must have ${MIN_DISK_BYTES} at least`,
      )
    const fd = openSync(disk, 'wx', 0o600)
    try {
      ftruncateSync(fd, sizeBytes)
    } finally {
      closeSync(fd)
    }
    return true
  }
  if (!status.isFile() && !status.isBlockDevice())
    throw new DendroError(
      'TARGET_EXISTS',
      `cannot install on ${disk}: it is neither a file nor a disk`,
    )
  const isUsed = tool('wipefs', ['--noheadings', '--no-act', disk]) !== ''
  if (isUsed && !wipe)
    throw new DendroError(
      'TARGET_EXISTS',
      `cannot install on ${disk}: it has partitions or a file system`,
      { hint: '--wipe gives up all that is on it' },
    )
  return false
}

/** Runs `work` with a loop device over a part of the disk. */
const onLoop = async <T>(
  disk: string,
  part: readonly string[],
  work: (device: string) => Promise<T>,
): Promise<T> => {
  const device = tool('losetup', ['--find', '--show', ...part, disk])
  try {
    return await work(device)
  } finally {
    tool('losetup', ['--detach', device])
  }
}

const SECTOR_BYTES = 512

/** What sfdisk(8) --json prints, as far as it is needed. */
const PARTITION_TABLE = anObject({
  partitiontable: anObject({
    sectorsize: optional(anInteger(1)),
    partitions: aListOf(anObject({ start: anInteger(), size: anInteger() })),
  }),
})

/**
 * Where a partition is, as losetup(8) takes it. A loop device of its own does
 * not need a kernel that knows GPT.
 */
const placeOf = (disk: string, index: number): string[] => {
  const text = tool('sfdisk', ['--json', disk])
  const { partitiontable } = parseJson(text, PARTITION_TABLE)
  const sector = partitiontable.sectorsize ?? SECTOR_BYTES
  const found = partitiontable.partitions[index]
  if (found === undefined)
    throw failed(`cannot use ${disk}`, 'it has no partition', 'try again')
  return [
    `--offset=${found.start * sector}`,
    `--sizelimit=${found.size * sector}`,
  ]
}

const fill = async <T>(
  request: DiskRequest,
  partition: string,
  work: (root: string, uuid: string) => Promise<T>,
): Promise<InstalledDisk<T>> => {
  const uuid = randomUUID()
  tool('mkfs.ext4', ['-q', '-F', '-U', uuid, '-L', 'dendro', partition])
  const root = mkdtempSync(join(tmpdir(), 'dendro-install-'))
  try {
    tool('mount', [partition, root])
    try {
      const result = await work(root, uuid)
      const bootLoader = await installGrub(request, root, uuid)
      return { result, bootLoader, uuid }
    } finally {
      tool('umount', [root])
    }
  } finally {
    rmdirSync(root)
  }
}

const SERIAL = `serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
`

/** GRUB reads its menu where every change of the deployments puts it. */
const installGrub = async (
  { disk, isSerial }: DiskRequest,
  root: string,
  uuid: string,
): Promise<'grub' | undefined> => {
  if (!existsSync(GRUB_BIOS)) return undefined
  const directory = join(root, 'boot')
  mkdirSync(join(directory, 'grub'), { recursive: true })
  writeFileSync(
    join(directory, 'grub', 'grub.cfg'),
    `${isSerial ? SERIAL : ''}search --no-floppy --fs-uuid --set=root ${uuid}\nsource /dendro/boot/grub.cfg\n`,
  )
  const install = (device: string) =>
    tool('grub-install', [
      '--target=i386-pc',
      '--modules=part_gpt ext2 search_fs_uuid',
      `--boot-directory=${directory}`,
      device,
    ])
  if (statSync(disk).isBlockDevice()) install(disk)
  else await onLoop(disk, [], device => Promise.resolve(install(device)))
  return 'grub'
}

/** The UUID of the file system that holds `path`. Errors: `NOT_FOUND`. */
export const fileSystemUuid = (path: string): string => {
  const args = ['--noheadings', '--output=UUID', '--target', path]
  const uuid = tool('findmnt', args)
  if (uuid !== '') return uuid
  throw new DendroError(
    'NOT_FOUND',
    `cannot tell which file system holds ${path}: it has no UUID`,
    { hint: 'name it with --karg dendro.store=DEVICE' },
  )
}
