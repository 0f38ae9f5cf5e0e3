/**
 * What every store does, as cases to run: who writes a store runs them all.
 *
 * A store says what it can (`StoreFeatures`), and only the cases that apply are
 * made: none is skipped in silence, and none passes that did not run. The cases
 * throw an `AssertionError` of node:assert where the store breaks its contract;
 * any runner of tests will do:
 *
 *     for (const { name, run } of conformanceCases(features, open))
 *       test(name, run)
 */

import { publicationCases } from './conformance-publication.ts'
import { readingCases } from './conformance-reading.ts'
import type { ObjectStore } from './object-store.ts'

export interface StoreFeatures {
  /**
   * Whether answers may be promises. Where not, all of them must be at once,
   * as of a `LocalReader`.
   */
  readonly waits: boolean
  /** Whether what was published is there when the store is opened again. */
  readonly isPersistent: boolean
  /** Whether it can be open several times, as of several processes. */
  readonly isShared: boolean
  /** Whether the test can damage what is stored: then `damage` is there. */
  readonly canBeDamaged: boolean
}

/** A store that is tested. */
export interface TestedStore {
  readonly store: ObjectStore
  /**
   * Opens it once more, beside `store`: where it is persistent or shared. The
   * cases close what they open.
   */
  readonly openAgain?: () => ObjectStore
  /** Damages all that is stored; what is in memory need not be. */
  readonly damage?: () => void
}

/** Makes an empty store. The cases close it. */
export type MakeStore = () => TestedStore

export interface ConformanceCase {
  /** A sentence about what stores do. */
  readonly name: string
  /** Makes a store, and rejects where it does something else. */
  readonly run: () => Promise<void>
}

/** A case, and which stores it is for. */
export interface CaseOf {
  readonly name: string
  readonly appliesTo?: (features: StoreFeatures) => boolean
  readonly run: (tested: TestedStore) => Promise<void>
}

/** The cases that apply to stores of these features. */
export const conformanceCases = (
  features: StoreFeatures,
  make: MakeStore,
): readonly ConformanceCase[] =>
  [...readingCases, ...publicationCases]
    .filter(({ appliesTo }) => appliesTo?.(features) ?? true)
    .map(({ name, run }) => ({
      name,
      run: async () => {
        const tested = make()
        try {
          await run(tested)
        } finally {
          tested.store.close()
        }
      },
    }))
