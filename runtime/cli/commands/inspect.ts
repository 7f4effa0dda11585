import { defineCommand } from 'citty'
import { readOnnxFile } from '../../engines/onnx-file.ts'
import { factsText } from '../inspect/facts.ts'
import { onnxFacts } from '../inspect/onnx.ts'

export default defineCommand({
  meta: {
    name: 'inspect',
    description: 'Inputs, outputs, operators and parameters of a model file (.onnx); nothing has to run for it',
  },
  args: {
    model: { type: 'positional', description: 'The file', required: true },
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const facts = onnxFacts(await readOnnxFile(args.model))
    console.log(args.json ? JSON.stringify({ file: args.model, ...facts.json }, null, 2) : factsText(args.model, facts))
  },
})
