import { chmodSync, rmSync } from 'node:fs'
import { dieWithParent, exitNow } from '../../../ffi/libc.ts'
import type { Npu } from '../../../ffi/shim/npu.ts'
import { systemClock } from '../../clock.ts'
import { messageOf } from '../../errors.ts'
import type { FromHost, HostOptions, ToHost } from '../protocol.ts'
import { Device } from './device.ts'
import { DeviceError } from './device-error.ts'
import { createHostServer } from './server.ts'
import { Thermometer } from './thermometer.ts'
import { operationLimits } from './turns.ts'

// The process that owns the NPU. It may be killed at any moment: then the device is free.
dieWithParent(Number(process.env['PELLET_PARENT_PID']))
// Ctrl+C and service managers signal the whole group; main ends this process when isolates need it no more.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
process.on('disconnect', () => exitNow(0))

const options = JSON.parse(process.argv[2]!) as HostOptions
const { kind, socketPath, frameTimeoutMs, deviceId, group, limits } = options
const device = new Device({
  npu: await loadLibrary(options).catch(toUnusable),
  deviceId,
  group,
  frameTimeoutMs,
  limits: { ...operationLimits, ...limits },
  clock: systemClock,
  log: (level, message, deployment) => send({ type: 'log', level, message, ...(deployment && { deployment }) }),
  end,
})
const thermometer = kind === 'hailort' ? new Thermometer(device) : undefined
const server = createHostServer(device, kind)
process.on('message', (message: ToHost) => {
  if (message.type === 'ping')
    send({ type: 'pong', nonce: message.nonce, state: { ...device.state, ...thermometer?.reading } })
  else {
    server.close()
    void device.close().finally(() => exitNow(0))
  }
})
rmSync(socketPath, { force: true })
server.listen(socketPath, () => {
  chmodSync(socketPath, 0o600)
  send({ type: 'listening' })
})

// --- internal ---

/** One of the two: each brings its own HailoRT, and the reader of HEFs is for the simulated one alone. */
async function loadLibrary({ file, chip }: HostOptions): Promise<Npu> {
  if (kind === 'simulated') return (await import('../../../ffi/sim/simulated.ts')).loadSimulated(file, chip)
  return (await import('../../../ffi/shim/shim.ts')).loadNpu(file)
}

/** Whoever wants it is told so at once, instead of a process that ends again and again. */
function toUnusable(error: unknown): Npu {
  send({ type: 'log', level: 'error', message: `the NPU's library: ${messageOf(error)}` })
  const message = 'the NPU cannot be used: its library cannot be loaded; run `pellet doctor`, and see the log'
  return {
    kind,
    version: '',
    open: () => Promise.reject(new DeviceError('device_unavailable', message)),
    [Symbol.dispose]() {},
  }
}

function send(message: FromHost): void {
  process.send!(message, () => {})
}

/** A call of the device hangs in a thread of this process: only its end frees the device. */
function end(message: string): void {
  process.send!({ type: 'log', level: 'error', message } satisfies FromHost, () => exitNow(1))
  setTimeout(() => exitNow(1), 200)
}
