/** dendro etc: what it takes. */

import { defineVerb } from './verb-definition.ts'
import {
  DEPLOYMENT_OPTION,
  OPTIONAL_DEPLOYMENT,
  OS_NAME,
  REVISION,
} from './values.ts'

const PATH = { name: 'path', label: 'PATH', kind: 'file' } as const

export const definition = defineVerb({
  name: 'etc',
  summary: 'show, merge and reset what was changed in /etc',
  about:
    'Without a number it is the running deployment, else the default one; for conflicts and resolve the default one. diff: what was changed. merge --dry-run: what deploying REV would do with it. conflicts, resolve: what both sides changed; yours is in force until settled. reset: defaults again. own: stays yours also where it equals the default. log, restore: the layer as it was before and after each change.',
  options: {
    unified: { help: 'as a unified diff', short: 'u', isShownShort: true },
    'dry-run': { help: 'show what the merge would do' },
    os: { help: 'the OS; else that of the deployment', value: OS_NAME },
    mine: { help: 'settle it with your version' },
    theirs: { help: "settle it with the commit's version" },
    edit: { help: 'settle it in an editor, which shows all three versions' },
    merged: { help: 'settle it with what is in /etc now' },
    keep: {
      help: 'what a reset leaves alone; may be given again',
      value: { label: 'GLOB', kind: 'name' },
      isMany: true,
    },
    off: { help: 'let it be a default again where it equals that' },
    deployment: DEPLOYMENT_OPTION,
  },
  forms: [
    { action: 'diff', operands: [OPTIONAL_DEPLOYMENT], options: ['unified'] },
    {
      action: 'merge',
      operands: [REVISION],
      options: ['dry-run', 'os'],
      required: ['dry-run'],
      whyRequired: 'a merge is part of "dendro deploy"; --dry-run shows it',
    },
    {
      action: 'conflicts',
      operands: [OPTIONAL_DEPLOYMENT],
      options: ['unified'],
    },
    {
      action: 'resolve',
      operands: [PATH],
      options: ['mine', 'theirs', 'edit', 'merged', 'deployment'],
      oneOf: [['mine', 'theirs', 'edit', 'merged']],
    },
    {
      action: 'reset',
      operands: [{ ...PATH, name: 'paths', isOptional: true, isMany: true }],
      options: ['keep', 'deployment'],
    },
    { action: 'own', operands: [PATH], options: ['off', 'deployment'] },
    { action: 'log', operands: [], options: ['os'] },
    {
      action: 'restore',
      operands: [{ ...PATH, label: 'PATH@{N}' }],
      options: ['deployment'],
    },
  ],
})
