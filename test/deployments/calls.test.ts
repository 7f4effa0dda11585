import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { callSteps, resolveCalls } from '../../runtime/deployments/calls.ts'
import type { Compilation, Deployment, FailedSource } from '../../runtime/deployments/deployment.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import type { StepInput } from '../../runtime/manifest/schema.ts'
import { deploymentOf } from './tiny.ts'

const test = suite('calls of other deployments')

type Use = string | { deployment: string; route?: string }

/** A deployment that calls these, one step each, written in line 1, 2, ... of its manifest. */
function caller(name: string, ...uses: Use[]): Deployment {
  const post: StepInput[] = uses.map((use) => ({ call: typeof use === 'string' ? { deployment: use } : use }))
  const routes = { [`POST /v1/${name}`]: post, 'GET /v1/second': [] as StepInput[] }
  const calls = uses.map((_, index) => `${name}.yaml:${index + 1}:1 post[${index}]`)
  return deploymentOf({ name, routes }, { calls })
}

const missing = (name: string): FailedSource => ({
  name,
  origin: {},
  problems: ['told already'],
  missing: { deployment: name, files: [{ file: 'models/a.onnx' }] },
})
const refused = (name: string): FailedSource => ({ name, origin: {}, problems: ['told already'] })

function resolve(deployments: Deployment[], failures: FailedSource[] = []) {
  const before = structuredClone(deployments)
  const resolved = resolveCalls({ deployments, failures })
  assert.equal(deployments, before, 'what was compiled is left as it was')
  assert.equal(resolved.failures.slice(0, failures.length), failures)
  return resolved
}

const namesOf = ({ deployments }: Compilation) => deployments.map(({ name }) => name)
const problemsOf = ({ failures }: Compilation) =>
  Object.fromEntries(failures.filter(({ problems }) => problems[0] !== 'told already').map((f) => [f.name, f.problems]))

test('are found in every route, in order', () => {
  const call = (deployment: string): StepInput => ({ call: { deployment } })
  const { manifest } = normalizeManifest(
    { model: { onnx: 'a.onnx' }, post: ['x', call('a')], routes: { 'POST /1': {}, 'POST /2': [call('b'), call('c')] } },
    { name: 'x' },
  )
  assert.equal(
    callSteps(manifest!).map(({ route, step, options }) => [route, step, options['deployment']]),
    [
      [0, 1, 'a'],
      [1, 0, 'b'],
      [1, 1, 'c'],
    ],
  )
})

test('go to the route that is named, else to the first, and are told once each', () => {
  const second = { deployment: 'b', route: 'GET /v1/second' }
  const resolved = resolve([caller('a', 'b', second, 'b', second), caller('b')])
  assert.equal(problemsOf(resolved), {})
  assert.equal(resolved.deployments[0]!.calls, [
    { deployment: 'b', method: 'POST', path: '/v1/b' },
    { deployment: 'b', method: 'GET', path: '/v1/second' },
  ])
  assert.equal(resolved.deployments[1]!.calls, [])
})

test('lead somewhere', () => {
  const resolved = resolve([caller('faces', 'arcfase', 'x'), caller('arcface')])
  assert.equal(problemsOf(resolved), {
    faces: [
      'faces.yaml:1:1 post[0]: expected a deployment (arcface), found "arcfase"; did you mean arcface?',
      'faces.yaml:2:1 post[1]: expected a deployment (arcface), found "x"',
    ],
  })
  assert.equal(namesOf(resolved), ['arcface'])
  assert.equal(problemsOf(resolve([caller('a', 'b')])), { a: ['a.yaml:1:1 post[0]: expected a deployment, found "b"'] })
})

test('name a route that is there', () => {
  const resolved = resolve([caller('a', { deployment: 'b', route: 'POST /v1/bb' }), caller('b')])
  assert.equal(problemsOf(resolved), {
    a: [
      'a.yaml:1:1 post[0]: expected a route of b (POST /v1/b, GET /v1/second), found "POST /v1/bb"; did you mean POST /v1/b?',
    ],
  })
})

test('end: a ring is refused with all who are in it and all who call them, and nobody else', () => {
  const resolved = resolve([
    caller('a', 'b'),
    caller('b', 'x', 'c'),
    caller('c', 'a'),
    caller('into', 'x', 'b'),
    caller('far', 'into'),
    caller('self', 'self'),
    caller('x'),
  ])
  assert.equal(namesOf(resolved), ['x'])
  assert.equal(problemsOf(resolved), {
    a: ['a.yaml:1:1 post[0]: expected calls that come to an end, found the ring a -> b -> c -> a'],
    b: ['b.yaml:2:1 post[1]: expected calls that come to an end, found the ring b -> c -> a -> b'],
    c: ['c.yaml:1:1 post[0]: expected calls that come to an end, found the ring c -> a -> b -> c'],
    into: ['into.yaml:2:1 post[1]: expected a deployment that is there, found "b", which is refused itself'],
    far: ['far.yaml:1:1 post[0]: expected a deployment that is there, found "into", which is refused itself'],
    self: ['self.yaml:1:1 post[0]: expected calls that come to an end, found the ring self -> self'],
  })
})

test('go through four deployments at most', () => {
  const chain = [caller('a', 'e', 'b'), caller('b', 'c'), caller('c', 'd'), caller('d', 'e'), caller('e')]
  const resolved = resolve(chain)
  assert.equal(namesOf(resolved), ['b', 'c', 'd', 'e'])
  assert.equal(problemsOf(resolved), {
    a: ['a.yaml:2:1 post[1]: expected a chain of at most 4 deployments, found a -> b -> c -> d -> e'],
  })
})

test('may branch and meet again', () => {
  const wide = [caller('a', 'b', 'c'), caller('b', 'd'), caller('c', 'd', 'd'), caller('d')]
  assert.equal(problemsOf(resolve(wide)), {})
})

test('of what is refused are refused, all the way up, with what else is wrong', () => {
  const resolved = resolve([caller('a', 'b'), caller('b', 'broken', 'nobody'), caller('c')], [refused('broken')])
  assert.equal(namesOf(resolved), ['c'])
  assert.equal(problemsOf(resolved), {
    a: ['a.yaml:1:1 post[0]: expected a deployment that is there, found "b", which is refused itself'],
    b: [
      'b.yaml:2:1 post[1]: expected a deployment (a, c), found "nobody"',
      'b.yaml:1:1 post[0]: expected a deployment that is there, found "broken", which is refused itself',
    ],
  })
  assert.ok(resolved.failures.every((failure) => !failure.missing))
})

test('of what misses its model miss it too, as long as nothing else is wrong', () => {
  const resolved = resolve(
    [caller('a', 'b'), caller('b', 'm'), caller('c', 'm', 'broken')],
    [missing('m'), refused('broken')],
  )
  assert.equal(problemsOf(resolved)['b'], [
    'b.yaml:1:1 post[0]: expected a deployment that is there, found "m", which misses a model',
  ])
  const of = (name: string) => resolved.failures.find((failure) => failure.name === name)!.missing?.deployment
  assert.equal([of('a'), of('b'), of('c')], ['m', 'm', undefined])
})

test('of a name that two claimed go to the one that has it', () => {
  assert.equal(problemsOf(resolve([caller('a', 'b'), caller('b')], [refused('b')])), {})
})

test('are followed in no time, however many there are', () => {
  const layers = Array.from({ length: 60 }, (_, i) =>
    caller(`d${i}`, ...Array.from({ length: 12 }, (_, j) => `d${i + 1 + j}`)),
  )
  const before = performance.now()
  const resolved = resolve(layers)
  assert.ok(resolved.failures.length > 0)
  assert.ok(performance.now() - before < 2000)
})

test.run()
