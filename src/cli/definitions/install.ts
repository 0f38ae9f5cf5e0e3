/** dendro install: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { OS_NAME, REVISION } from './values.ts'

export const definition = defineVerb({
  name: 'install',
  summary: 'make a sysroot, or a whole disk, that boots a commit',
  about:
    'Copies the commit from the repository that --repo names into a repository of the sysroot, deploys it, and puts kernel, initramfs and boot entries into its /boot. --disk makes a disk image, or fills a block device: GPT, one ext4 file system, and GRUB where it is installed. The commit needs a kernel and an initramfs in /usr/lib/modules/RELEASE; "dendro integrate" puts them there.',
  options: {
    disk: {
      help: 'a file that is made, or a block device',
      value: { label: 'DISK', kind: 'file' },
    },
    size: {
      help: 'how large the file is to be, with K, M or G; 4G when absent',
      value: { label: 'BYTES', kind: 'name' },
      needs: 'disk',
    },
    wipe: { help: 'give up what is on the disk', needs: 'disk' },
    karg: {
      help: 'an argument for the kernel; may be given many times. `console=ttyS0` makes GRUB speak on the serial port too',
      value: { label: 'ARG', kind: 'text' },
      isMany: true,
    },
    os: {
      help: "the name of the OS; else the `ID` of the commit's os-release",
      value: OS_NAME,
    },
  },
  forms: [
    { operands: [REVISION], options: ['karg', 'os'] },
    {
      chosenBy: 'disk',
      operands: [REVISION],
      options: ['size', 'wipe', 'karg', 'os'],
    },
  ],
})
