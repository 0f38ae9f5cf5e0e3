/** dendro mount: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DIRECTORY, MOUNTPOINT, OPTIONAL_REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'mount',
  summary: 'mount a commit, or without REV every commit, at DIR',
  about:
    'The whole view holds commits/ID, refs/, tags/ and by-version/; new commits appear in it by themselves. Returns when the mount answers; with --foreground when it is unmounted. Set-user-ID files and devices are inert unless root asks for -o suid or -o dev.',
  options: {
    subdir: {
      help: 'a directory of the commit instead of all of it',
      value: { label: 'PATH', kind: 'name' },
    },
    options: {
      help: 'options of the mount, with commas between them',
      short: 'o',
      isShownShort: true,
      value: {
        label: 'OPTION,...',
        kind: 'name',
        words: [
          'suid',
          'dev',
          'noexec',
          'allow_other',
          'xattr=auto',
          'xattr=on',
          'xattr=off',
          'inode32',
          'transport=fuse-native',
          'readahead=',
          'spin=',
          'ahead=off',
          'watchdog=',
          'resend=off',
        ],
      },
      isMany: true,
      details: [
        [
          '-o suid, -o dev',
          'let set-user-ID files and device nodes work (root); by default they are inert',
        ],
        ['-o noexec', 'no programs'],
        [
          '-o allow_other',
          "let other users in (an ordinary user's mount; needs user_allow_other in /etc/fuse.conf)",
        ],
        [
          '-o xattr=auto, -o xattr=on, -o xattr=off',
          'whether xattrs are shown, and ACLs enforced; auto when any commit has some at the time of the first mount. ACLs that are not enforced are not shown, and the mode then gives nobody more than they do',
        ],
        [
          '-o inode32',
          'inode numbers of 32 bits, for programs without large-file support',
        ],
        ['-o transport=fuse-native', 'serve through libfuse 2'],
        ['-o readahead=KIB', 'readahead window, 1024 by default (root)'],
        [
          '-o spin=MICROSECONDS',
          'how long the server looks for the next request before it sleeps, 50 by default',
        ],
        [
          '-o ahead=off',
          'do not work ahead of a program that reads whole directories; each file then costs its READs',
        ],
        [
          '-o watchdog=SECONDS',
          'replace a server that does not answer for so long, or that is busy with one request for six times as long; 10 by default, 0 is never',
        ],
        [
          '-o resend=off',
          'behave as on kernels before 6.9, where the request in hand is answered from a journal',
        ],
      ],
    },
    foreground: {
      help: 'stay until unmounted; SIGTERM unmounts; tells systemd when it is ready, and takes up the mount that systemd kept',
      short: 'f',
      isAttached: true,
    },
    stats: {
      help: 'print what the server of the mount at DIR does: the requests by kind, what became of them, and how many files it stored before they were asked for',
      value: MOUNTPOINT,
      isAttached: true,
    },
    reload: {
      help: 'hand the mount at DIR over to a server of this program, which its users do not notice',
      value: MOUNTPOINT,
      isAttached: true,
    },
    fstab: {
      help: 'pass over what fstab(5) says to others; for mount.dendro',
      isHidden: true,
    },
    sloppy: {
      help: 'pass over unknown options; for mount.dendro',
      isHidden: true,
    },
  },
  forms: [
    {
      operands: [OPTIONAL_REVISION, DIRECTORY],
      options: ['subdir', 'options', 'foreground', 'fstab', 'sloppy'],
    },
    { chosenBy: 'stats', operands: [], options: [] },
    { chosenBy: 'reload', operands: [], options: [] },
  ],
  otherUsage: ['mount -t dendro REPOSITORY[#REV] DIR [-o OPTION,...]'],
  // "mount stats DIR" is "mount --stats DIR" where no ref has that name.
  detaches: { exceptFor: ['stats', 'reload'] },
})
