import { join } from 'node:path'
import { starterModel, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { answering, colourModel, identityModel } from '../deployments/tiny.ts'

/**
 * Deployments that keep their answers and count how often they run, which is in the answer.
 * @param gateUrl where a request with the field `who` waits
 */
export function keepingProject(gateUrl: string): ProjectFiles {
  const counting = `
    const run = ++runs
    const { who, fails, text } = request.fields
    if (who) await fetch('${gateUrl}?who=' + who)
    if (fails && run <= fails) throw new Error('not yet')
    return { run, pid: process.pid, text: text?.repeat(1000), top: context.options.top }`
  const head = 'let runs = 0'
  const input = `top: z.number().default(5)`
  return {
    'models/identity.onnx': identityModel(),
    'models/colour.onnx': colourModel(),
    'functions/keeps.ts': answering(counting, {
      manifest: `routes: { 'POST /v1/keeps': {}, 'POST /v1/other': {}, 'GET /v1/keeps': {} }, cache: true, errors: 'text'`,
      head,
      input,
    }),
    'functions/small.ts': answering(counting, { manifest: `cache: { ttl: '1h', max: '36KB' }`, head }),
    'functions/brief.ts': answering(counting, { manifest: `cache: { ttl: '100ms' }`, head }),
    'functions/late.ts': answering(counting, {
      manifest: `cache: true, limits: { timeout: '700ms', concurrency: 1 }`,
      head,
    }),
    'functions/forgets.ts': answering(counting, { head, input }),
    'functions/picture.ts': `
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
}

/** The function depth, with its starter model. */
export const keepingDepth: ProjectFiles = {
  'models/depth.onnx': starterModel('depth.onnx'),
  'functions/depth.ts': { from: join(projectRoot, 'functions/depth.ts') },
  'manifests/depth.yaml': 'cache: true\n',
}
