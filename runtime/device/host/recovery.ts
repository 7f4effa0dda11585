import type { HailoErrorKind } from '../../../ffi/hailort/statuses.ts'

/** What is asked of the device. `frame`: one is done, and failed; `overdue`: one is not done after the longest that it may take. */
export type Operation = 'open' | 'identify' | 'load' | 'unload' | 'close' | 'priority' | 'frame' | 'overdue'

/** What went wrong, and how things are. */
export interface Failure {
  operation: Operation
  kind: HailoErrorKind
  /** How often this was tried, this time included. */
  tries: number
  /** The device keeps what only a close frees: configurations of models that are gone, or a load that came to no end. */
  holdsUnused: boolean
  /** A hard unload is under way, or was done for this. */
  isRecycled: boolean
}

/** What is done about it. */
export type Step =
  | { do: 'retry'; afterMs: number }
  /** A hard unload: unload all, close, open, load again those that stay; then this once more. */
  | { do: 'recycle' }
  /** Ask whether the device lives. */
  | { do: 'identify' }
  /** The model is unloaded and loaded anew. */
  | { do: 'reload' }
  /** The device is dropped with all of its models. */
  | { do: 'abandon' }
  /** The process ends, and the device is free. */
  | { do: 'end' }
  | { do: 'refuse' }
  | { do: 'ignore' }

/** HailoRT 5 may say that the time is over where the work was done: opening is free of harm. */
const openTries = 3
/** What another program, or the server on the module, still holds after a close. */
const reopenAfterMs = 250

/** What is done about a failure. */
export function stepAfter(failure: Failure): Step {
  return rules[failure.operation](failure)
}

/** How it stands with a model whose frame took too long, when the device answered that it lives. */
export interface Standstill {
  /** Frames in a row that took too long, none having been done meanwhile. */
  overdueInARow: number
  /** No slot is left that a frame could take. */
  isFull: boolean
}

const overdueBeforeReload = 3

/** The device lives, and a frame of this model is overdue: the model is loaded anew where that is no matter of one frame. */
export function stepWhenAlive({ overdueInARow, isFull }: Standstill): Step {
  return { do: overdueInARow >= overdueBeforeReload || isFull ? 'reload' : 'ignore' }
}

/** A model that was loaded anew so often, and answered no frame since, is given up. */
export const reloadsBeforeLost = 3

/** How long a device that was lost, or could not be opened, is left alone. */
export const restBackOff = { backOffMs: 250, maxBackOffMs: 10_000 }

// --- internal ---

const rules: Record<Operation, (failure: Failure) => Step> = {
  open({ kind, tries, isRecycled }) {
    if (tries >= openTries) return { do: 'refuse' }
    if (kind === 'timeout') return { do: 'retry', afterMs: 0 }
    const isPassing = kind === 'busy' || kind === 'lost' || kind === 'absent'
    return isPassing && isRecycled ? { do: 'retry', afterMs: reopenAfterMs * tries } : { do: 'refuse' }
  },
  load({ kind, tries, holdsUnused, isRecycled }) {
    if (kind === 'lost') return { do: 'abandon' }
    if (kind === 'full' || kind === 'too_many') return { do: holdsUnused && !isRecycled ? 'recycle' : 'refuse' }
    if (kind === 'timeout') return afterLateLoad(tries, isRecycled)
    if (kind !== 'internal' && kind !== 'aborted') return { do: 'refuse' }
    // What is left of others may be in its way, too.
    return { do: holdsUnused && !isRecycled ? 'recycle' : 'identify' }
  },
  // Frames never came back, or nobody knows what is left of it: what the device holds is gone with the device only.
  unload: () => ({ do: 'abandon' }),
  // The handle is void in every case. What may still hold the device is this process.
  close: ({ kind }) => ({ do: kind === 'timeout' || kind === 'lost' || kind === 'absent' ? 'ignore' : 'end' }),
  identify: ({ kind, tries }) => (kind === 'timeout' && tries < 2 ? { do: 'retry', afterMs: 0 } : { do: 'abandon' }),
  priority: ({ kind }) => ({ do: kind === 'lost' ? 'abandon' : 'ignore' }),
  frame: ({ kind }) => ({ do: kind === 'lost' ? 'identify' : 'reload' }),
  overdue: () => ({ do: 'identify' }),
}

/** HailoRT 5 may have loaded it all the same, and holds that until it is closed. */
function afterLateLoad(tries: number, isRecycled: boolean): Step {
  if (tries === 1) return { do: 'retry', afterMs: 0 }
  return { do: isRecycled ? 'refuse' : 'recycle' }
}
