/**
 * The verbs, in the order and the groups that help shows. Definition and verb
 * are loaded when they are asked for: a trivial command starts with its own.
 */

import type { VerbDefinition } from './verb-definition.ts'

export interface ListedVerb {
  readonly definition: () => Promise<{ readonly definition: VerbDefinition }>
  /** What the verb does; takes what its definition says. */
  readonly verb: () => Promise<{
    readonly verb: { run(invocation: never): Promise<void> | void }
  }>
}

export interface VerbGroup {
  readonly title: string
  readonly verbs: Readonly<Record<string, ListedVerb>>
}

export const VERB_GROUPS: readonly VerbGroup[] = [
  {
    title: 'make commits and look at history',
    verbs: {
      init: {
        definition: () => import('./init.ts'),
        verb: () => import('../verbs/init.ts'),
      },
      commit: {
        definition: () => import('./commit.ts'),
        verb: () => import('../verbs/commit.ts'),
      },
      log: {
        definition: () => import('./log.ts'),
        verb: () => import('../verbs/log.ts'),
      },
      show: {
        definition: () => import('./show.ts'),
        verb: () => import('../verbs/show.ts'),
      },
      refs: {
        definition: () => import('./refs.ts'),
        verb: () => import('../verbs/refs.ts'),
      },
      tag: {
        definition: () => import('./tag.ts'),
        verb: () => import('../verbs/tag.ts'),
      },
      'rev-parse': {
        definition: () => import('./rev-parse.ts'),
        verb: () => import('../verbs/rev-parse.ts'),
      },
    },
  },
  {
    title: 'look at trees',
    verbs: {
      ls: {
        definition: () => import('./ls.ts'),
        verb: () => import('../verbs/ls.ts'),
      },
      cat: {
        definition: () => import('./cat.ts'),
        verb: () => import('../verbs/cat.ts'),
      },
      diff: {
        definition: () => import('./diff.ts'),
        verb: () => import('../verbs/diff.ts'),
      },
      checkout: {
        definition: () => import('./checkout.ts'),
        verb: () => import('../verbs/checkout.ts'),
      },
    },
  },
  {
    title: 'show commits as files',
    verbs: {
      mount: {
        definition: () => import('./mount.ts'),
        verb: () => import('../verbs/mount.ts'),
      },
      umount: {
        definition: () => import('./umount.ts'),
        verb: () => import('../verbs/umount.ts'),
      },
    },
  },
  {
    title: 'keep a repository sound and small',
    verbs: {
      fsck: {
        definition: () => import('./fsck.ts'),
        verb: () => import('../verbs/fsck.ts'),
      },
      prune: {
        definition: () => import('./prune.ts'),
        verb: () => import('../verbs/prune.ts'),
      },
      events: {
        definition: () => import('./events.ts'),
        verb: () => import('../verbs/events.ts'),
      },
      repo: {
        definition: () => import('./repo.ts'),
        verb: () => import('../verbs/repo.ts'),
      },
    },
  },
  {
    title: 'make a commit the system',
    verbs: {
      deploy: {
        definition: () => import('./deploy.ts'),
        verb: () => import('../verbs/deploy.ts'),
      },
      upgrade: {
        definition: () => import('./upgrade.ts'),
        verb: () => import('../verbs/upgrade.ts'),
      },
      rollback: {
        definition: () => import('./rollback.ts'),
        verb: () => import('../verbs/rollback.ts'),
      },
      status: {
        definition: () => import('./status.ts'),
        verb: () => import('../verbs/status.ts'),
      },
      pin: {
        definition: () => import('./pin.ts'),
        verb: () => import('../verbs/pin.ts'),
      },
      unpin: {
        definition: () => import('./unpin.ts'),
        verb: () => import('../verbs/unpin.ts'),
      },
      undeploy: {
        definition: () => import('./undeploy.ts'),
        verb: () => import('../verbs/undeploy.ts'),
      },
    },
  },
  {
    title: 'look at and change /etc',
    verbs: {
      etc: {
        definition: () => import('./etc.ts'),
        verb: () => import('../verbs/etc.ts'),
      },
    },
  },
  {
    title: 'enter a commit or a deployment',
    verbs: {
      root: {
        definition: () => import('./root.ts'),
        verb: () => import('../verbs/root.ts'),
      },
      run: {
        definition: () => import('./run.ts'),
        verb: () => import('../verbs/run.ts'),
      },
      shell: {
        definition: () => import('./shell.ts'),
        verb: () => import('../verbs/shell.ts'),
      },
      live: {
        definition: () => import('./live.ts'),
        verb: () => import('../verbs/live.ts'),
      },
      instance: {
        definition: () => import('./instance.ts'),
        verb: () => import('../verbs/instance.ts'),
      },
    },
  },
  {
    title: 'machines that boot',
    verbs: {
      kargs: {
        definition: () => import('./kargs.ts'),
        verb: () => import('../verbs/kargs.ts'),
      },
      integrate: {
        definition: () => import('./integrate.ts'),
        verb: () => import('../verbs/integrate.ts'),
      },
      install: {
        definition: () => import('./install.ts'),
        verb: () => import('../verbs/install.ts'),
      },
      profile: {
        definition: () => import('./profile.ts'),
        verb: () => import('../verbs/profile.ts'),
      },
      'boot-root': {
        definition: () => import('./boot-root.ts'),
        verb: () => import('../verbs/boot-root.ts'),
      },
      'boot-complete': {
        definition: () => import('./boot-complete.ts'),
        verb: () => import('../verbs/boot-complete.ts'),
      },
    },
  },
  {
    title: 'what was done, and taking it back',
    verbs: {
      op: {
        definition: () => import('./op.ts'),
        verb: () => import('../verbs/op.ts'),
      },
      undo: {
        definition: () => import('./undo.ts'),
        verb: () => import('../verbs/undo.ts'),
      },
    },
  },
]

/** All verbs by name. */
export const VERBS: ReadonlyMap<string, ListedVerb> = new Map(
  VERB_GROUPS.flatMap(({ verbs }) => Object.entries(verbs)),
)

/** Loads the definitions of all verbs, in their order. */
export const loadDefinitions = async (): Promise<VerbDefinition[]> =>
  (
    await Promise.all([...VERBS.values()].map(listed => listed.definition()))
  ).map(({ definition }) => definition)
