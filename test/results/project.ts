import { join } from 'node:path'
import { starterModel, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { answering, colourModel, identityModel } from '../deployments/tiny.ts'

/**
 * Deployments that keep their answers and count how often they run, which is in the answer.
 * @param gateUrl where a request with the field `who` waits
 * @param names of those that are needed: each takes its time at the start
 */
export function keepingProject(gateUrl: string, names: string[]): ProjectFiles {
  const counting = `
    const run = ++runs
    const { who, fails, text } = request.fields
    if (who) await fetch('${gateUrl}?who=' + who)
    if (fails && run <= fails) throw new Error('not yet')
    return { run, pid: process.pid, text: text?.repeat(1000), top: context.options.top }`
  const head = 'let runs = 0'
  const input = `top: z.number().default(5)`
  const functions: ProjectFiles = {
    keeps: answering(counting, {
      manifest: `routes: { 'POST /v1/keeps': {}, 'POST /v1/other': {}, 'GET /v1/keeps': {} }, cache: true, errors: 'text'`,
      head,
      input,
    }),
    small: answering(counting, { manifest: `cache: { ttl: '1h', max: '36KB' }`, head }),
    brief: answering(counting, { manifest: `cache: { ttl: '100ms' }`, head }),
    late: answering(counting, {
      manifest: `cache: true, limits: { timeout: '700ms', concurrency: 1 }`,
      head,
    }),
    forgets: answering(counting, { head, input }),
    picture: `
import { defineFunction, step, withFormats, z } from 'pellet'
let runs = 0
export default defineFunction({
  manifest: {
    model: { onnx: 'colour.onnx' },
    pre: ['image.decode', 'image.resize', 'tensor'],
    post: [{ answer: { top: 2 } }],
    cache: { ttl: '1h' },
  },
  input: { top: z.number().default(5), word: z.string().default('') },
  steps: {
    answer: step.outputs((out, { options, source }) => {
      const answer = { run: ++runs, width: source.width, ...options }
      return withFormats({ 'application/json': () => answer, 'text/plain': () => Buffer.from(JSON.stringify(answer)) })
    }),
  },
})
`,
  }
  const chosen = names.map((name) => [`functions/${name}.ts`, functions[name]!] as const)
  return {
    'models/identity.onnx': identityModel(),
    'models/colour.onnx': colourModel(),
    ...Object.fromEntries(chosen),
  }
}

/** The function depth, with its starter model. */
export const keepingDepth: ProjectFiles = {
  'models/depth.onnx': starterModel('depth.onnx'),
  'functions/depth.ts': { from: join(projectRoot, 'functions/depth.ts') },
  'manifests/depth.yaml': 'cache: true\n',
}
