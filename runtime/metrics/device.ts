import type { Facts } from './facts.ts'
import type { Families } from './families.ts'

/** The NPU and the process that owns it. */
export function addDevice(families: Families, { deviceCounts, device }: Facts): void {
  const counter = (name: string, help: string, key: keyof ReturnType<Facts['deviceCounts']>) =>
    families.counter(`pellet_device_${name}_total`, help, () => [[{}, deviceCounts()[key]]])

  families.gauge('pellet_device_open', 'Whether Pellet has the NPU open: then models are loaded on it', () => {
    const state = device()?.device
    return [[{}, Number(state === 'open' || state === 'recycling')]]
  })
  counter('frames', 'Frames that the NPU answered', 'frames')
  counter('timeouts', 'Frames that the NPU did not answer in time (device_frame_timeout)', 'timeouts')
  counter('losses', 'How often the NPU was lost', 'losses')
  counter('hard_unloads', 'How often all models were unloaded to make room on the NPU', 'hardUnloads')
  counter('host_restarts', 'Device hosts that were started after one that ended by itself, or hung', 'restarts')
}
