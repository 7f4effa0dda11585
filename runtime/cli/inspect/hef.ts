import { hailoChips, refusalOn, type Extension } from '../../../ffi/hef/arch.ts'
import type { Hef, HefNetworkGroup, HefTensor } from '../../../ffi/hef/hef.ts'
import { toText } from '../../engines/check-inputs.ts'
import { formatBytes } from '../../units.ts'
import { toColumns } from '../table.ts'
import { toSnakeCase } from '../snake-case.ts'
import type { Facts } from './facts.ts'

export function hefFacts(hef: Hef, sha256: string): Facts {
  const { arch, compiler, header, networkGroups } = hef
  const inputs = networkGroups.flatMap((group) => group.inputs)
  const outputs = networkGroups.flatMap((group) => group.outputs)
  const runsOn = hailoChips.filter((chip) => refusalOn(chip, hef) === undefined)
  const refusal = refusalOn(arch.runsOn[0] ?? 'hailo8', hef) ?? ''
  const compiledAt = toIsoTime(compiler.compiledAtMs)
  return {
    title: `HEF for ${arch.name}, ${formatBytes(hef.sizeBytes)}`,
    rows: {
      inputs: toColumns(inputs.map(toCells)),
      outputs: toColumns(outputs.map(toCells)),
      'runs on': [runsOn.length > 0 ? runsOn.join(', ') : `nothing that Pellet knows: ${refusal}`],
      network: networkGroups.map(groupText),
      compiler: [`${compiler.version}${compiledAt === null ? '' : `, ${compiledAt.slice(0, 10)}`}`],
      version: [`header ${header.version}, architecture ${arch.compilerName} (${arch.word})`],
      needs: [hef.extensions.map(shortName).join(', ')],
      'may use': [hef.optionalExtensions.map(shortName).join(', ')],
      resources: hef.externalResources.map(({ name, sizeBytes }) => `${name}, ${formatBytes(sizeBytes)}`),
      checksum: [`${header.checksum.kind} ${header.checksum.value}: right`],
      sha256: [sha256],
    },
    json: toSnakeCase({
      format: 'hef',
      sizeBytes: hef.sizeBytes,
      sha256,
      inputs,
      outputs,
      arch: { name: arch.name, word: arch.word, compilerName: arch.compilerName },
      runsOn,
      refusal: runsOn.length > 0 ? null : refusal,
      networkGroups: networkGroups.map(({ inputs: _in, outputs: _out, ...group }) => group),
      compiler: { version: compiler.version, text: compiler.text, formatVersion: compiler.formatVersion, compiledAt },
      header,
      extensions: hef.extensions,
      optionalExtensions: hef.optionalExtensions,
      externalResources: hef.externalResources,
    }) as Record<string, unknown>,
  }
}

// --- internal ---

/** Name, shape, order, and what the numbers mean. */
function toCells({ name, type, shape, order, nms, quantization }: HefTensor): string[] {
  const boxes = nms
    ? `${nms.classes} classes, at most ${nms.maxBoxesPerClass} boxes each${thresholdsText(nms)}`
    : undefined
  const what = shape ? toText(type, shape) : `${type}, boxes`
  return [name, `${what} ${order.replace('HAILO_', '')}`, boxes ?? (quantization ? quantizationText(quantization) : '')]
}

function thresholdsText({ scoreThreshold, iouThreshold }: NonNullable<HefTensor['nms']>): string {
  return scoreThreshold === undefined ? '' : `, score ${round(scoreThreshold)}, IoU ${round(iouThreshold ?? 0)}`
}

function quantizationText({ scales, zeroPoints, min, max }: NonNullable<HefTensor['quantization']>): string {
  const range = `${round(min)} to ${round(max)}`
  if (scales.length > 1) return `${range}, a scale for each of ${scales.length} features`
  const [zeroPoint, scale] = [round(zeroPoints[0]!), round(scales[0]!)]
  const shifted = zeroPoint === 0 ? 'q' : scale === 1 ? `q - ${zeroPoint}` : `(q - ${zeroPoint})`
  return `${range} = ${shifted}${scale === 1 ? '' : ` * ${scale}`}`
}

function groupText({ name, networks, contexts, bottleneckFps, latencySeconds }: HefNetworkGroup): string {
  const several = networks.length > 1 ? ` (${networks.join(', ')})` : ''
  const parts = contexts > 1 ? `, in ${contexts} parts one after the other` : ''
  const speed = bottleneckFps > 0 ? `; the compiler expects ${Math.round(bottleneckFps)} frames a second` : ''
  return `${name}${several}${parts}${speed}${latencySeconds > 0 ? `, ${round(latencySeconds * 1000)} ms each` : ''}`
}

/** `PADDED_DDR_BUFFERS` of a name that explains it and then has that in brackets. */
function shortName({ id, name }: Extension): string {
  return (/\((\w+)\)$/.exec(name)?.[1] ?? (name || `extension ${id}`)).replaceAll(' ', '\u00a0')
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}

function toIsoTime(ms: number): string | null {
  return ms > 0 && ms < 8.64e15 ? new Date(ms).toISOString() : null
}
