/** Where an object stands in a pack, as an index tells it. */
export interface Place {
  /** The pack's name without its suffix. */
  readonly pack: string
  /** The first byte of the frame in the pack's file, and the frame's length. */
  readonly frameOffset: number
  readonly frameBytes: number
  /** The object among the plain bytes of the frame. */
  readonly offsetBytes: number
  readonly lengthBytes: number
}
