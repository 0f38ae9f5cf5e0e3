/**
 * Asks the kernel to keep idle processors awake, for moments in which two
 * programs take turns and each is woken by the other.
 *
 * An open /dev/cpu_dma_latency is a "CPU latency QoS request"; closed, by
 * whatever end of the process, it is gone. Source:
 * Documentation/power/pm_qos_interface.rst.
 */

import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  writeSync,
} from './files.ts'
import { cpus } from 'node:os'
import { hasSpareProcessor } from './processors.ts'

const DEVICE = '/dev/cpu_dma_latency'
const GOVERNOR = '/sys/devices/system/cpu/cpuidle/current_governor_ro'
/** Of the machine, not of this process: the request is to all of them. */
const MAX_PROCESSORS = 8

/**
 * Whether it pays: in a virtual machine, where an idle processor is given back
 * to the hypervisor and fetched again (the governor is `haltpoll` there), and
 * of few processors.
 */
const pays = (): boolean => {
  if (!hasSpareProcessor() || cpus().length > MAX_PROCESSORS) return false
  try {
    return readFileSync(GOVERNOR, 'latin1').trim() === 'haltpoll'
  } catch {
    return false
  }
}

export class WakeLatency {
  #fd: number | undefined
  /** Undefined until it is wanted for the first time. */
  #isUsable: boolean | undefined

  /** With `isWanted` false nothing is ever held. */
  constructor(isWanted = true) {
    if (!isWanted) this.#isUsable = false
  }

  /** Processors wake up at once from now on; where that cannot be, nothing changes. */
  hold(): void {
    this.#isUsable ??= pays()
    if (!this.#isUsable || this.#fd !== undefined) return
    try {
      this.#fd = openSync(DEVICE, constants.O_WRONLY)
      // Zero microseconds: the idle loop of the kernel looks instead of halting.
      writeSync(this.#fd, Buffer.alloc(4))
    } catch {
      // An ordinary user's server, or one without the device.
      this.release()
      this.#isUsable = false
    }
  }

  /** Processors sleep as ever. */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}
