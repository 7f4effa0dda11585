import { statusOf, type HailoError, type HailoErrorKind } from '../../../ffi/hailort/statuses.ts'
import { PelletError, type ErrorCode } from '../../errors.ts'
import type { Operation } from './recovery.ts'

/** When what failed may well work again. */
export const retrySoonMs = 1000

/** What an isolate is refused with. */
export class DeviceError extends PelletError {
  /** Others are to be unloaded first. */
  readonly isFull: boolean

  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; isFull?: boolean } = {}) {
    super(code, message, options.retryAfterMs === undefined ? {} : { retryAfterMs: options.retryAfterMs })
    this.isFull = options.isFull === true
  }
}

/** What a failure of the device is for those who asked. `hasLoaded`: others are loaded, whose room it could have. */
export function toDeviceError(
  error: HailoError,
  operation: Operation,
  { name, hasLoaded = false }: { name: string; hasLoaded?: boolean },
): DeviceError {
  const code = operation === 'open' && error.kind === 'lost' ? 'device_unavailable' : codes[error.kind]
  const isPassing = code === 'device_unavailable' || code === 'device_failed'
  const isOfChip = error.kind === 'full' || error.kind === 'too_many'
  return new DeviceError(code, `${name && `${name}: `}the NPU ${doings[operation]}: ${plain(error)}`, {
    ...(isPassing && { retryAfterMs: retrySoonMs }),
    isFull: isOfChip && hasLoaded,
  })
}

// --- internal ---

const codes: Record<HailoErrorKind, ErrorCode> = {
  absent: 'device_unavailable',
  busy: 'device_unavailable',
  version: 'device_unavailable',
  lost: 'device_failed',
  aborted: 'device_failed',
  timeout: 'device_failed',
  queue_full: 'device_failed',
  internal: 'device_failed',
  full: 'out_of_memory',
  too_many: 'out_of_memory',
  host_memory: 'out_of_memory',
  bad_hef: 'load_failed',
  wrong_chip: 'load_failed',
  argument: 'load_failed',
}

const doings: Record<Operation, string> = {
  open: 'cannot be used',
  identify: 'does not say what it is',
  load: 'cannot load the model',
  unload: 'cannot unload the model',
  close: 'cannot be closed',
  priority: 'does not take the priority',
  frame: 'gave the frame up',
  overdue: 'gave the frame up',
}

/** Without what HailoRT says itself: it names files and handles. That is in the log. */
function plain({ status, operation }: HailoError): string {
  const { name, meaning, advice } = statusOf(status, operation)
  return `${meaning} (${name}, ${status}); ${advice}`
}
