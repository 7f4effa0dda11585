import { starterModel, type ProjectFiles } from './pellet.ts'

/**
 * Statements that never give the thread back, as an endless loop does, and cost the other tests no processor time: from
 * outside, by the event loop and by signals, the two cannot be told apart.
 */
export const stuck = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`

/** Holds the thread for so many milliseconds, as a run does that calculates all the while. */
export const holdThread = (ms: string) => `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms})`

/** A step's code that takes as many milliseconds as the request says, and leaves the thread free. */
export const slow = `if (fields.ms) await new Promise((resolve) => setTimeout(resolve, fields.ms))`

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
