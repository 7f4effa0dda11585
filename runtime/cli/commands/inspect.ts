import { defineCommand } from 'citty'
import { sha256File } from '../../digest.ts'
import { readOnnxFile } from '../../engines/onnx-file.ts'
import { factsText, type Facts } from '../inspect/facts.ts'
import { onnxFacts } from '../inspect/onnx.ts'

export default defineCommand({
  meta: {
    name: 'inspect',
    description: 'Inputs, outputs, operators and parameters of a model file (.onnx, .hef); nothing has to run for it',
  },
  args: {
    model: { type: 'positional', description: 'The file', required: true },
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args }) {
    const facts = await readFacts(args.model)
    console.log(args.json ? JSON.stringify({ file: args.model, ...facts.json }, null, 2) : factsText(args.model, facts))
  },
})

// --- internal ---

/** A HEF is known by its name or by its first bytes; all else is taken for ONNX. */
async function readFacts(path: string): Promise<Facts> {
  const { isHefFile, readHefModel } = await import('../../engines/hef-file.ts')
  if (!/\.hef$/i.test(path) && !(await isHefFile(path))) return onnxFacts(await readOnnxFile(path))
  const { hefFacts } = await import('../inspect/hef.ts')
  return hefFacts(await readHefModel(path), await sha256File(path))
}
