// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { About } from '../../runtime/http/admin.ts'
import { runHere } from '../support/cli.ts'
import { toHefProto } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { createProject, RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { simulatedOutputs } from '../support/sim-hash.ts'
import { SimControl, simulatedFiles, testWithSim, type SimSettings } from '../support/sim.ts'
import { colourModel } from './tiny.ts'

/** Pictures of 4 x 4 to `n/row`, 6 bytes. @param arch 1: Hailo-8, 103: Hailo-10H */
const hef = (arch: number, side = 4) =>
  toHef(
    3,
    toHefProto({
      arch,
      groups: [
        {
          name: 'n',
          edges: [
            { layer: { name: 'n/picture', shape: [side, side, 3], scale: 1, zeroPoint: 0 } },
            { layer: { name: 'n/row', shape: [1, 1, 6], format: 2 }, isOutput: true },
          ],
          sortedOutputs: ['n/row'],
        },
      ],
    }),
  )

const functionText = `
import { defineFunction, step } from 'pellet'
export default defineFunction({
  steps: {
    pixels: step.request(() => ({ 'n/picture': { type: 'uint8', dims: [1, 4, 4, 3], data: new Uint8Array(48).fill(9) } })),
    row: step.outputs({ check: ({ model }) => {
      if (model.outputs.length !== 1) throw new Error('row: expected one output')
    } }, (out) => {
      const [tensor] = Object.values(out)
      return { row: [...tensor.data], quant: tensor.quant ?? null }
    }),
  },
})
`
const pictures = 'pre: [image.decode, image.resize, tensor]\npost: [row]\nfunction: rows\n'
const plain = 'pre: [pixels]\npost: [row]\nfunction: rows\n'
/** The same shapes on the CPU, without steps for pictures, which take longer to load. */
const plainModel = toOnnx({
  inputs: [{ name: 'n/picture', type: 'uint8', shape: [1, 4, 4, 3] }],
  outputs: [{ name: 'n/row', type: 'uint8', shape: [1, 4, 4, 3] }],
  nodes: [{ op: 'Identity', inputs: ['n/picture'], outputs: ['n/row'] }],
})
const project: ProjectFiles = {
  'models/h8.hef': hef(1),
  'models/h10.hef': hef(103),
  'models/wide.hef': hef(1, 8),
  'models/colour.onnx': colourModel(),
  'models/plain.onnx': plainModel,
  'functions/rows.ts': functionText,
  'manifests/npu.yaml': `model: { hef: { hailo8: h8.hef }, onnx: plain.onnx }
pre: [pixels]
post: [row]
function: rows
status: { GET /device: { engine: $engine, device: $device, model: $model } }
`,
  'manifests/other-chip.yaml': `model: { hef: { hailo10h: h10.hef }, onnx: plain.onnx }\n${plain}`,
  'manifests/not-there.yaml': `model: { hef: { hailo8: { file: gone.hef, url: "https://a.example/gone.hef" } }, onnx: plain.onnx }\n${plain}`,
  'manifests/by-order.yaml': `model: { engine: onnxruntime, hef: { hailo8: h8.hef }, onnx: plain.onnx }\n${plain}`,
  'manifests/npu-alone.yaml': `model: { hef: { hailo8: h8.hef } }\n${plain}`,
  'manifests/alone.yaml': `model: { hef: { hailo10h: h10.hef } }\n${pictures}`,
}

const test = suite('a Pellet with an NPU')
const sim = new SimControl({ frame_us: 0 })
let pellet: RunningPellet | undefined

test.before(async () => {
  const folder = createProject({ ...project, ...(await simulatedFiles()) })
  if (Object.keys(await simulatedFiles()).length > 0) pellet = await RunningPellet.start(folder, [], sim.env)
})
test.after(async () => {
  await pellet?.stop()
})

const [row] = simulatedOutputs([{ name: 'n/row', bytes: 6, type: 'uint8' }], [new Uint8Array(48).fill(9)])
const cli = (args: string[], env: Record<string, string> = {}) => runHere(pellet!.folder, args, env)

testWithSim(test, 'runs a HEF on it, and every answer and listing says what ran', async () => {
  const answer = await pellet!.post('/v1/npu', {})
  assert.equal(await answer.json(), { row: [...row!], quant: { scale: 0.5, zeroPoint: 7 } })
  assert.is(answer.headers.get('x-pellet-engine'), 'simulated')
  assert.match(answer.headers.get('server-timing')!, /infer;dur=\d/)
  const status = await (await pellet!.fetch('/f/npu/device')).json()
  assert.equal(status, { engine: 'simulated', device: 'hailo8', model: 'h8' })
  const about = (await pellet!.admin('GET', '/api/about')) as About
  assert.equal(
    [about.engines, about.chips],
    [
      ['onnxruntime', 'hailort'],
      ['hailo8', 'hailo8l'],
    ],
  )
  assert.equal(about.npu, { is_usable: true, kind: 'simulated', chip: 'hailo8', library: '4.23.0', firmware: '4.23.0' })
})

testWithSim(test, 'falls back to the CPU where it has to, and says why in the log and in ps', async () => {
  const gone =
    'falls back to ONNX Runtime on the CPU: models/gone.hef is not there; get it: pellet pull not-there@hailo8'
  const other =
    'falls back to ONNX Runtime on the CPU: expected an entry for hailo8, the chip of this machine, found hailo10h'
  const rows = JSON.parse((await cli(['ps', '--json'])).stdout) as { name: string; engine: string; fallback: unknown }[]
  assert.equal(Object.fromEntries(rows.map(({ name, engine, fallback }) => [name, [engine, fallback]])), {
    'by-order': ['onnxruntime', null],
    'not-there': ['onnxruntime', gone],
    npu: ['simulated', null],
    'npu-alone': ['simulated', null],
    'other-chip': ['onnxruntime', other],
  })
  const { stdout } = await cli(['ps'])
  for (const line of [`not-there: ${gone}`, `other-chip: ${other}`])
    assert.ok(stdout.split('\n').includes(line), stdout)
  const logged = pellet!.log.filter(({ msg }) => msg.startsWith('falls back'))
  assert.equal(logged.map(({ deployment, msg }) => [deployment, msg]).sort(), [
    ['not-there', gone],
    ['other-chip', other],
  ])
})

testWithSim(test, 'refuses a HEF for another chip alone, and serves the rest', async () => {
  const refused = pellet!.log.filter(({ level }) => level === 'error').map(({ msg }) => msg)
  assert.equal(refused, [
    'manifests/alone.yaml:1:15 model.hef: expected an entry for hailo8, the chip of this machine, found hailo10h; give an onnx entry as well to run it on the CPU',
  ])
})

testWithSim(test, 'deploys a HEF to it, which moves to the CPU and back as the NPU goes and comes', async () => {
  const source = createProject({
    ...project,
    'manifests/sent.yaml': `model: { hef: { hailo8: h8.hef, hailo10h: h10.hef }, onnx: colour.onnx }
${pictures}`,
  })
  const { code, stdout, stderr } = await runHere(source, ['deploy', 'manifests/sent.yaml'], {
    PELLET_SOCKET: `${pellet!.folder}/.pellet/pellet.sock`,
  })
  assert.is(code, 0, stdout + stderr)
  assert.match(stderr, /models\/h10\.hef stays here: it is for hailo10h, and the target has hailo8, hailo8l/)
  const [before] = await listed('sent')
  assert.equal([before!.engine, before!.model], ['simulated', 'h8'])
  const hangUp = async (settings: SimSettings) => {
    const reloaded = () => pellet!.log.filter(({ msg }) => msg.startsWith('reloaded')).length
    const before = reloaded()
    sim.set({ frame_us: 0, ...settings })
    pellet!.child.kill('SIGHUP')
    await pellet!.logged(() => reloaded() > before)
    return (await listed('sent'))[0]!
  }
  const without = await hangUp({ device: 'absent' })
  assert.equal([without.engine, without.model, without.revision], ['onnxruntime', 'colour', before!.revision])
  // What has no other model stays as it was, and is told at once why it cannot be loaded.
  const refused = await pellet!.post('/v1/npu-alone', {})
  assert.equal([refused.status, refused.headers.get('retry-after')], [503, '1'])
  assert.match(await refused.text(), /"device_unavailable".*the NPU cannot be used: no NPU is free: none is there/)
  const again = await hangUp({})
  assert.equal([again.engine, again.revision], ['simulated', before!.revision])
})

test('is not needed to look at every HEF: steps that expect other shapes are refused', async () => {
  const folder = createProject({
    ...project,
    'manifests/wide.yaml': `model: { hef: { hailo8: h8.hef, hailo10h: h10.hef } }\n${pictures.replace(', image.resize', '')}`,
    'manifests/second.yaml': `model: { hef: { hailo8: wide.hef, hailo10h: h10.hef }, onnx: colour.onnx }
pre: [image.decode, image.resize, fits]
post: [row]
`,
    'functions/second.ts': `
import { defineFunction, step } from 'pellet'
export default defineFunction({
  steps: {
    fits: step.image({ to: 'tensors', check: ({ model }) => {
      const { name, shape } = model.inputs[0]
      if (shape.includes(4)) throw new Error('expected 8 x 8, found ' + name + ' of ' + shape)
    } }, () => ({})),
    row: step.outputs(() => ({})),
  },
})
`,
  })
  const { code, stderr } = await runHere(folder, ['validate', 'manifests/alone.yaml', 'manifests/second.yaml'], {
    PELLET_HAILORT: 'off',
  })
  assert.is(code, 1)
  assert.match(stderr, 'alone: does not run on this machine: the setting hailort is off')
  assert.match(
    stderr,
    /manifests\/second\.yaml:2:\d+ pre\[2\]: with h10\.hef: fits: expected 8 x 8, found n\/picture of 1,4,4,3/,
  )
})

test.run()

// --- internal ---

interface Listed {
  name: string
  engine: string | null
  model: string | null
  revision: string | null
}

async function listed(name: string): Promise<Listed[]> {
  const rows = (await pellet!.admin('GET', '/api/deployments')) as Listed[]
  return rows.filter((one) => one.name === name)
}
