import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { sha256File } from '../digest.ts'
import { messageOf, PelletError } from '../errors.ts'
import { readMessage, type Field } from '../protobuf.ts'
import { readModelFile } from './model-bytes.ts'
import { GraphCounts } from './onnx-counts.ts'
import { readEntry, readValue, type OnnxValue } from './onnx-value.ts'

/** What an ONNX file says about its model. Sizes in bytes. */
export interface OnnxFile {
  sizeBytes: number
  sha256: string
  irVersion: number
  producer: string
  /** Of operators, by domain; that of ONNX itself is `ai.onnx`. */
  opsets: Record<string, number>
  graph: string
  inputs: readonly OnnxValue[]
  outputs: readonly OnnxValue[]
  /** How many nodes there are of each, the most frequent first; those in branches and loops count too. */
  operators: Record<string, number>
  /** Initialisers and constants. Bytes are what the elements take, wherever they are kept. */
  parameters: { count: number; bytes: number; byType: Record<string, number> }
  /** Files beside the model that hold weights; null: not there. */
  externalData: readonly { file: string; sizeBytes: number | null }[]
  metadata: Record<string, string>
}

/**
 * Reads an `.onnx` file without loading the model.
 * @throws PelletError `load_failed` where it is none, is damaged or ends too early
 */
export async function readOnnxFile(path: string): Promise<OnnxFile> {
  const bytes = await readModelFile(path, 'an ONNX model')
  const { external, ...model } = readModel(path, bytes)
  const externalData = []
  for (const file of external) {
    const found = await stat(join(dirname(resolve(path)), file)).catch(() => null)
    externalData.push({ file, sizeBytes: found?.size ?? null })
  }
  return { sizeBytes: bytes.length, sha256: await sha256File(path), ...model, externalData }
}

/** Paths, relative to its folder, of the files beside an `.onnx` file that hold weights. @throws PelletError as `readOnnxFile` */
export async function externalFilesOf(path: string): Promise<string[]> {
  return readModel(path, await readModelFile(path, 'an ONNX model')).external
}

// --- internal ---

// Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3

function readModel(path: string, bytes: Uint8Array) {
  const model = {
    irVersion: 0,
    producer: '',
    opsets: {} as Record<string, number>,
    graph: '',
    inputs: [] as OnnxValue[],
    outputs: [] as OnnxValue[],
    metadata: {} as Record<string, string>,
  }
  const seen = new GraphCounts()
  let hasGraph = false
  let producerVersion = ''
  try {
    readMessage(bytes, {
      1: (field) => (model.irVersion = field.int()),
      2: (field) => (model.producer = field.string()),
      3: (field) => (producerVersion = field.string()),
      7: (field) => {
        hasGraph = true
        field.message({
          ...seen.graphFields(),
          2: (inner) => (model.graph = inner.string()),
          11: (inner) => seen.keep(model.inputs, readValue(inner)),
          12: (inner) => seen.keep(model.outputs, readValue(inner)),
        })
      },
      8: (field) => {
        let [domain, version] = ['', 0]
        field.message({ 1: (inner) => (domain = inner.string()), 2: (inner) => (version = inner.int()) })
        model.opsets[domain || 'ai.onnx'] = version
        seen.count(domain)
      },
      14: (field) => {
        const [key, value] = readEntry(field)
        seen.count(key + value)
        model.metadata[key] = value
      },
      25: (field) => field.message({ 7: seen.node }),
    })
    if (!hasGraph) throw new Error('it has no graph')
    if (model.irVersion === 0) throw new Error('it has no IR version')
    if (model.outputs.length === 0) throw new Error('its graph has no output')
    if (Object.keys(model.opsets).length === 0) throw new Error('it names no opset')
    lookAgain(bytes, model)
  } catch (error) {
    const why = messageOf(error).replace('premature EOF', 'the file ends too early')
    const what = `${path}: expected an ONNX model, found something else or a damaged file: ${why}.`
    throw new PelletError('load_failed', `${what} Check its sha256 and fetch it again.`, { cause: error })
  }
  return {
    ...model,
    producer: `${model.producer} ${producerVersion}`.trim(),
    operators: seen.operatorsByCount(),
    parameters: seen.parameters,
    external: [...seen.external],
  }
}

/** Nodes and weights come before the inputs and outputs that they belong to: only a second look can tell. */
function lookAgain(bytes: Uint8Array, model: { irVersion: number; inputs: OnnxValue[]; outputs: OnnxValue[] }): void {
  const weights = new Set<string>()
  const inputs = new Set(model.inputs.map(({ name }) => name))
  const outputs = new Map(model.outputs.map((output) => [output.name, output]))
  const node = (field: Field) => {
    const own: OnnxValue[] = []
    let operator = ''
    field.message({
      2: (inner) => own.push(...[outputs.get(inner.string()) ?? []].flat()),
      4: (inner) => (operator = inner.string()),
    })
    for (const output of own) output.operator = operator
  }
  const tensor = (field: Field) =>
    field.message({
      8: (inner) => {
        const name = inner.string()
        if (inputs.has(name)) weights.add(name)
      },
    })
  readMessage(bytes, { 7: (field) => field.message({ 1: node, 5: tensor }) })
  // Old files list their weights among the inputs.
  if (model.irVersion < 4) model.inputs = model.inputs.filter(({ name }) => !weights.has(name))
}
