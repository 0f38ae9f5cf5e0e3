/** The program of a server's control thread; see control-thread.ts. */

import { workerData } from 'node:worker_threads'
import type { ControlSetup } from './control-setup.ts'
import { startControl } from './start-control.ts'

startControl(workerData as ControlSetup)
