/** Operands and options that several verbs have. */

import type { OptionDefinition } from './verb-definition.ts'

export const REVISION = {
  name: 'revision',
  label: 'REV',
  kind: 'revision',
} as const

export const OPTIONAL_REVISION = { ...REVISION, isOptional: true } as const

export const DIRECTORY = {
  name: 'directory',
  label: 'DIR',
  kind: 'directory',
} as const

export const MOUNTPOINT = {
  name: 'directory',
  label: 'DIR',
  kind: 'mountpoint',
} as const

/** A number of `status`. */
export const DEPLOYMENT = {
  name: 'deployment',
  label: 'N',
  kind: 'deployment',
} as const

export const OPTIONAL_DEPLOYMENT = { ...DEPLOYMENT, isOptional: true } as const

export const COMMAND = {
  name: 'command',
  label: 'COMMAND',
  kind: 'command',
  isMany: true,
} as const

export const DEPLOYMENT_OPTION = {
  help: 'another deployment, by its number',
  short: 'd',
  value: { label: 'N', kind: 'deployment' },
} as const

export const KEEP_OPTION = {
  help: 'how many deployments of the OS stay (3), besides pinned and running ones',
  value: { label: 'N', kind: 'number', min: 1 },
} as const

export const OS_NAME = { label: 'NAME', kind: 'name' } as const

/** Options that every verb takes, before and behind its name. */
export const GLOBAL_OPTIONS = {
  repo: {
    help: 'the repository; else `DENDRO_REPO`, else `dendro/repo` below the system root',
    value: { label: 'DIR', kind: 'directory', isNeverEmpty: true },
  },
  sysroot: {
    help: 'the system root; `/` when absent',
    value: { label: 'DIR', kind: 'directory', isNeverEmpty: true },
  },
  json: { help: 'print the result as JSON', isAttached: true },
  debug: { help: 'print the stack of an error' },
  help: { help: 'print what the verb takes', short: 'h', isAttached: true },
} as const satisfies Record<string, OptionDefinition>
