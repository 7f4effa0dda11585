import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withPellet } from '../support/pellet.ts'
import { testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, readJson, readShared, sharedFile } from './calls.ts'
import { assertNear } from './measure.ts'

interface Truth {
  mean: number[]
  std: number[]
  cases: Record<string, { latent: number[] }>
}

const tolerance = 1e-5
const temperature = 20
const tcn = suite('the public motion encoder')

testWithShared(
  tcn,
  'gives the latents of the reference, and motif scores by the centroids of the manifest',
  async () => {
    const { mean, std, cases } = readJson<Truth>(readShared('truth/tcn_latents.json'))
    const latents = Object.values(cases).map(({ latent }) => latent)
    // Twelve places around those where the windows of the reference lie.
    const centroids = Array.from({ length: 12 }, (_, k) =>
      latents[k % 3]!.map((value, i) => value + Math.sin(k * 7 + i) / 2),
    )
    const manifest = {
      function: 'tcn',
      model: { onnx: { name: 'tcn-vae', file: 'encoder.onnx', mean, std } },
      files: { centroids: 'centroids.json' },
      route: 'POST /infer',
      pre: [{ 'tcn.window': { field: 'x' } }],
      post: [{ 'tcn.answer': { temperature } }],
    }
    const files = {
      'functions/tcn.ts': ownFile('functions/tcn.ts'),
      'manifests/tcn.yaml': JSON.stringify(manifest),
      'models/encoder.onnx': sharedFile('models/tcn_encoder_for_edgeinfer.onnx'),
      'models/centroids.json': JSON.stringify(centroids),
    }
    await withPellet(files, [], async (pellet) => {
      for (const [name, { latent }] of Object.entries(cases)) {
        const answer = await jsonOf<{ latent: number[]; motif_scores: number[]; model: string }>(
          await pellet.post('/infer', { x: windowOf(name) }),
        )
        assert.is(answer.model, 'tcn-vae')
        assertNear(answer.latent, latent, tolerance, `${name} latent`)
        assertNear(answer.motif_scores, scoresOf(latent, centroids), tolerance, `${name} motif_scores`)
      }
    })
  },
)

testWithShared(tcn, 'is refused without centroids, with the reason and the way out', async () => {
  const { mean, std } = readJson<Truth>(readShared('truth/tcn_latents.json'))
  const files = {
    'functions/tcn.ts': ownFile('functions/tcn.ts'),
    'manifests/tcn.yaml': JSON.stringify({ model: { onnx: { file: 'encoder.onnx', mean, std } } }),
    'models/encoder.onnx': sharedFile('models/tcn_encoder_for_edgeinfer.onnx'),
  }
  await withPellet(files, [], async (pellet) => {
    const answer = await pellet.post('/infer', { x: windowOf('zeros') })
    const text = await answer.text()
    assert.is(answer.status, 404, `${text}\n${pellet.text()}`)
    assert.match(pellet.text(), /motif_scores.*centroids/)
  })
})

tcn.run()

// --- internal ---

/** A window of the reference by the name of its case: a file, or zeros in raw units. */
function windowOf(name: string): number[][] {
  if (name !== 'zeros') return readJson<{ x: number[][] }>(readShared(`tcn/${name}`)).x
  return Array.from({ length: 100 }, () => Array.from({ length: 9 }, () => 0))
}

/** exp(-|z - c|^2 / T) over their sum. */
function scoresOf(latent: number[], centroids: number[][]): number[] {
  const weights = centroids.map((row) =>
    Math.exp(-row.reduce((sum, value, i) => sum + (value - latent[i]!) ** 2, 0) / temperature),
  )
  const sum = weights.reduce((all, weight) => all + weight, 0)
  return weights.map((weight) => weight / sum)
}
