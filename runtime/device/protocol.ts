import type { HailoChip } from '../../ffi/hef/arch.ts'
import type { NpuModelInfo } from '../../ffi/shim/npu.ts'
import type { ErrorCode } from '../errors.ts'

/**
 * The device host, a child process, is the only one that opens the NPU. Isolates talk to it by HTTP over a unix socket in the
 * private folder, main over the fork's IPC.
 *
 * - `POST /models` with a LoadRequest as JSON: loads a model. 200 with a line of JSON, `LoadedModel`, and the answer stays open:
 *   the model is theirs for as long as the connection lives. Either side ends it: an isolate that goes, in whatever way, unloads
 *   its model by that; a host that lost the device, or whose model broke for good, ends it with a last line, `Lost`.
 * - `POST /models/{id}/frames` with the inputs as raw bytes, one after the other: 200 with the outputs as raw bytes, and how long
 *   the device took in `x-infer-us`. `x-timeout-ms`: after so long the frame is given up. A client that leaves gives it up, too.
 * - Refusals are `Refusal` as JSON, with the status of their code.
 */
export const deviceSocketName = 'device.sock'

export interface LoadRequest {
  /** The deployment that it is for, in messages. */
  name: string
  /** Absolute path of the HEF. */
  file: string
  sha256: string
  network?: string
  /** 0: HailoRT's choice. */
  batch: number
  powerMode: 'performance' | 'ultra_performance'
  /** 0 to 31, of HailoRT's scheduler. */
  priority: number
  /** Frames in flight at once. */
  slots: number
}

export interface LoadedModel {
  id: number
  kind: 'hailort' | 'simulated'
  info: NpuModelInfo
}

/** Why a model is no longer loaded. It may be loaded again. */
export interface Lost {
  lost: string
  retryAfterMs: number
}

export interface Refusal {
  error: { code: ErrorCode; message: string; retryAfterMs?: number }
  /** The chip is full: others are to be unloaded first. */
  isFull?: boolean
}

/** What the host is started with: its only argument, as JSON. */
export interface HostOptions {
  kind: 'hailort' | 'simulated'
  /** The simulated one, where the control file names none. */
  chip: HailoChip
  /** The library to load: the shim, or the simulated device. */
  file: string
  socketPath: string
  /** Absent: any. */
  deviceId?: string
  /** HailoRT's group. */
  group?: string
  /** Longest that a frame may be on the device. */
  frameTimeoutMs: number
  /** Longest that an operation may take, in ms, where it is not the usual time. */
  limits?: Partial<Record<'open' | 'identify' | 'load' | 'unload' | 'close' | 'priority', number>>
}

/** Main to the host. */
export type ToHost =
  | { type: 'ping'; nonce: number }
  /** Unload all, close the device, and end. */
  | { type: 'close' }

type LogLevel = 'info' | 'warn' | 'error'

/** Says something in main's log. @param deployment whose matter it is, where it is one's */
export type HostLog = (level: LogLevel, message: string, deployment?: string) => void

/** The host to main. */
export type FromHost =
  | { type: 'listening' }
  | { type: 'pong'; nonce: number; state: HostState }
  | { type: 'log'; level: LogLevel; message: string; deployment?: string }

/** For `pellet ps`, metrics and the log. */
export interface HostState {
  device: 'closed' | 'opening' | 'open' | 'recycling' | 'lost'
  /** What it does now that takes long, and since when on the host's own clock; for the watch on hangs. */
  operation?: { what: string; sinceMs: number }
  models: { name: string; flying: number; waiting: number; frames: number; timeouts: number }[]
  hardUnloads: number
  timeouts: number
  losses: number
  /** Answered by the device since the host started. */
  frames: number
  /** Of the device that is open, where it told it. */
  deviceId?: string
  /** Degrees Celsius, where the device told it. */
  temperature?: number
}
