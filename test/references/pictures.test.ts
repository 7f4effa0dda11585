import { readdirSync } from 'node:fs'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { starterModel, withPellet } from '../support/pellet.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, postBytes, readShared, type DepthAnswer } from './calls.ts'

const broken: Record<string, RegExp> = {
  'truncated.jpg': /a whole JPEG picture, found a damaged one: .*premature end/i,
  'corrupt_header.jpg': /a whole JPEG picture, found a damaged one: .*premature end/i,
}
const files = {
  'functions/depth.ts': ownFile('functions/depth.ts'),
  'manifests/depth.yaml': ownFile('manifests/depth.yaml'),
  'models/depth.onnx': starterModel('depth.onnx'),
  'models/samples/room_1.jpg': starterModel('samples/room_1.jpg'),
}
const route = '/v1/depth/estimate?output_format=image'
const pictures = suite('pictures of all kinds')

testWithShared(
  pictures,
  'whole ones get a map of the size they are shown in, broken ones a 400 that says why',
  async () => {
    const names = readdirSync(sharedData('images')!, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.\w+$/.test(name),
    )
    const refused: string[] = []
    await withPellet(files, [], async (pellet) => {
      for (const name of names) {
        const bytes = readShared(`images/${name}`)
        const answer = await postBytes(pellet, route, bytes)
        const reason = broken[name]
        if (reason) {
          refused.push(name)
          const text = await answer.text()
          assert.is(answer.status, 400, `${name}: ${text}`)
          console.log(name, text)
          const { error } = JSON.parse(text) as { error: { message: string; type: string } }
          assert.match(error.message, reason, name)
          assert.is(error.type, 'invalid_request', name)
          continue
        }
        const { width, height } = (await sharp(bytes).metadata()).autoOrient
        const { input_shape, depth_shape, depth_image } = await jsonOf<DepthAnswer>(answer)
        assert.equal(
          [input_shape, depth_shape],
          [
            [height, width, 3],
            [height, width],
          ],
          name,
        )
        const image = await sharp(Buffer.from(depth_image!, 'base64')).metadata()
        assert.equal([image.format, image.width, image.height, image.channels], ['png', width, height, 3], name)
      }
      assert.equal(refused.sort(), Object.keys(broken).sort())
      assert.is((await pellet.ps())['depth']!.loads, 1)
    })
  },
)

pictures.run()
