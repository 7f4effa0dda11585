import { starterModel, type ProjectFiles } from './pellet.ts'

export interface FunctionParts {
  /** Over `route: POST /v1/NAME`, the starter motion model and the steps `start` and `end`. */
  manifest?: Record<string, unknown>
  /** Source at the head of the module: runs whenever it is imported. */
  module?: string
  /** Source inside the step before the model; sees `fields` (the JSON body) and `context`. */
  pre?: string
  /** Source inside the step behind the model; sees the same `context`. */
  post?: string
}

/**
 * The source of a function file that is as cheap as one can be: a constant window for a model of 0.2 MB. It answers
 * `{ ok: true, pid }`, unless its parts make it do something else.
 */
export function functionSource(name: string, { manifest = {}, module = '', pre = '', post = '' }: FunctionParts = {}) {
  const full = { route: `POST /v1/${name}`, model: { onnx: 'tcn.onnx' }, pre: ['start'], post: ['end'], ...manifest }
  return `
import { defineFunction, step } from 'pellet'
${module}
export default defineFunction({
  manifest: ${JSON.stringify(full)},
  steps: {
    start: step.request(async ({ fields }, context) => {
      ${pre}
      return { imu_window: { type: 'float32', dims: [1, 100, 9], data: new Float32Array(900) } }
    }),
    end: step.outputs(async (out, context) => {
      ${post}
      return { ok: true, pid: process.pid }
    }),
  },
})
`
}

/** A project of such functions, by name. */
export function functionProject(functions: Record<string, FunctionParts>): ProjectFiles {
  const files: ProjectFiles = { 'models/tcn.onnx': starterModel('tcn.onnx') }
  for (const [name, parts] of Object.entries(functions)) files[`functions/${name}.ts`] = functionSource(name, parts)
  return files
}
