import {
  accessSync,
  constants,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import t from 'tap'
import { WakeLatency } from './wake-latency.ts'

const DEVICE = '/dev/cpu_dma_latency'

const requests = (): number =>
  readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === DEVICE
    } catch {
      return false // The descriptor that listed them.
    }
  }).length

/** Whether this is a machine where it is used. */
const isUsed = (): boolean => {
  try {
    accessSync(DEVICE, constants.W_OK)
    return (
      availableParallelism() > 1 &&
      cpus().length <= 8 &&
      readFileSync(
        '/sys/devices/system/cpu/cpuidle/current_governor_ro',
        'latin1',
      ) === 'haltpoll\n'
    )
  } catch {
    return false
  }
}

t.test('one request at most, and none when it is over', async t => {
  const latency = new WakeLatency()
  t.equal(requests(), 0)
  for (let i = 0; i < 2; i++) {
    latency.hold()
    latency.hold()
    t.equal(requests(), isUsed() ? 1 : 0)
    latency.release()
    latency.release()
    t.equal(requests(), 0)
  }
})

t.test('not wanted, nothing is held', async t => {
  const latency = new WakeLatency(false)
  latency.hold()
  t.equal(requests(), 0)
  latency.release()
})
