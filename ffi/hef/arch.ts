/** The chips that a manifest may name. */
export type HailoChip = 'hailo8' | 'hailo8l' | 'hailo10h'

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
 * Why HailoRT would refuse a HEF on this chip, as a clause for a sentence; undefined where it takes it. Rules of HailoRT
 * 4.23 (hailo8, hailo8l) and 5.2 (hailo10h).
 */
export function refusalOn(
  chip: HailoChip,
  { arch, compiler, extensions }: { arch: HefArch; compiler: { version: string }; extensions: Extension[] },
): string | undefined {
  if (!arch.runsOn.includes(chip)) return `it is compiled for ${describeArch(arch)} and does not run on ${chip}`
  if (!extensions.some(({ id }) => id === extensionIds.peripheryCalculation))
    return `it is of an old compiler (${compiler.version}), whose files HailoRT no longer takes; compile it again`
  const unknown = extensions.filter(({ id }) => id > newestExtension[chip] || onlyOptional.has(id))
  if (unknown.length === 0) return undefined
  const names = unknown.map(({ id, name }) => name || `extension ${id}`).join(', ')
  return `HailoRT ${hailortOf[chip]} does not know what it needs: ${names}; compile it for that version, or use a newer HailoRT`
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
const newestExtension: Record<HailoChip, number> = { hailo8: 32, hailo8l: 32, hailo10h: 35 }
/** Test and multi-network: HailoRT takes them among the optional extensions alone. */
const onlyOptional = new Set([7, 8])

/** `hailo8`, or `unknown (word 7)`. */
function describeArch({ name, word }: HefArch): string {
  return name === 'unknown' ? `an architecture that is not known here (${word})` : name
}
