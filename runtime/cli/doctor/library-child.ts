import { Hailort } from '../../../ffi/hailort/hailort.ts'
import { HailoError } from '../../../ffi/hailort/statuses.ts'
import { findHailort } from '../../../ffi/shim/hailort-files.ts'
import { dieWithParent } from '../../../ffi/libc.ts'
import { messageOf } from '../../errors.ts'
import type { QueriedDevice } from './facts.ts'
import type { FromLibraryChild } from './library.ts'

/** HAILO_NOT_IMPLEMENTED: this kind of device has no answer, as the Hailo-10H to that for throttling. */
const notImplemented = 7

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
const facts: FromLibraryChild['facts'] = { devices: [] }
await ask().catch((error: unknown) => (facts.problem = reasonOf(error)))
await tell('')
// Whatever threads the library has.
process.exit(0)

// --- internal ---

async function ask(): Promise<void> {
  const { library } = await findHailort()
  if (library === undefined) return
  facts.file = library
  await tell(`load ${library}`)
  const hailort = Hailort.load(library)
  facts.version = hailort.version
  if (hailort.refusal !== undefined) throw new Error(hailort.refusal)
  await tell('look for devices')
  for (const id of await hailort.scan()) await askDevice(hailort, id)
}

async function askDevice(hailort: Hailort, id: string): Promise<void> {
  const found: QueriedDevice = { id, problems: [] }
  facts.devices.push(found)
  const attempt = async (what: string, work: () => Promise<object>): Promise<boolean> => {
    await tell(`${what} of ${id}`)
    try {
      Object.assign(found, await work())
      return true
    } catch (error) {
      const kind = error instanceof HailoError ? error.kind : undefined
      if (error instanceof HailoError && error.status === notImplemented && found.chip !== undefined) return false
      found.problems.push({ what, reason: reasonOf(error), ...(kind && { kind }) })
      return false
    }
  }
  await attempt('open', async () => {
    await using device = await hailort.open(id)
    const isKnown = await attempt('identity', async () => {
      const { chip, firmware, product, serial } = await device.identify()
      return { chip, firmware, product, serial }
    })
    // Each further question would only wait for its own time to be over.
    if (!isKnown) return {}
    await attempt('temperature', async () => ({ temperature: await device.temperature() }))
    await attempt('throttling', async () => ({ isThrottlingEnabled: await device.isThrottlingEnabled() }))
    await attempt('details', async () => {
      const { clockHz, measuresPower } = await device.details()
      // That of the library may be wrong about the board; whether it answers at all is known by now.
      const watts = measuresPower && (await device.power().catch(() => undefined))
      return { clockHz, ...(watts && { watts }) }
    })
    return {}
  })
}

/** What HailoError advises is to run this command. */
function reasonOf(error: unknown): string {
  return error instanceof HailoError ? error.reason : messageOf(error)
}

function tell(next: string): Promise<void> {
  return new Promise((resolve) => process.send!({ facts, next } satisfies FromLibraryChild, () => resolve()))
}
