import { existsSync, readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arrayTypes } from '../../runtime/engines/check-inputs.ts'
import type { Engine, TensorInfo } from '../../runtime/engines/engine.ts'
import { PelletError } from '../../runtime/errors.ts'
import type { Tensor, TensorData, Tensors } from '../../runtime/tensor.ts'

/** A model whose answers can be computed in the test. */
export interface ModelCase {
  name: string
  file: string
  inputs: TensorInfo[]
  outputs: TensorInfo[]
  /** Sizes to try for each free dimension, one run each. */
  sizes?: Record<string, number>[]
  compute(inputs: Tensors): Tensors
}

export interface ConformanceOptions {
  engine: Engine
  models: {
    /** The first has an input with a fixed dimension. */
    cases: [ModelCase, ...ModelCase[]]
    /** Files that are no model of this engine, by what is wrong with them. */
    broken: Record<string, string>
  }
  /** Does the engine start threads of its own in this process? */
  ownThreads: boolean
}

/** What holds for every engine. Registers and runs one suite. */
export function engineConformance({ engine, models, ownThreads }: ConformanceOptions): void {
  const test = suite(`${engine.name} conformance`)
  const [first] = models.cases

  if (engine.name === 'onnxruntime') test('has a version', () => assert.match(engine.version ?? '', /^\d+\.\d+/))

  for (const model of models.cases) {
    test(`${model.name}: says what it takes and gives`, async () => {
      await using session = await opened(engine, model.file)
      assert.equal(session.inputs, model.inputs)
      assert.equal(session.outputs, model.outputs)
    })

    test(`${model.name}: answers right, and leaves its inputs as they were`, async () => {
      await using session = await opened(engine, model.file)
      for (const [seed, sizes] of (model.sizes ?? [{}]).entries()) {
        const inputs = toInputs(model.inputs, seed, sizes)
        const before = structuredClone(inputs)
        assertTensors(await session.run(inputs), model.compute(inputs))
        assert.equal(inputs, before)
      }
    })
  }

  for (const [what, { change, message }] of Object.entries(refusals(first))) {
    test(`refuses ${what}, by name, and goes on`, async () => {
      await using session = await opened(engine, first.file)
      const inputs = toInputs(first.inputs, 1, first.sizes?.[0])
      const error = await caught(session.run(change(inputs)))
      assert.is(error.code, 'invalid_input')
      assert.match(error.message, message)
      assert.is(error.details?.length, 1)
      assertTensors(await session.run(inputs), first.compute(inputs))
    })
  }

  test('names every input that is wrong', async () => {
    await using session = await opened(engine, first.file)
    const error = await caught(session.run({ stranger: toTensor(first.inputs[0] as TensorInfo, 0) }))
    const expected = [...first.inputs.map((info) => info.name), 'stranger']
    assert.equal(
      error.details?.map((detail) => detail.loc[0]),
      expected,
    )
  })

  test('keeps the answers of many concurrent runs apart, and serves them in order', async () => {
    await using session = await opened(engine, first.file)
    const order: number[] = []
    const runs = Array.from({ length: 40 }, async (_, seed) => {
      const inputs = toInputs(first.inputs, seed, first.sizes?.[seed % first.sizes.length])
      const outputs = await session.run(inputs)
      order.push(seed)
      assertTensors(outputs, first.compute(inputs))
    })
    await Promise.all(runs)
    assert.equal(
      order,
      [...order].toSorted((a, b) => a - b),
    )
  })

  test('keeps the sessions of one file apart', async () => {
    await using one = await opened(engine, first.file)
    const two = await engine.open(first.file)
    await two.release()
    const inputs = toInputs(first.inputs, 3, first.sizes?.[0])
    assertTensors(await one.run(inputs), first.compute(inputs))
  })

  test('gives outputs that stay valid after later runs and after release', async () => {
    const session = await engine.open(first.file)
    const inputs = toInputs(first.inputs, 5, first.sizes?.[0])
    const outputs = await session.run(inputs)
    const copy = structuredClone(outputs)
    for (let seed = 6; seed < 16; seed++) await session.run(toInputs(first.inputs, seed, first.sizes?.[0]))
    await session.release()
    assert.equal(outputs, copy)
  })

  const threads = 'starts as many threads as asked for'
  if (ownThreads && existsSync('/proc/self/task')) {
    test(threads, async () => {
      // The first session of a process may start threads that all sessions share.
      await using _warm = await opened(engine, first.file)
      const one = await threadsOf(() => engine.open(first.file))
      const four = await threadsOf(() => engine.open(first.file, { threads: 4 }))
      assert.is(one, 0, 'the default is one thread: the one that calls')
      assert.is(four, 3)
    })
  } else test.skip(threads)

  test('releases twice, after the runs under way, and refuses runs from then on', async () => {
    const session = await engine.open(first.file)
    const inputs = toInputs(first.inputs, 7, first.sizes?.[0])
    const done: string[] = []
    const run = session.run(inputs).then((outputs) => {
      done.push('run')
      return outputs
    })
    const releases = [session.release(), session.release()].map((release) => release.then(() => done.push('release')))
    const error = await caught(session.run(inputs))
    assert.match(error.message, /was released/)
    assertTensors(await run, first.compute(inputs))
    await Promise.all(releases)
    await session.release()
    assert.equal(done, ['run', 'release', 'release'])
  })

  for (const [what, file] of Object.entries(models.broken)) {
    test(`refuses a model file that is ${what}, and says what to do`, async () => {
      const error = await caught(engine.open(file))
      assert.is(error.code, 'load_failed')
      assert.ok(error.message.includes(basename(file)), error.message)
      assert.match(error.message, /(Check|Fetch|Name|Export|check|fetch|export) /)
      await using session = await opened(engine, first.file)
      assert.is(session.inputs.length, first.inputs.length)
    })
  }

  test.run()
}

/** A session that is released at the end of the block. */
export async function opened(engine: Engine, file: string) {
  const session = await engine.open(file)
  return Object.assign(session, { [Symbol.asyncDispose]: () => session.release() })
}

export function assertTensors(found: Tensors, expected: Tensors): void {
  assert.equal(Object.keys(found), Object.keys(expected))
  for (const [name, tensor] of Object.entries(expected)) {
    assert.is(found[name]?.type, tensor.type, name)
    assert.equal([...(found[name]?.dims ?? [])], [...tensor.dims], name)
    assert.is(found[name]?.data.constructor, arrayTypes[tensor.type], name)
    assert.equal(found[name]?.data, tensor.data, name)
    assert.equal(found[name]?.quant, tensor.quant, name)
  }
}

/** Settles with what a promise was rejected with; fails when it was not, or with something else than a PelletError. */
export async function caught(promise: Promise<unknown>): Promise<PelletError> {
  const error = await promise.then(
    () => assert.unreachable('expected an error, found none'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof PelletError)) throw error
  return error
}

// --- internal ---

function toInputs(infos: TensorInfo[], seed: number, sizes: Record<string, number> = {}): Tensors {
  return Object.fromEntries(infos.map((info, index) => [info.name, toTensor(info, seed * 31 + index * 7, sizes)]))
}

/** Small whole numbers, different for each seed, which every element type holds exactly (float16 as bits of 0..1). */
function toTensor({ type, shape }: TensorInfo, seed: number, sizes: Record<string, number> = {}): Tensor {
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] ?? 2)))
  const length = dims.reduce((product, size) => product * size, 1)
  const values = Array.from({ length }, (_, index) => (seed + index * 13) % (type === 'bool' ? 2 : 50))
  const array = arrayTypes[type] as unknown as { from(values: Iterable<unknown>): TensorData }
  const big = type === 'int64' || type === 'uint64'
  return { type, dims, data: array.from(big ? values.map(BigInt) : values) }
}

interface Refusal {
  change(inputs: Tensors): Tensors
  message: RegExp
}

function refusals({ inputs }: ModelCase): Record<string, Refusal> {
  const { name, type, shape } = inputs[0] as TensorInfo
  const fixed = shape.findIndex((dim) => typeof dim === 'number')
  const replace = (change: (tensor: Tensor) => Partial<Tensor>) => (inputs: Tensors) => {
    const tensor = inputs[name] as Tensor
    return { ...inputs, [name]: { ...tensor, ...change(tensor) } }
  }
  const named = (rest: string) => new RegExp(`^Input "${name}".*expected ${type} .*${rest}`)
  const refusals: Record<string, Refusal> = {
    'a missing input': {
      change: (inputs) => Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== name)),
      message: new RegExp(`^Input "${name}" is missing: expected ${type} `),
    },
    'an unknown input': {
      change: (inputs) => ({ ...inputs, stranger: inputs[name] as Tensor }),
      message: new RegExp(`There is no input "stranger": the model takes "${name}"`),
    },
    'another element type': {
      change: replace(({ data }) => ({ type: 'float64', data: Float64Array.from({ length: data.length }, () => 1) })),
      message: named(`found float64 .*must be ${type}, not float64`),
    },
    'data in another kind of array': {
      change: replace(({ data }) => ({ data: Float64Array.from({ length: data.length }, () => 1) })),
      message: named('carried in a .*, not in a Float64Array'),
    },
    'plain numbers': {
      change: replace(({ data }) => ({ data: Array.from(data as Uint8Array) as unknown as TensorData })),
      message: named('not in a Array'),
    },
    'a dimension too many': {
      change: replace(({ dims }) => ({ dims: [1, ...dims] })),
      message: named(`must have ${shape.length} dimensions, not ${shape.length + 1}`),
    },
    'another size of a fixed dimension': {
      change: replace(({ dims }) => ({ dims: dims.with(fixed, 999) })),
      message: named(`dimension ${fixed} must be ${shape[fixed]}, not 999`),
    },
    'more elements than its shape has': {
      change: replace(({ data }) => ({ data: longer(data) })),
      message: named('elements, and \\d+ are there'),
    },
  }
  const free = shape.findIndex((dim) => typeof dim === 'string')
  if (free < 0) return refusals
  for (const size of [0, -1, 1.5, Number.NaN]) {
    refusals[`a free dimension of ${size}`] = {
      change: replace(({ dims }) => ({ dims: dims.with(free, size) })),
      message: named(`dimension ${free} must be a whole number of at least 1, not ${size}`),
    }
  }
  return refusals
}

function longer(data: TensorData): TensorData {
  const array = data.constructor as new (length: number) => TensorData
  return new array(data.length + 1)
}

async function threadsOf(open: () => ReturnType<Engine['open']>): Promise<number> {
  const before = readdirSync('/proc/self/task').length
  const session = await open()
  const after = readdirSync('/proc/self/task').length
  await session.release()
  return after - before
}
