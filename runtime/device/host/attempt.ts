import { setTimeout as delay } from 'node:timers/promises'
import { HailoError } from '../../../ffi/hailort/statuses.ts'
import { toDeviceError } from './device-error.ts'
import type { HostLog } from '../protocol.ts'
import { stepAfter, type Operation, type Step } from './recovery.ts'

/** What the rules may ask for, and ask about. */
export interface Mender {
  holdsUnused(): boolean
  /** Others are loaded. */
  hasLoaded(): boolean
  /** @throws DeviceError when it cannot be done now */
  recycle(): Promise<void>
  /** @throws DeviceError when it does not live; it is abandoned then */
  expectAlive(): Promise<void>
  abandon(reason: string): void
  end(message: string): void
  /** A load came to no end. */
  loadIsUnknown(): void
  log: HostLog
}

export interface Attempt {
  operation: Operation
  /** The deployment that it is for; empty: none. */
  name: string
  /** It is part of a hard unload, which leads to no other. */
  isRecycled: boolean
}

/**
 * Does an operation; where it fails, what the rules say.
 * @returns what `work` gives; undefined where its failure is to be ignored
 * @throws DeviceError
 */
export async function attempt<T>(
  { operation, name, isRecycled }: Attempt,
  mender: Mender,
  work: () => Promise<T>,
): Promise<T | undefined> {
  let wasRecycled = isRecycled
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      // What was done on the way and failed is told already.
      if (!(error instanceof HailoError)) throw error
      const { kind } = error
      if (operation === 'load' && kind === 'timeout') mender.loadIsUnknown()
      const step = stepAfter({
        operation,
        kind,
        tries,
        holdsUnused: mender.holdsUnused(),
        isRecycled: wasRecycled,
      })
      // That a chip is full is no trouble: room is made.
      const level = kind === 'full' || kind === 'too_many' ? 'info' : 'warn'
      mender.log(level, `NPU: ${operation} failed: ${error.message}.${consequences[step.do]}`, name || undefined)
      if (step.do === 'retry') await delay(step.afterMs)
      else if (step.do === 'recycle') {
        await mender.recycle()
        wasRecycled = true
      } else if (step.do === 'ignore') return undefined
      else if (step.do === 'end') {
        mender.end(`the NPU cannot be closed: ${error.message}`)
        return undefined
      } else {
        if (step.do === 'abandon') mender.abandon(error.message)
        if (step.do === 'identify') await mender.expectAlive()
        throw toDeviceError(error, operation, { name, hasLoaded: mender.hasLoaded() })
      }
    }
  }
}

// --- internal ---

const consequences: Record<Step['do'], string> = {
  retry: ' It is tried again.',
  recycle: ' All models are unloaded for it, and those in use loaded again.',
  identify: ' The device is asked whether it lives.',
  reload: ' The model is loaded anew.',
  abandon: ' The device is given up.',
  end: ' The process ends, so that the device is free.',
  refuse: '',
  ignore: ' It is left at that.',
}
