import { extensionIds } from './arch.ts'
import { HefError } from './hef-error.ts'
import { readOperations } from './operations.ts'
import type { CoreOpProto, NetworkGroupProto } from './proto.ts'
import { readBoundaries } from './streams.ts'
import { tensorsOf } from './tensors.ts'
import type { HefNetworkGroup, HefTensor } from './types.ts'

/** What the rest of the HEF says about how to read a network group. */
export interface GroupRules {
  extensions: ReadonlySet<number>
  /** It has layouts for parts of the chip, of which one is used. */
  isMultiLayout: boolean
}

/** @throws HefError */
export function readNetworkGroup(group: NetworkGroupProto, { extensions, isMultiLayout }: GroupRules): HefNetworkGroup {
  const hasNetFlow = extensions.has(extensionIds.netFlow)
  const whole = wholeOf(group, hasNetFlow)
  const coreOp = isMultiLayout ? whole.partials[0]?.coreOp : whole
  const name = group.partials[0]?.coreOp?.metadata?.name || group.metadata?.name || coreOp?.metadata?.name || ''
  if (!coreOp) throw new HefError(`network group ${name}: expected a layout for a part of the chip, found none`)
  const ownName = coreOp.metadata?.name ?? ''
  const isMultiNetwork = extensions.has(extensionIds.multiNetwork)
  const boundaries = readBoundaries(coreOp, (index) => {
    const network = isMultiNetwork ? coreOp.networkNames[index] : ownName
    if (network === undefined)
      throw new HefError(`network group ${name}: expected network ${index} to have a name, found none`)
    return `${ownName}/${network}`
  })
  const networkNames = isMultiNetwork ? coreOp.networkNames : []
  const networks = (networkNames.length > 0 ? networkNames : [name]).map((network) => `${name}/${network}`)

  const operations = hasNetFlow ? readOperations(group, boundaries, `${name}/${name}`) : []
  const hidden = new Set(operations.flatMap(({ inputs }) => inputs))
  const rules = { scalePerFeature: extensions.has(extensionIds.scalePerFeature), fused: coreOp.fused }
  const visible = boundaries.filter(({ stream }) => !hidden.has(stream))
  const tensors = uniqueByName(visible.flatMap(({ stream }) => tensorsOf(stream, rules)))
  const outputs = [...tensors.filter(isOutput), ...operations.map(({ output }) => output)]
  return {
    name,
    networks,
    contexts: coreOp.contexts.length,
    bottleneckFps: coreOp.metadata?.bottleneckFps ?? 0,
    latencySeconds: coreOp.metadata?.latencySeconds ?? 0,
    inputs: tensors.filter((tensor) => !isOutput(tensor)),
    outputs: sortOutputs(outputs, sortedNames(group, whole, hasNetFlow), name),
    streams: boundaries.map(({ stream }) => stream),
  }
}

// --- internal ---

/** A newer HEF has what runs on the chip as one of its operations; an older one is it. */
function wholeOf(group: NetworkGroupProto, hasNetFlow: boolean): CoreOpProto & Pick<NetworkGroupProto, 'partials'> {
  if (!hasNetFlow) return group
  const coreOp = group.ops.find((op) => op.coreOp)?.coreOp
  if (!coreOp) throw new HefError(`network group ${group.metadata?.name}: expected what runs on the chip, found none`)
  return coreOp
}

/** The names of the outputs in their order, which HEFs of different ages keep in different places. */
function sortedNames(group: NetworkGroupProto, whole: CoreOpProto, hasNetFlow: boolean): string[] {
  if (whole.fused?.hasFusedLayers) return whole.fused.sortedOutputs
  const ofPartial = group.partials[0]?.coreOp?.sortedOutputs ?? []
  if (!hasNetFlow && ofPartial.length > 0) return ofPartial
  if (group.sortedOutputs.length > 0) return group.sortedOutputs
  return whole.contexts.at(-1)?.metadata?.sortedOutputs ?? []
}

function sortOutputs(outputs: HefTensor[], names: string[], group: string): HefTensor[] {
  const rank = new Map(names.map((name, index) => [name, index]))
  const unknown = outputs.find(({ name }) => !rank.has(name))
  if (unknown)
    throw new HefError(
      `network group ${group}: expected output ${unknown.name} in the list of outputs, found it missing`,
    )
  return outputs.sort((a, b) => rank.get(a.name)! - rank.get(b.name)!)
}

function uniqueByName(tensors: HefTensor[]): HefTensor[] {
  return [...new Map(tensors.map((tensor) => [tensor.name, tensor])).values()]
}

function isOutput({ direction }: HefTensor): boolean {
  return direction === 'output'
}
