import { toText } from '../../engines/check-inputs.ts'
import type { OnnxFile } from '../../engines/onnx-file.ts'
import type { OnnxValue } from '../../engines/onnx-value.ts'
import { formatBytes } from '../../units.ts'
import { toColumns } from '../table.ts'
import type { Facts } from './facts.ts'

export function onnxFacts(model: OnnxFile): Facts {
  const { parameters, operators, externalData } = model
  const nodes = Object.values(operators).reduce((sum, count) => sum + count, 0)
  return {
    title: `ONNX model, ${formatBytes(model.sizeBytes)}`,
    rows: {
      inputs: toColumns(model.inputs.map(toCells)),
      outputs: toColumns(model.outputs.map(toCells)),
      graph: [model.graph],
      producer: [model.producer],
      version: [`IR ${model.irVersion}, ${counted(model.opsets, 'opset\u00a0')}`],
      parameters: [
        `${parameters.count.toLocaleString('en')} (${formatBytes(parameters.bytes)}): ${counted(parameters.byType)}`,
      ],
      operators: [`${nodes} nodes: ${counted(operators)}`],
      weights: externalData.map(({ file, sizeBytes }) =>
        sizeBytes === null
          ? `${file}: not there; the model cannot be loaded without`
          : `${file}, ${formatBytes(sizeBytes)}`,
      ),
      metadata: Object.entries(model.metadata).map(([key, value]) => `${key}: ${value}`),
      sha256: [model.sha256],
    },
    json: {
      format: 'onnx',
      size_bytes: model.sizeBytes,
      sha256: model.sha256,
      inputs: model.inputs,
      outputs: model.outputs,
      graph: model.graph,
      producer: model.producer,
      ir_version: model.irVersion,
      opsets: model.opsets,
      parameters: { count: parameters.count, size_bytes: parameters.bytes, by_type: parameters.byType },
      operators,
      external_data: externalData.map(({ file, sizeBytes }) => ({ file, size_bytes: sizeBytes })),
      metadata: model.metadata,
    },
  }
}

// --- internal ---

function toCells({ name, type, shape, operator }: OnnxValue): string[] {
  const text = shape === null ? `${type}, of any shape` : toText(type, shape)
  return [name, operator === undefined ? text : `${text} by ${operator}`]
}

/** With a space in each that no line is broken at. */
function counted(counts: Record<string, number>, word = ''): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name}\u00a0${word}${count.toLocaleString('en')}`)
    .join(', ')
}
