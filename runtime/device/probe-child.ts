import { dieWithParent, exitNow } from '../../ffi/libc.ts'
import { Hailort } from '../../ffi/hailort/hailort.ts'
import { HailoError } from '../../ffi/hailort/statuses.ts'
import { messageOf } from '../errors.ts'
import type { ProbeAnswer, ProbeQuestion } from './probe-device.ts'

// Asks HailoRT once what device there is. It may hang or crash in the library: whoever asks sees to that.
dieWithParent(Number(process.env['PELLET_PARENT_PID']))
process.once('message', (question: ProbeQuestion) => {
  probe(question)
    .catch((error: unknown): ProbeAnswer => ({
      failure: messageOf(error),
      isBusy: error instanceof HailoError && error.kind === 'busy',
    }))
    .then((answer) => process.send!(answer, () => exitNow(0)))
})

// --- internal ---

async function probe({ deviceId, file }: ProbeQuestion): Promise<ProbeAnswer> {
  const hailort = Hailort.load(file)
  if (hailort.refusal !== undefined) return { failure: hailort.refusal }
  const ids = await hailort.scan()
  const listed = ids.join(', ') || 'none'
  const id = deviceId === '' ? ids[0] : ids.find((id) => isSame(id, deviceId))
  if (deviceId !== '' && id === undefined)
    return { failure: `the setting device: expected the id of a device that is there (${listed}), found ${deviceId}` }
  if (id === undefined)
    return { failure: `HailoRT ${hailort.version} sees no device: \`pellet doctor\` says what it finds` }
  await using device = await hailort.open(id)
  const { chip, firmware } = await device.identify()
  return { chip, firmware, library: hailort.version, id }
}

/** The domain may be left out. */
function isSame(id: string, wanted: string): boolean {
  return id.toLowerCase() === wanted.toLowerCase() || id.toLowerCase() === `0000:${wanted.toLowerCase()}`
}
