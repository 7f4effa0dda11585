import { suite } from 'uvu'
import { withPellet } from '../support/pellet.ts'
import { testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, readJson, readShared, sharedFile } from './calls.ts'
import { assertNear } from './measure.ts'

interface Truth {
  images: Record<string, { kps: number[][]; embeddings: { imagenet_rgb: { unit: number[] } } }>
  cosine: { imagenet_rgb: Record<string, Record<string, number>> }
}

const tolerance = 0.02
const embed = suite('a face recogniser as a function file')

testWithShared(embed, 'tells the people of the reference apart, by cosines like its own', async () => {
  const { images, cosine } = readJson<Truth>(readShared('truth/recognition.json'))
  const files = {
    'functions/embed.ts': ownFile('test/references/functions/embed.ts'),
    'models/mobilefacenet.onnx': sharedFile('models/mobilefacenet.onnx'),
  }
  await withPellet(files, [], async (pellet) => {
    const found: Record<string, number[]> = {}
    for (const [photo, { kps, embeddings }] of Object.entries(images)) {
      const form = new FormData()
      form.append('image', new Blob([new Uint8Array(readShared(`images/identities/${photo}`))]), photo)
      form.append('landmarks', JSON.stringify(kps))
      const answer = await pellet.fetch('/v1/embed', { method: 'POST', body: form })
      const { embedding } = await jsonOf<{ embedding: number[] }>(answer)
      found[photo] = embedding
      assertNear([dot(embedding, embeddings.imagenet_rgb.unit)], [1], tolerance, `${photo} and its own reference`)
    }
    for (const [one, row] of Object.entries(cosine.imagenet_rgb))
      for (const [other, expected] of Object.entries(row))
        assertNear([dot(found[one]!, found[other]!)], [expected], tolerance, `cosine of ${one} and ${other}`)
  })
})

embed.run()

// --- internal ---

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0)
}
