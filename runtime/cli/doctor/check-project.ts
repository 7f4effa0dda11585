import { formatBytes } from '../../units.ts'
import { fail, ok, warn } from './finding.ts'
import type { DoctorFacts, Finding, HefFacts } from './facts.ts'
import { hasNpu } from './generation.ts'

/** The board's memory and supply. */
export function checkMachine({ machine }: DoctorFacts): Finding[] {
  const { availableBytes, totalBytes, swapBytes, isUndervolted } = machine
  const found: Finding[] = []
  if (availableBytes !== undefined && totalBytes !== undefined) {
    const text = `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} available, ${swapBytes ? formatBytes(swapBytes) : 'no'} swap`
    found.push(
      availableBytes < fewBytes
        ? warn('memory', `${text}: too little for most models`, 'end other programs, or pellet unload NAME')
        : ok('memory', text),
    )
  }
  if (isUndervolted)
    found.push(
      fail(
        'power supply',
        'the voltage was too low since the board was started',
        'use the supply that its maker sells for it',
      ),
    )
  else if (isUndervolted === false) found.push(ok('power supply', 'no undervoltage'))
  return found
}

/** The HEFs that are deployed. */
export function checkHefs({ hefs, hefProblem, library }: DoctorFacts): Finding[] {
  if (hefProblem !== undefined) return [warn('models', `they could not be looked at: ${hefProblem}`)]
  const wrong = hefs.flatMap(({ name, shown, refusal }) =>
    refusal === undefined
      ? []
      : [fail('model', `${name}: ${refusal}`, `pellet inspect ${shown}   (then name another file under hef)`)],
  )
  const chips = library.devices.flatMap(({ chip }) => chip ?? [])
  const names = [...new Set(hefs.map(({ name }) => name))]
  const without =
    chips.length === 0 ? [] : names.filter((name) => !hefs.some((hef) => hef.name === name && suits(hef, chips)))
  const cpu = without.map((name) =>
    warn('model', `${name} has no HEF here for ${chips.join(', ')}: it does not run on the NPU`, `pellet pull ${name}`),
  )
  const right = hefs.filter(({ isThere, refusal }) => isThere && refusal === undefined)
  if (wrong.length + cpu.length > 0 || right.length === 0) return [...wrong, ...cpu]
  return [
    ok('models', `${right.length} HEF${right.length === 1 ? '' : 's'}, right for the chips that the manifests name`),
  ]
}

/** The Pellet that runs, and what it is told to use. */
export function checkPellet(facts: DoctorFacts): Finding[] {
  const { running, runningProblem, setting, hasCompiler } = facts
  const found: Finding[] = []
  if (setting.startsWith('simulated'))
    found.push(
      hasCompiler
        ? ok('simulation', `hailort: ${setting}; answers say X-Pellet-Engine: simulated`)
        : fail(
            'simulation',
            `hailort: ${setting}, but there is no C compiler to build the device with`,
            'sudo apt install gcc',
          ),
    )
  else if (setting === 'off' && hasNpu(facts))
    found.push(
      warn('Pellet', 'hailort: off in the configuration: the NPU is not used', 'remove hailort: off from pellet.yaml'),
    )
  if (runningProblem !== undefined) return [...found, warn('Pellet', runningProblem)]
  if (!running) return [...found, ok('Pellet', 'none runs here')]
  const { version, address, chip, kind, whyNot, onNpu } = running
  const uses = chip ? `uses ${kind === 'simulated' ? 'a simulated ' : ''}${chip}` : 'runs models on the CPU'
  const text = `${version} at ${address} ${uses}${onNpu.length > 0 ? `: ${onNpu.join(', ')} loaded` : ''}`
  // What is wrong with the NPU is told above; here only that a Pellet which was started before does not know of it.
  const isBehind = !chip && setting === 'auto' && facts.library.devices.some(({ chip: seen }) => seen !== undefined)
  return [
    ...found,
    isBehind
      ? warn('Pellet', `${text}: ${whyNot}`, 'pellet start anew, or systemctl reload pellet')
      : ok('Pellet', text),
  ]
}

// --- internal ---

/** Pellet itself, an isolate and a small model. */
const fewBytes = 300 * 1024 * 1024

function suits({ chip, isThere, refusal }: HefFacts, chips: string[]): boolean {
  if (!isThere || refusal !== undefined) return false
  return chips.some((here) => here === chip || (here === 'hailo8' && chip === 'hailo8l'))
}
