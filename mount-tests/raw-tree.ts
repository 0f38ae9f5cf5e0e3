/**
 * Encodes trees and file objects without any of the checks that the program
 * makes, as an enemy would.
 */

import { MsgpackWriter } from '../src/bytes/msgpack-writer.ts'
import type { Digest } from '../src/objects/digest.ts'

export type RawPayload =
  | { readonly kind: 'target'; readonly target: string }
  | { readonly kind: 'tree'; readonly tree: Digest; readonly below?: number }
  | { readonly kind: 'device'; readonly major: number; readonly minor: number }
  | {
      readonly kind: 'extents'
      readonly extents: readonly [number, Digest | undefined][]
    }
  | { readonly kind: 'list'; readonly size: number; readonly list: Digest }
  | { readonly kind: 'none' }

export interface RawObject {
  readonly mode: number
  readonly payload: RawPayload
  readonly mtimeSec?: number
  /** How many names it says to have, and of which group of hard links. */
  readonly links?: readonly [number, string]
}

export interface RawEntry extends RawObject {
  readonly name: string
}

const writePayload = (writer: MsgpackWriter, payload: RawPayload): void => {
  switch (payload.kind) {
    case 'target':
      writer.binary(payload.target)
      return
    case 'tree':
      writer.array(2)
      writer.binary(payload.tree)
      writer.uint(payload.below ?? 0)
      return
    case 'device':
      writer.array(2)
      writer.uint(payload.major)
      writer.uint(payload.minor)
      return
    case 'extents':
      writer.array(payload.extents.length * 2)
      for (const [length, chunk] of payload.extents) {
        writer.uint(length)
        if (chunk === undefined) writer.nil()
        else writer.binary(chunk)
      }
      return
    case 'list':
      writer.array(3)
      writer.uint(payload.size)
      writer.uint(payload.size)
      writer.binary(payload.list)
      return
    case 'none':
      writer.nil()
  }
}

const writeObject = (writer: MsgpackWriter, object: RawObject): void => {
  writer.array(8)
  writer.uint(object.mode)
  writer.uint(0)
  writer.uint(0)
  writer.int(object.mtimeSec ?? 0)
  writer.uint(0)
  writer.nil()
  if (object.links === undefined) writer.nil()
  else {
    writer.array(2)
    writer.uint(object.links[0])
    writer.binary(object.links[1])
  }
  writePayload(writer, object.payload)
}

/** A tree with these entries in this order, whatever they are. */
export const rawTree = (entries: readonly RawEntry[]): Buffer => {
  const writer = new MsgpackWriter()
  writer.array(1 + entries.length * 2)
  writer.text('tree')
  for (const entry of entries) {
    writer.binary(entry.name)
    writeObject(writer, entry)
  }
  return writer.finish()
}
