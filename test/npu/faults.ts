import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import { frameTimeoutMs, weightBytes, type Estate } from './estate.ts'

/** What goes wrong with the device or its host, from beginning to end. */
export type Fault = (estate: Estate, random: Random) => Promise<void>

/** Beyond what the host waits for a frame. */
const tooLongMs = 3 * frameTimeoutMs

export const faults: Record<string, Fault> = {
  'a short stall': (estate) => during(estate, { stall: 1 }, frameTimeoutMs / 4),
  'a long stall': (estate) => during(estate, { stall: 1 }, tooLongMs),
  'late frames': (estate) => during(estate, { late_every: 40, late_us: 1.5 * frameTimeoutMs * 1000 }, 4 * tooLongMs),
  'frames that fail': (estate, random) => during(estate, { 'fail.frame': `63:${random.integer(1, 3)}` }, 300),
  'starts that are refused': (estate, random) => during(estate, { 'fail.start': `6:${random.integer(1, 3)}` }, 300),
  'loads that fail': (estate) => during(estate, { 'fail.configure': '18:2' }, 500),
  'the device is lost': (estate, random) =>
    during(estate, { device: 'lost', lost_unload_ms: 3000 }, random.integer(100, 1500)),
  'lost, then busy': async (estate) => {
    await during(estate, { device: 'lost', lost_unload_ms: 3000 }, 600)
    await during(estate, { device: 'busy' }, 600)
  },
  'answers that do not come': (estate, random) =>
    during(
      estate,
      {
        'false_timeout.load': random.integer(0, 2),
        'false_timeout.configure': random.integer(0, 2),
        'false_timeout.open': random.integer(0, 2),
        'false_timeout.unload': random.integer(0, 1),
        'false_timeout.close': random.integer(0, 1),
        'false_timeout.identify': 1,
      },
      1000,
    ),
  'everything takes its time': (estate) =>
    during(estate, { open_ms: 300, load_ms: 300, close_ms: 300, 'hang.unload': 300, 'hang.identify': 300 }, 1500),
  'a chip for two models': (estate) => during(estate, { memory_bytes: 2.5 * weightBytes }, 2000),
  'three configurations': (estate) => during(estate, { core_ops: 3 }, 2000),
  'the host is killed': async (estate) => void estate.killHost('SIGKILL'),
  'the host is killed while it is started anew': async (estate, random) => {
    for (let i = 0; i < 2; i++) {
      estate.killHost('SIGKILL')
      await pause(random.integer(100, 500))
    }
  },
  'an isolate is killed': async (estate, random) => {
    const { pid } = await estate.pellet.row(random.pick(estate.models).name)
    if (pid !== null) process.kill(pid, 'SIGKILL')
  },
}

/** Takes ten seconds. */
export const hang: Fault = async (estate) => {
  const { hostPid } = estate
  if (!estate.killHost('SIGSTOP')) return
  while (estate.hostPid === hostPid) await pause(50)
}

// --- internal ---

async function during(estate: Estate, settings: Parameters<Estate['simulate']>[0], ms: number): Promise<void> {
  estate.simulate(settings)
  await pause(ms)
  estate.simulate()
}
