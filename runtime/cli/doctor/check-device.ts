import { hailoChips } from '../../../ffi/hef/arch.ts'
import { fail, ok, warn } from './finding.ts'
import { reinstall, reloadDriver } from './generation.ts'
import type { DoctorFacts, Finding, QueriedDevice } from './facts.ts'

/** What each device says of itself. */
export function checkDevices(facts: DoctorFacts): Finding[] {
  return facts.library.devices.flatMap((device) => [
    ...identityOf(device),
    ...device.problems.map(({ what, reason, kind }) =>
      fail('device', `${device.id}: ${what}: ${reason}`, kind === 'version' ? reinstall(facts) : reloadDriver(facts)),
    ),
    ...(device.temperature === undefined ? [] : [temperatureOf(device.temperature)]),
    ...(device.isThrottlingEnabled === undefined ? [] : [protectionOf(device)]),
    ...(device.watts === undefined ? [] : [ok('power', `${device.watts.toFixed(2)} W`)]),
  ])
}

// --- internal ---

const warmCelsius = 85
/** What the chip is specified for. */
const hotCelsius = 105

function identityOf({ id, chip, firmware, product, serial }: QueriedDevice): Finding[] {
  if (chip === undefined) return []
  const more = [product, serial && `serial ${serial}`].filter(Boolean).join(', ')
  const found = `${id}: ${chip}, firmware ${firmware}${more ? `, ${more}` : ''}`
  const isKnown = hailoChips.some((known) => known === chip)
  if (isKnown) return [ok('device', found)]
  return [
    fail('device', `${found}: Pellet runs no models on it`, 'use a Hailo-8, 8L or 10H; onnx models run on the CPU'),
  ]
}

function temperatureOf(celsius: number): Finding {
  const found = `${Math.round(celsius)} °C`
  if (celsius < warmCelsius) return ok('temperature', found)
  const mend = 'cool it: a heat sink, a fan, or fewer frames a second'
  if (celsius < hotCelsius) return warn('temperature', `${found}: the chip slows down when it gets much hotter`, mend)
  return fail('temperature', `${found}: more than the chip is made for`, mend)
}

function protectionOf({ isThrottlingEnabled, clockHz }: QueriedDevice): Finding {
  const clock = clockHz ? `; its clock is at ${Math.round(clockHz / 1e6)} MHz` : ''
  if (isThrottlingEnabled) return ok('throttling', `the chip slows down by itself before it is too hot${clock}`)
  return warn('throttling', `the chip’s own protection against heat is switched off${clock}`, 'sudo reboot')
}
