/**
 * What the size of a frame and the level of compression cost and save:
 *
 *     scripts/bench frames [--part N]
 *
 * Takes one directory in N (4) of the real tree, cuts its files into chunks as
 * a commit does, leaves out what is there twice, and compresses the chunks in
 * groups, in the order of the walk. One core.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { machine, cleanUp, option, project, realTree } from './bench-lib.mjs'

const KIB = 1024
const SIZES = [64, 128, 256, 512, 1024]
const LEVELS = [1, 3, 4, 5, 6, 9, 'of a commit']
const part = Number(option('part', 4))
const load = path => import(join(project, 'dist/src', path))
const { makeSplitBuffer, splitContent } = await load('chunking/split.js')
const { digestOf } = await load('objects/digest.js')
const { commitLevelOf } = await load('store/commit-level.js')
const zstd = createRequire(join(project, 'package.json'))('zstd-napi/binding')

/** Distinct chunks, in the order of the walk. */
const chunksOf = tree => {
  const chunks = []
  const seen = new Set()
  const buffer = makeSplitBuffer()
  let directories = 0
  const visit = directory => {
    const isTaken = directories++ % part === 0
    const entries = readdirSync(directory, { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (entry.isFile() && isTaken) add(readFileSync(path))
    }
  }
  const add = bytes => {
    const source = {
      read: (into, begin, position) =>
        bytes.copy(into, begin, position, position + into.length - begin),
    }
    for (const piece of splitContent(source, buffer)) {
      if (piece.bytes === undefined) continue
      const digest = digestOf(piece.bytes)
      if (seen.has(digest)) continue
      seen.add(digest)
      chunks.push(Buffer.from(piece.bytes))
    }
  }
  visit(tree)
  return chunks
}

const framesOf = (chunks, targetBytes) => {
  const frames = []
  let group = []
  let bytes = 0
  for (const chunk of chunks) {
    if (bytes > 0 && bytes + chunk.length > targetBytes) {
      frames.push(Buffer.concat(group))
      group = []
      bytes = 0
    }
    group.push(chunk)
    bytes += chunk.length
  }
  return [...frames, Buffer.concat(group)]
}

const compressorOf = level => {
  const compressor = new zstd.CCtx()
  compressor.setParameter(zstd.CParameter.compressionLevel, level)
  return compressor
}

/** `level` is a number, or what a commit chooses for each frame. */
const measure = (frames, level) => {
  const compressors = new Map(
    LEVELS.filter(Number.isInteger).map(level => [level, compressorOf(level)]),
  )
  const compress = (out, frame) =>
    compressors
      .get(Number.isInteger(level) ? level : commitLevelOf(frame))
      .compress2(out, frame)
  const decompressor = new zstd.DCtx()
  const out = Buffer.alloc(4 << 20)
  const plain = frames.reduce((sum, frame) => sum + frame.length, 0)
  const began = performance.now()
  const stored = frames.map(frame =>
    Buffer.from(out.subarray(0, compress(out, frame))),
  )
  const middle = performance.now()
  for (const frame of stored) decompressor.decompress(out, frame)
  const ended = performance.now()
  const rate = ms => (plain / 1e3 / ms).toFixed(0)
  return {
    stored: stored.reduce((sum, frame) => sum + frame.length, 0) / 1e6,
    compress: rate(middle - began),
    decompress: rate(ended - middle),
    oneMs: ((ended - middle) / frames.length).toFixed(2),
  }
}

try {
  const chunks = chunksOf(realTree('tree'))
  const plain = chunks.reduce((sum, chunk) => sum + chunk.length, 0) / 1e6
  console.log(
    `${machine()} ${chunks.length} chunks, ${plain.toFixed(0)} MB.\n\n| frame KiB | level | stored MB | compress MB/s | decompress MB/s | ms for one small file |\n|---|---|---|---|---|---|`,
  )
  for (const size of SIZES)
    for (const level of size === 256 ? LEVELS : [3]) {
      const { stored, compress, decompress, oneMs } = measure(
        framesOf(chunks, size * KIB),
        level,
      )
      console.log(
        `| ${size} | ${level} | ${stored.toFixed(1)} | ${compress} | ${decompress} | ${oneMs} |`,
      )
    }
} finally {
  cleanUp()
}
