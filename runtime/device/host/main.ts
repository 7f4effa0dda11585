import { chmodSync, rmSync } from 'node:fs'
import { dieWithParent, exitNow } from '../../../ffi/libc.ts'
import { loadNpu } from '../../../ffi/shim/shim.ts'
import { loadSimulated } from '../../../ffi/sim/simulated.ts'
import { systemClock } from '../../clock.ts'
import type { FromHost, HostOptions, ToHost } from '../protocol.ts'
import { Device } from './device.ts'
import { createHostServer } from './server.ts'
import { operationLimits } from './turns.ts'

// The process that owns the NPU. It may be killed at any moment: then the device is free.
dieWithParent(Number(process.env['PELLET_PARENT_PID']))
// Ctrl+C and service managers signal the whole group; main ends this process when isolates need it no more.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
process.on('disconnect', () => exitNow(0))

const { kind, chip, file, socketPath, frameTimeoutMs, deviceId, group, limits } = JSON.parse(
  process.argv[2]!,
) as HostOptions
const device = new Device({
  npu: kind === 'simulated' ? loadSimulated(file, chip) : loadNpu(file),
  deviceId,
  group,
  frameTimeoutMs,
  limits: { ...operationLimits, ...limits },
  clock: systemClock,
  log: (level, message) => send({ type: 'log', level, message }),
  end,
})
const server = createHostServer(device, kind)
process.on('message', (message: ToHost) => {
  if (message.type === 'ping') send({ type: 'pong', nonce: message.nonce, state: device.state })
  else void device.close().finally(() => exitNow(0))
})
rmSync(socketPath, { force: true })
server.listen(socketPath, () => {
  chmodSync(socketPath, 0o600)
  send({ type: 'listening' })
})

// --- internal ---

function send(message: FromHost): void {
  process.send!(message, () => {})
}

/** A call of the device hangs in a thread of this process: only its end frees the device. */
function end(message: string): void {
  process.send!({ type: 'log', level: 'error', message } satisfies FromHost, () => exitNow(1))
  setTimeout(() => exitNow(1), 200)
}
