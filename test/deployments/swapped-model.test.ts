import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cpSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { withPellet } from '../support/pellet.ts'
import { answering, colourModel, identityModel } from './tiny.ts'

const test = suite('a model file that changes under a running Pellet')

test('is not loaded under the old revision; put back, or only touched, it is', () =>
  withPellet(
    {
      'models/identity.onnx': identityModel(),
      'models/keep.onnx': identityModel(),
      'models/other.onnx': colourModel(),
      'functions/one.ts': answering('return { ok: true }', { manifest: 'keep_alive: 0' }),
    },
    [],
    async (pellet) => {
      const model = join(pellet.folder, 'models/identity.onnx')
      assert.is((await pellet.post('/v1/one', {})).status, 200)
      cpSync(join(pellet.folder, 'models/other.onnx'), model)
      const refused = await pellet.post('/v1/one', {})
      assert.is(refused.status, 503)
      assert.is(refused.headers.get('x-pellet-error'), 'load_failed')
      const text = await refused.text()
      assert.match(text, /models\/identity\.onnx: expected the model that was deployed .*restart Pellet/)
      assert.not.match(text, pellet.folder)
      cpSync(join(pellet.folder, 'models/keep.onnx'), model)
      utimesSync(model, 1, 1)
      // `load` tries at once, whatever the back-off says.
      const { code, stderr } = await pellet.cli('load', 'one')
      assert.is(code, 0, stderr)
      assert.is((await pellet.post('/v1/one', {})).status, 200)
    },
  ))

test.run()
