/** The chips that a manifest may name. */
export const hailoChips = ['hailo8', 'hailo8l', 'hailo10h'] as const
export type HailoChip = (typeof hailoChips)[number]

/** What a HEF is compiled for. */
export interface HefArch {
  /** A chip's name, or `unknown`. One compilation may do for several. */
  name: string
  /** The number in the file. */
  word: number
  /** The compiler's word for it. */
  compilerName: string
  /** The chips that take it. HailoRT 4.23 for hailo8 and hailo8l, 5.2 for hailo10h. */
  runsOn: HailoChip[]
}

export function archOfWord(word: number): HefArch {
  const [name, compilerName, runsOn] = archs[word] ?? ['unknown', 'unknown', []]
  return { name, word, compilerName, runsOn }
}

export interface Extension {
  id: number
  /** As the file says it; HailoRT goes by the number. */
  name: string
}

/** Changes what the other fields mean. Numbers of `hef.proto`. */
export const extensionIds = {
  multiNetwork: 8,
  netFlow: 13,
  scalePerFeature: 25,
  peripheryCalculation: 26,
  strictVersion: 35,
} as const

/**
 * Why HailoRT would refuse a HEF on this chip, as a clause for a sentence; undefined where it takes it.
 * @param library Version of the HailoRT that is installed, as `4.23.0`. Without one, or where it is not for this chip, the rules
 *   of 4.23 (hailo8, hailo8l) and 5.2 (hailo10h) count
 */
export function refusalOn(
  chip: HailoChip,
  { arch, compiler, extensions }: { arch: HefArch; compiler: { version: string }; extensions: Extension[] },
  library?: string,
): string | undefined {
  if (!arch.runsOn.includes(chip)) return `it is compiled for ${describeArch(arch)} and does not run on ${chip}`
  if (!extensions.some(({ id }) => id === extensionIds.peripheryCalculation))
    return `it is of an old compiler (${compiler.version}), whose files HailoRT no longer takes; compile it again`
  const installed = library?.startsWith(hailortOf[chip].slice(0, 2)) ? library : undefined
  const hailort = installed ?? hailortOf[chip]
  const unknown = extensions.filter(({ id }) => id > newestExtension(hailort) || onlyOptional.has(id))
  if (unknown.length > 0) {
    const names = unknown.map(({ id, name }) => name || `extension ${id}`).join(', ')
    return `HailoRT ${hailort} does not know what it needs: ${names}; ${otherFile(hailort)}, or use a newer HailoRT`
  }
  const isStrict = extensions.some(({ id }) => id === extensionIds.strictVersion)
  if (!isStrict || !installed || minorOf(installed) === minorOf(compiler.version)) return undefined
  return `it is for HailoRT ${minorOf(compiler.version)} alone, and ${installed} is installed; ${otherFile(installed)}`
}

// --- internal ---

const archs: Record<number, [name: string, compilerName: string, runsOn: HailoChip[]]> = {
  // The first samples of the chip, which no HailoRT of today takes.
  0: ['hailo8-a0', 'HAILO8', []],
  1: ['hailo8', 'HAILO8P', ['hailo8']],
  2: ['hailo8', 'HAILO8R', ['hailo8']],
  3: ['hailo8l', 'HAILO8L', ['hailo8l', 'hailo8']],
  4: ['hailo15m', 'HAILO15M', ['hailo10h']],
  5: ['hailo10h-old', 'HAILO10H', []],
  6: ['hailo15l', 'HAILO15L', []],
  103: ['hailo10h', 'HAILO1XH', ['hailo10h']],
  104: ['hailo10h', 'GINGER', ['hailo10h']],
  105: ['hailo10h', 'LAVENDER', ['hailo10h']],
  106: ['hailo15l', 'PLUTO', []],
  108: ['hailo12l', 'MARS', []],
}

const hailortOf: Record<HailoChip, string> = { hailo8: '4.23', hailo8l: '4.23', hailo10h: '5.2' }

/** By the version from which on it is so. Of a HailoRT that is newer than all that are known here, nothing is unknown. */
const newestExtensions: [from: string, id: number][] = [
  ['4.19', 29],
  ['4.21', 32],
  ['4.24', Infinity],
  ['5.0', 35],
  ['5.3', Infinity],
]

/** The Model Zoo whose files are made for a HailoRT. */
const zoos: Record<string, string> = {
  '4.20': 'v2.14',
  '4.21': 'v2.15',
  '4.22': 'v2.16',
  '4.23': 'v2.17',
  '5.2': 'v5.2',
}

/** Test and multi-network: HailoRT takes them among the optional extensions alone. */
const onlyOptional = new Set([7, 8])

/** `hailo8`, or `unknown (word 7)`. */
function describeArch({ name, word }: HefArch): string {
  return name === 'unknown' ? `an architecture that is not known here (${word})` : name
}

/** `4.23` of `4.23.0`. */
function minorOf(version: string): string {
  return version.split('.', 2).join('.')
}

function newestExtension(hailort: string): number {
  const [major = 0, minor = 0] = hailort.split('.').map(Number)
  const isReached = ([from]: [string, number]) => {
    const [fromMajor = 0, fromMinor = 0] = from.split('.').map(Number)
    return major > fromMajor || (major === fromMajor && minor >= fromMinor)
  }
  return newestExtensions.findLast(isReached)?.[1] ?? newestExtensions[0]![1]
}

function otherFile(hailort: string): string {
  const zoo = zoos[minorOf(hailort)]
  return `take one that is compiled for it${zoo ? ` (Model Zoo ${zoo})` : ''}`
}
