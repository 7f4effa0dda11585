import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readHef, readHefFile, type Hef, type HefNetworkGroup, type HefStream } from '../../ffi/hef/hef.ts'
import { sharedData, testWithShared } from '../support/shared.ts'

const test = suite('what a HEF says')

interface Truth {
  size: number
  hef_version: number
  header_size: number
  proto_size: number
  md5?: string
  crc?: number
  xxh3?: string
  proto_xxh3?: string
  ccws_size?: number
  ccws_size_with_padding?: number
  hef_padding_size?: number
  additional_info_size?: number
  hw_arch: string
  timestamp: number
  sdk_version_str: string
  version_field: number
  extensions: [number, string][]
  optional_extensions: [number, string][]
  network_groups: TruthGroup[]
}

interface TruthGroup {
  name: string
  bottleneck_fps: number
  latency: number
  inputs: TruthStream[]
  outputs: TruthStream[]
  sorted_outputs: string[]
  networks: string[]
  n_contexts: number
}

interface TruthStream {
  name: string
  original_names: string[]
  shape: number[]
  padded: number[]
  format: number
  data_bytes: number
  sys_index: number
  qp_zp: number
  qp_scale: number
  limvals: number[]
  n_qp_scales: number
  core_bytes_per_buffer: number
  core_buffers_per_frame: number
  transposed: boolean
}

const names = ['scrfd_2.5g.hef', 'fast_depth.hef', 'arcface_mobilefacenet_v2.hef', 'mnist_cnn_a.hef']
for (const name of names)
  testWithShared(test, `${name}: field by field as the compiler wrote it`, async () => {
    const truth = (JSON.parse(readFileSync(sharedData('truth/hef.json')!, 'utf8')) as Record<string, Truth>)[name]!
    const hef = await readHefFile(sharedData(`hef/${name}`)!)
    assert.equal(ofFile(hef), toFileTruth(truth))
    assert.equal(hef.networkGroups.map(ofGroup), truth.network_groups.map(toGroupTruth))
    assert.equal(await readHef(readFileSync(sharedData(`hef/${name}`)!)), hef)
  })

testWithShared(test, 'tensors as HailoRT hands them over', async () => {
  const scrfd = await readHefFile(sharedData('hef/scrfd_2.5g.hef')!)
  const [group] = scrfd.networkGroups
  assert.equal(
    group!.inputs.map(({ shape, type, order, frameBytes }) => [shape, type, order, frameBytes]),
    [[[640, 640, 3], 'uint8', 'NHWC', 640 * 640 * 3]],
  )
  const conv57 = group!.outputs.find(({ name }) => name === 'scrfd_2_5g/conv57')!
  const { min, max, ...quantization } = conv57.quantization!
  assert.equal(quantization, { scales: [Math.fround(0.036005739122629166)], zeroPoints: [112] })
  assert.equal([min, max], [-4.032642841339111, 5.148820877075195])
  assert.equal([conv57.order, conv57.shape, conv57.frameBytes], ['NHWC', [20, 20, 20], 8000])

  const mnist = await readHefFile(sharedData('hef/mnist_cnn_a.hef')!)
  const [out] = mnist.networkGroups[0]!.outputs
  assert.equal([out!.order, out!.type, out!.shape, out!.network], ['FCR', 'uint8', [4, 4, 16], 'MNIST_CNN/MNIST_CNN'])
  const depth = await readHefFile(sharedData('hef/fast_depth.hef')!)
  const [map] = depth.networkGroups[0]!.outputs
  assert.equal([map!.order, map!.type, map!.frameBytes], ['NHWC', 'uint16', 224 * 224 * 2])
})

testWithShared(test, 'text under the name of a HEF is refused', async () => {
  const error = await readHefFile(sharedData('hef/not_a_hef.hef')!).catch((error: Error) => error)
  assert.match((error as Error).message, 'expected a HEF, which starts with the bytes 01 48 45 46, found text: "{')
})

test.run()

// --- internal ---

function ofFile({ header, arch, compiler, ...hef }: Hef) {
  return {
    sizes: [hef.sizeBytes, header.headerBytes, header.protoBytes, header.ccwsBytes],
    more: [header.paddingBytes, header.additionalBytes],
    checksum: header.checksum.value,
    protoChecksum: header.protoChecksum,
    version: header.version,
    arch: arch.compilerName,
    compiler: [compiler.text, compiler.formatVersion, compiler.compiledAtMs],
    extensions: hef.extensions.map(({ id, name }) => [id, name]),
    optionalExtensions: hef.optionalExtensions.map(({ id, name }) => [id, name]),
    externalResources: hef.externalResources,
  }
}

function toFileTruth(truth: Truth) {
  const crc = truth.crc?.toString(16).padStart(8, '0')
  return {
    sizes: [truth.size, truth.header_size, truth.proto_size, truth.ccws_size ?? truth.ccws_size_with_padding ?? 0],
    more: [truth.hef_padding_size ?? 0, truth.additional_info_size ?? 0],
    checksum: truth.md5 ?? truth.xxh3 ?? crc,
    protoChecksum: truth.proto_xxh3,
    version: truth.hef_version,
    arch: truth.hw_arch.replace('PROTO__HW_ARCH__', ''),
    compiler: [truth.sdk_version_str, truth.version_field, truth.timestamp],
    extensions: truth.extensions,
    optionalExtensions: truth.optional_extensions,
    externalResources: [],
  }
}

function ofGroup({ streams, outputs, inputs, ...group }: HefNetworkGroup) {
  return {
    ...group,
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
    streams: streams.map(ofStream),
  }
}

function toGroupTruth(group: TruthGroup) {
  const networks = group.networks.map((name) => `${group.name}/${name}`)
  const toTruth = (direction: string) => (stream: TruthStream) => toStreamTruth(stream, direction, networks[0]!)
  return {
    name: group.name,
    networks,
    contexts: group.n_contexts,
    bottleneckFps: group.bottleneck_fps,
    latencySeconds: group.latency,
    inputs: group.inputs.map(({ name }) => name),
    outputs: group.sorted_outputs,
    streams: [...group.inputs.map(toTruth('input')), ...group.outputs.map(toTruth('output'))],
  }
}

function ofStream({ featureScales, featureZeroPoints, ...stream }: HefStream) {
  assert.is(featureZeroPoints.length, featureScales.length)
  return { ...stream, featureScales: featureScales.length }
}

const toStreamTruth = (stream: TruthStream, direction: string, network: string) => ({
  name: stream.name,
  direction,
  network,
  kind: 'layer',
  context: 0,
  parts: [],
  index: stream.sys_index,
  shape: stream.shape,
  paddedShape: stream.padded,
  order: ['NHWC', 'NHCW', 'NC', 'FCR'][stream.format],
  type: ['', 'uint8', 'uint16'][stream.data_bytes],
  isTransposed: stream.transposed,
  originalNames: stream.original_names,
  scale: stream.qp_scale,
  zeroPoint: stream.qp_zp,
  min: stream.limvals[0],
  max: stream.limvals[1],
  featureScales: stream.n_qp_scales,
  bytesPerBuffer: stream.core_bytes_per_buffer,
  buffersPerFrame: stream.core_buffers_per_frame,
})
