import { checkDevices } from './check-device.ts'
import { checkBus, checkHolders, checkNodes, checkPageSize } from './check-hardware.ts'
import { checkHefs, checkMachine, checkPellet } from './check-project.ts'
import { checkDriver, checkLibrary, checkShim } from './check-software.ts'
import type { DoctorFacts, Finding } from './facts.ts'

/** What the facts mean: from the hardware up. Pure. */
export function diagnose(facts: DoctorFacts): Finding[] {
  return checks.flatMap((check) => check(facts))
}

// --- internal ---

const checks: ((facts: DoctorFacts) => Finding[])[] = [
  checkBus,
  checkPageSize,
  checkDriver,
  checkNodes,
  checkHolders,
  checkLibrary,
  checkShim,
  checkDevices,
  checkHefs,
  checkMachine,
  checkPellet,
]
