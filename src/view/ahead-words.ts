/** The words that the serving thread and the one that works ahead share. */

export const WORD = {
  /** Raised with every piece of news. */
  bell: 0,
  /** Jobs that are done or dropped. */
  completed: 1,
  /** The job that the reader is in, and the last entry that it asked for. */
  progressJob: 2,
  progressIndex: 3,
  /** 1: drop all jobs, and say so on the wake descriptor. */
  cancel: 4,
  /** 1 while the other thread has work or looks for it. */
  awake: 5,
  /** Files that were stored. */
  stored: 6,
  count: 7,
} as const

export const isCancelled = (words: Int32Array): boolean =>
  Atomics.load(words, WORD.cancel) === 1
