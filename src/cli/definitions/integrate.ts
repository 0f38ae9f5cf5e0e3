/** dendro integrate: what it takes. */

import { defineVerb } from './verb-definition.ts'
import { DIRECTORY } from './values.ts'

export const definition = defineVerb({
  name: 'integrate',
  summary: 'make the tree at DIR ready to be committed and booted',
  about:
    'Puts this program with Node.js into usr/lib/dendro, its units and the parts of the initramfs where they belong; makes /home, /opt, /root, /srv and /usr/local links into /var; moves kernels from /boot to usr/lib/modules/RELEASE/vmlinuz and makes initramfs.img beside them, with the initramfs-tools of the tree.',
  options: { 'no-initramfs': { help: 'leave the initramfs as it is' } },
  forms: [{ operands: [DIRECTORY], options: ['no-initramfs'] }],
})
