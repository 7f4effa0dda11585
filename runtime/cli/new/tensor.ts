import type { TensorInfo } from '../../engines/engine.ts'
import type { TensorType } from '../../tensor.ts'
import { CliError } from '../cli-error.ts'
import { key, member, pixelLines, quoted, sizedStep, type Draft, type Task } from './draft.ts'
import { valuesText, type ModelShape } from './model.ts'
import { fallbackSide, pictureOf } from './shapes.ts'

/** A model as it is: numbers in, or a picture where it takes one, and numbers out. @throws CliError for float16 inputs */
export function tensorDraft(task: Task & { model: ModelShape }): Draft {
  const { model } = task
  const picture = pictureOf(model)
  const half = model.inputs.find(({ type }) => type === 'float16')
  if (!picture && half)
    throw new CliError(
      `tensor: expected inputs of float32 or whole numbers, found ${valuesText([half])}; export it with float32 inputs`,
    )
  const isReal = model.inputs.every(({ quant }) => quant)
  return {
    summary: picture
      ? 'A picture through the model, and what comes out'
      : 'Numbers through the model, and what comes out',
    imports: {
      values: [
        'defineFunction',
        ...(picture ? [] : ['PelletError']),
        'step',
        ...(model.outputs.every(({ type }) => isLong(type)) ? [] : ['toFloat32']),
        ...(picture || !model.inputs.some(({ quant }) => quant) ? [] : ['toTensor']),
      ],
      types: picture || isReal ? [] : ['Tensor'],
    },
    source: `export default defineFunction({
  steps: {
${picture ? '' : readStep(model.inputs)}    // The last step of post: what it returns is the answer. Data lie in rows: the last dimension's values side by side.
    answer: step.outputs((out, { model, elapsedMs }) => ({
${model.outputs.map((output) => `      ${answerKey(model, output)}: { shape: ${outputOf(model, output)}!.dims, data: ${dataOf(model, output)} },`).join('\n')}
      model: model.entry.name,
      ms: Math.round(elapsedMs()),
    })),
  },
})${picture ? '' : `\n\n// --- internal ---\n\n${readers(model.inputs).join('\n\n')}`}`,
    manifest: {
      entry: picture ? pixelLines(picture, { mean: 0, std: 255, takers: 'many models' }, task) : [],
      pre: picture ? `[image.decode, ${sizedStep('image.resize', picture, fallbackSide)}, tensor]` : '[read]',
      post: '[answer]',
    },
    test: {
      title: 'gives tensors of the shapes that the model file says',
      body: picture
        ? 'picture'
        : {
            json: jsonOf(model.inputs),
            example: `{ ${model.inputs.map((input) => `${key(input.name)}: Array(${countOf(input)}).fill(0)`).join(', ')} }`,
          },
      checks: model.outputs.flatMap((output) => checksOf(model, output)),
    },
  }
}

// --- internal ---

const isLong = (type: TensorType) => type === 'int64' || type === 'uint64'

/** What carries each type, and which numbers it takes. */
const carriers: Partial<Record<TensorType, { array: string; isGood: string; convert?: string }>> = {
  float32: { array: 'Float32Array', isGood: 'Number.isFinite' },
  float64: { array: 'Float64Array', isGood: 'Number.isFinite' },
  int64: { array: 'BigInt64Array', isGood: 'Number.isSafeInteger', convert: 'BigInt' },
  uint64: { array: 'BigUint64Array', isGood: 'Number.isSafeInteger', convert: 'BigInt' },
  int32: { array: 'Int32Array', isGood: 'Number.isInteger' },
  uint32: { array: 'Uint32Array', isGood: 'Number.isInteger' },
  int16: { array: 'Int16Array', isGood: 'Number.isInteger' },
  uint16: { array: 'Uint16Array', isGood: 'Number.isInteger' },
  int8: { array: 'Int8Array', isGood: 'Number.isInteger' },
  uint8: { array: 'Uint8Array', isGood: 'Number.isInteger' },
  bool: { array: 'Uint8Array', isGood: '(value) => value === 0 || value === 1' },
}

function readStep(inputs: readonly TensorInfo[]): string {
  const lines = inputs.map(({ name, type, shape, quant }, i) => {
    const dims = wantedDims(shape)
    const read = (reader: string, size: string) => `${reader}(${quoted(name)}, ${size}, ${member('fields', name)})`
    const tensor = quant
      ? `toTensor(model.inputs[${i}]!, ${read('realNumbers', String(dims.reduce((all, size) => all * size, 1)))})`
      : read(`${type}Tensor`, `[${dims.join(', ')}]`)
    return `      ${key(name)}: ${tensor},`
  })
  const context = inputs.some(({ quant }) => quant) ? ', { model }' : ''
  return `    // The first step of pre: fields of the JSON body become the model's inputs.
    read: step.request(({ fields }${context}) => ({
${lines.join('\n')}
    })),

`
}

/** Of dimensions that are free the last is told by how many numbers there are, as 0; the others are 1. */
function wantedDims(shape: TensorInfo['shape']): number[] {
  const last = shape.findLastIndex((size) => typeof size === 'string')
  return shape.map((size, axis) => (typeof size === 'number' ? size : axis === last ? 0 : 1))
}

/** What reads each kind of input. */
function readers(inputs: readonly TensorInfo[]): string[] {
  const types = new Set(inputs.filter(({ quant }) => !quant).map(({ type }) => type))
  const isAnyReal = inputs.some(({ quant }) => quant)
  return [...(isAnyReal ? [realNumbers] : []), ...Array.from(types, (type) => reader(type, inputs))]
}

/** For inputs of a HEF, which are quantised. */
const realNumbers = `/** A list of numbers, nested or not; toTensor quantises them for the HEF. */
function realNumbers(name: string, count: number, value: unknown): Float32Array {
  const numbers = [value].flat(Infinity) as number[]
  const found = JSON.stringify(value)?.slice(0, 80)
  if (numbers.length !== count || !numbers.every(Number.isFinite))
    throw new PelletError('invalid_input', \`\${name}: expected \${count} numbers, found \${found}\`)
  return Float32Array.from(numbers)
}`

function reader(type: TensorType, inputs: readonly TensorInfo[]): string {
  const { array, isGood, convert } = carriers[type]!
  const isFree = inputs.some((input) => input.type === type && input.shape.some((size) => typeof size === 'string'))
  const data = convert ? `${array}.from(numbers, ${convert})` : `${array}.from(numbers)`
  if (!isFree)
    return `/** A list of numbers, nested or not, as a tensor. */
function ${type}Tensor(name: string, dims: number[], value: unknown): Tensor {
  const numbers = [value].flat(Infinity) as number[]
  const count = dims.reduce((product, size) => product * size, 1)
  const found = JSON.stringify(value)?.slice(0, 80)
  if (numbers.length !== count || !numbers.every(${isGood}))
    throw new PelletError('invalid_input', \`\${name}: expected \${count} numbers, found \${found}\`)
  return { type: '${type}', dims, data: ${data} }
}`
  return `/** A list of numbers, nested or not, as a tensor; how many there are tells the dimension that is free, written as 0. */
function ${type}Tensor(name: string, shape: number[], value: unknown): Tensor {
  const numbers = [value].flat(Infinity) as number[]
  const unit = shape.reduce((product, size) => product * (size || 1), 1)
  const isWhole = shape.includes(0) ? numbers.length % unit === 0 : numbers.length === unit
  const found = JSON.stringify(value)?.slice(0, 80)
  if (numbers.length === 0 || !isWhole || !numbers.every(${isGood}))
    throw new PelletError('invalid_input', \`\${name}: expected numbers for [\${shape.join(', ')}], found \${found}\`)
  const dims = shape.map((size) => size || numbers.length / unit)
  return { type: '${type}', dims, data: ${data} }
}`
}

/** As ONNX the network of a HEF has other names: one output needs none. */
function isUnnamed({ chip, outputs }: ModelShape): boolean {
  return chip !== undefined && outputs.length === 1
}

function answerKey(model: ModelShape, { name }: TensorInfo): string {
  return isUnnamed(model) ? 'output' : key(name)
}

function outputOf(model: ModelShape, { name }: TensorInfo): string {
  return isUnnamed(model) ? 'Object.values(out)[0]' : member('out', name)
}

function dataOf(model: ModelShape, output: TensorInfo): string {
  const tensor = outputOf(model, output)
  return isLong(output.type) ? `Array.from(${tensor}!.data, Number)` : `toFloat32(${tensor})`
}

/** How many numbers the test sends: one batch, and eight where something else is free. */
function countOf({ shape }: TensorInfo): number {
  const isBatch = (size: string, axis: number) => axis === 0 || /batch/i.test(size)
  const dims = wantedDims(shape).map((size, axis) => size || (isBatch(String(shape[axis]), axis) ? 1 : 8))
  return dims.reduce((product, size) => product * size, 1)
}

/** On one line where there is one input, as the formatter would have it. */
function jsonOf(inputs: readonly TensorInfo[]): string {
  const fields = inputs.map((input) => `${key(input.name)}: ${generatedList(input)}`)
  return fields.length === 1 ? `{ ${fields[0]} }` : `{\n${fields.map((field) => `      ${field},\n`).join('')}    }`
}

function generatedList(input: TensorInfo): string {
  const value = input.quant || input.type.startsWith('float') ? 'Math.sin(i)' : 'i % 2'
  return `Array.from({ length: ${countOf(input)} }, (_, i) => ${value})`
}

function checksOf(model: ModelShape, { name, shape }: TensorInfo): string[] {
  const tensor = member('answer', isUnnamed(model) ? 'output' : name)
  if (shape.some((size) => typeof size === 'string'))
    return [`assert.equal(${tensor}.shape.length, ${shape.length})`, `assert.ok(${tensor}.data.length > 0)`]
  return [
    `assert.deepEqual(${tensor}.shape, [${shape.join(', ')}])`,
    `assert.equal(${tensor}.data.length, ${shape.reduce<number>((product, size) => product * Number(size), 1)})`,
  ]
}
