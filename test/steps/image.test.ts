import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { builtinSteps } from '../../runtime/steps/index.ts'
import type { Picture } from '../../runtime/steps/picture.ts'
import type { StepContext } from '../../runtime/steps/step.ts'
import type { Tensor } from '../../runtime/tensor.ts'
import { contextOf, failureOf, modelOf, noise, pixelAt, png, requestOf } from './fixture-steps.ts'

const images = suite('image')
const inputs = [{ name: 'x', type: 'float32' as const, shape: [1, 3, 24, 32] }]
const open = [{ name: 'x', type: 'float32' as const, shape: ['N', 3, 'H', 'W'] }]

async function decoded(width = 40, height = 30, context = contextOf({ inputs })): Promise<[Picture, StepContext]> {
  const picture = await builtinSteps['image.decode']!.run(requestOf(await png(noise(width, height))), context)
  return [picture as Picture, context]
}

async function run(name: string, options: object, width?: number, height?: number): Promise<Picture> {
  const [picture, context] = await decoded(width, height)
  context.options = { ...options }
  return (await builtinSteps[name]!.run(picture, context)) as Picture
}

const check = (name: string, options: object, model = modelOf({ inputs })) =>
  builtinSteps[name]!.check!({ options, model, files: {} })

images('the kinds follow each other', () => {
  const found = Object.fromEntries(
    Object.entries(builtinSteps).map(([name, { from, to }]) => [name, `${from} -> ${to}`]),
  )
  assert.equal(found, {
    'image.decode': 'request -> image',
    'image.resize': 'image -> image',
    'image.letterbox': 'image -> image',
    'image.crop': 'image -> image',
    tensor: 'image -> tensors',
    softmax: 'outputs -> outputs',
    l2: 'outputs -> outputs',
    topk: 'outputs -> result',
    argmax: 'outputs -> result',
    call: 'result -> result',
  })
})

images('decode waits until there is room for the pixels', async () => {
  const taken: number[] = []
  const takePixels = (count: number) => void taken.push(count)
  await decoded(40, 30, Object.assign(contextOf({ inputs }), { takePixels }))
  assert.equal(taken, [1200])
})

images('decode leaves the source in the context and keeps to limits.pixels', async () => {
  const [picture, context] = await decoded()
  assert.is(context.source, picture)
  context.limits = { pixels: 100 }
  assert.is((await failureOf(() => decoded(40, 30, context))).code, 'image_too_large')
})

images('decode takes pixels as they are, within limits.pixels', async () => {
  const context = contextOf({ inputs })
  const request = { ...requestOf(new Uint8Array(0)), pixels: noise(40, 30), image: () => assert.unreachable() as never }
  const picture = (await builtinSteps['image.decode']!.run(request, context)) as Picture
  assert.is(context.source, picture)
  assert.equal([picture.width, picture.height], [40, 30])
  assert.equal(await picture.pixels(), noise(40, 30))
  context.limits = { pixels: 100 }
  assert.is((await failureOf(() => builtinSteps['image.decode']!.run(request, context))).code, 'image_too_large')
})

images('decode hands on what the request itself refuses', async () => {
  const request = { ...requestOf(new Uint8Array(0)), image: () => Promise.reject(new RangeError('no picture there')) }
  const { message } = await failureOf(() => builtinSteps['image.decode']!.run(request, contextOf({ inputs })))
  assert.is(message, 'no picture there')
})

images('resize and letterbox take the model’s own size unless told', async () => {
  for (const name of ['image.resize', 'image.letterbox']) {
    for (const [options, size] of [
      [{}, [32, 24]],
      [{ width: 50 }, [50, 24]],
      [{ height: 9 }, [32, 9]],
      [{ width: 7, height: 8 }, [7, 8]],
    ] as const) {
      const picture = await run(name, options)
      assert.equal([picture.width, picture.height], size)
    }
  }
})

images('letterbox passes position, background and kernel on', async () => {
  const options = { width: 40, height: 40, position: 'top-left', background: [9, 8, 7], kernel: 'nearest' }
  const pixels = await (await run('image.letterbox', options)).pixels()
  assert.equal(pixelAt(pixels, 0, 0), pixelAt(noise(40, 30), 0, 0))
  assert.equal(pixelAt(pixels, 20, 29), pixelAt(noise(40, 30), 20, 29))
  assert.equal(pixelAt(pixels, 0, 30), [9, 8, 7])
})

images('a size that nothing tells is refused at deploy', async () => {
  for (const name of ['image.resize', 'image.letterbox']) {
    check(name, { width: 4, height: 4 }, modelOf({ inputs: open }))
    const { code, message } = await failureOf(() => check(name, { width: 4 }, modelOf({ inputs: open })))
    assert.is(code, 'invalid_manifest')
    assert.match(message, `${name}: expected the options width and height, since the model leaves the size of "x" open`)
    const motion = modelOf({ inputs: [{ name: 'imu', type: 'float32', shape: [1, 100, 9] }] })
    assert.match(
      (await failureOf(() => check(name, {}, motion))).message,
      `${name}: expected a model with an image input`,
    )
  }
})

images('crop by pixels', async () => {
  const pixels = await (await run('image.crop', { left: 3, top: 4, width: 5, height: 6 })).pixels()
  assert.equal([pixels.width, pixels.height], [5, 6])
  assert.equal(pixelAt(pixels, 1, 2), pixelAt(noise(40, 30), 4, 6))
  const { code, message } = await failureOf(() => run('image.crop', { left: 38, width: 5, height: 6 }))
  assert.is(code, 'invalid_input')
  assert.match(message, 'expected a picture of at least 43 x 6 pixels, found 40 x 30')
})

images('crop by a fraction stays in the middle', async () => {
  const picture = await run('image.crop', { center: 0.91 }, 332, 250)
  assert.equal([picture.width, picture.height], [302, 228])
  assert.equal(picture.toSource(0, 0), [15, 11])
  const tiny = await run('image.crop', { center: 0.001 }, 4, 4)
  assert.equal([tiny.width, tiny.height], [1, 1])
})

images('crop options that say nothing, or two things, are refused at deploy', async () => {
  check('image.crop', { center: 0.5 })
  check('image.crop', { width: 5, height: 5 })
  for (const options of [{}, { width: 5 }, { left: 1, top: 1 }, { center: 0.5, width: 5, height: 5 }]) {
    const { code, message } = await failureOf(() => check('image.crop', options))
    assert.is(code, 'invalid_manifest')
    assert.match(message, /^image.crop: expected the options width and height .*, found /)
  }
})

images('options are validated by their shapes', () => {
  const cases: [string, object[]][] = [
    ['image.resize', [{ width: 0 }, { width: 1.5 }, { height: '9' }, { kernel: 'area' }, { width: 100_000 }]],
    ['image.letterbox', [{ position: 'left' }, { background: 256 }, { background: [1, 2] }, { background: -1 }]],
    ['image.crop', [{ left: -1 }, { width: 0 }, { center: 0 }, { center: 1.1 }]],
    ['tensor', [{ input: '' }, { input: 3 }]],
  ]
  for (const [name, wrong] of cases) {
    const shape = z.object(builtinSteps[name]!.options)
    assert.ok(shape.safeParse({}).success)
    for (const options of wrong) assert.not.ok(shape.safeParse(options).success, `${name} ${JSON.stringify(options)}`)
  }
})

images('crop, letterbox and tensor in a row carry the geometry to the end', async () => {
  const [picture, context] = await decoded(64, 64)
  let value: unknown = picture
  for (const [name, options] of [
    ['image.crop', { left: 16, top: 8, width: 32, height: 48 }],
    ['image.letterbox', {}],
    ['tensor', {}],
  ] as const) {
    context.options = { ...options }
    value = await builtinSteps[name]!.run(value as never, context)
  }
  assert.equal((value as Record<string, Tensor>)['x']!.dims, [1, 3, 24, 32])
  // 32 x 48 into 32 x 24: 16 x 24 in the middle.
  assert.equal(context.input!.toSource(8, 0), [16, 8])
  assert.equal(context.input!.toSource(24, 24), [48, 56])
  assert.is(context.input!.source, context.source)
})

images.run()
