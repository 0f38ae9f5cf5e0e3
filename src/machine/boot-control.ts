/**
 * The program of the control thread of a server that boots a machine: puts the
 * root together, tells the initramfs how it went, and goes on as any other
 * (server/control.ts).
 */

import { workerData } from 'node:worker_threads'
import { dropView } from '../mount/unmounting.ts'
import { assembleRoot } from '../root/assemble.ts'
import type { ControlSetup } from '../server/control-setup.ts'
import { tellStarter } from '../server/starter.ts'
import { Repository } from '../store/repository.ts'
import { assembleForBoot } from './boot-assembly.ts'
import type { Assembly } from './boot-assembly.ts'

const setup = workerData as ControlSetup
assembleForBoot(setup.first as Assembly, {
  assemble: ({ repository, view, layout, parts, target }) =>
    assembleRoot(Repository.open(repository), view, layout, parts, target),
  tell: tellStarter,
  dropView,
})
// What the thread needs from here on is loaded when the machine has its root.
void import('../server/start-control.ts').then(({ startControl }) =>
  startControl(setup),
)
