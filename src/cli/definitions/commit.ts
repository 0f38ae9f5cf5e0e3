/** dendro commit: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DIRECTORY } from './values.ts'

const EPOCH = { label: 'EPOCH', kind: 'name' } as const

export const definition = defineVerb({
  name: 'commit',
  summary: 'store DIR as a commit and move REF to it; prints the commit id',
  about:
    'Everything is kept: contents, holes, hard links, device nodes, owners, modes, times and xattrs. A second commit of the same directory reads only what changed. SOURCE_DATE_EPOCH acts as --mtime=clamp and --timestamp.',
  options: {
    branch: {
      help: 'the ref to move; made if there is none',
      short: 'b',
      isShownShort: true,
      value: { label: 'REF', kind: 'ref' },
    },
    subject: {
      help: 'the first line of the message',
      short: 'm',
      isShownShort: true,
      value: { label: 'SUBJECT', kind: 'text' },
    },
    body: {
      help: 'the rest of the message',
      value: { label: 'TEXT', kind: 'text' },
    },
    meta: {
      help: 'metadata; may be given again',
      value: { label: 'K=V', kind: 'text' },
      isMany: true,
    },
    version: {
      help: 'the metadata `version`',
      value: { label: 'V', kind: 'text' },
    },
    'auto-version': {
      help: "the version after the parent's: PREFIX.0, PREFIX.1, ...",
      value: { label: 'PREFIX', kind: 'text' },
    },
    mtime: {
      help: 'which times of files are kept',
      value: {
        label: 'exact|parent|clamp=EPOCH',
        kind: 'name',
        words: ['exact', 'parent', 'clamp='],
      },
      details: [
        ['--mtime=exact', 'keep times as they are (the default)'],
        ['--mtime=parent', "keep the parent's time where all else is the same"],
        ['--mtime=clamp=EPOCH', 'what is newer than EPOCH becomes EPOCH'],
      ],
    },
    timestamp: {
      help: 'time of the commit, in seconds since 1970',
      value: EPOCH,
    },
    'allow-changing': {
      help: 'go on when files change or vanish while they are read; what is left out is told on stderr',
    },
    'one-file-system': {
      help: 'keep mount points of other file systems as empty directories, and say which on stderr',
      short: 'x',
    },
    'no-cache': { help: 'read every file' },
  },
  forms: [
    {
      operands: [DIRECTORY],
      options: [
        'branch',
        'subject',
        'body',
        'meta',
        'version',
        'auto-version',
        'mtime',
        'timestamp',
        'allow-changing',
        'one-file-system',
        'no-cache',
      ],
      required: ['branch'],
      atMostOne: [['version', 'auto-version']],
    },
  ],
})
