import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Deployment, DeploymentResult, FailedSource } from '../../runtime/deployments/deployment.ts'
import { reconcile } from '../../runtime/deployments/reconcile.ts'
import { deploymentOf } from './tiny.ts'

const test = suite('what is live meets what the project gives now')

interface Parts {
  /** Its routes' paths; default: `/NAME`. */
  at?: string[]
  listen?: number[]
  /** Names of the deployments that it calls. */
  calls?: string[]
  origin?: Deployment['origin']
}

/** A revision `a1` of a deployment `a`, from `manifests/a.yaml`. */
function revision(id: string, { at, listen = [], calls = [], origin }: Parts = {}): Deployment {
  const name = id.slice(0, -1)
  const paths = at ?? [`/${name}`]
  const post = calls.map((deployment) => ({ call: { deployment } }))
  const routes = Object.fromEntries(paths.map((path) => [`POST ${path}`, post]))
  const places = { name: 'N', routes: paths.map(() => 'R'), ports: listen.map(() => 'P') }
  const made = deploymentOf({ name, routes, listen }, { ...places, calls: paths.flatMap(() => calls.map(() => 'C')) })
  return { ...made, revision: id, ...(origin && { origin }) }
}

/** As `revision`, brought by a deploy. */
function deployed(id: string, parts: Parts = {}, manifest = `manifests/${id.slice(0, -1)}.yaml`): Deployment {
  return revision(id, { ...parts, origin: { manifest, deployed: { atMs: 1 } } })
}

/** A source that does not compile; by its file, for its name may be lost. */
const broken = (name: string, origin: FailedSource['origin'] = { manifest: `manifests/${name}.yaml` }) => ({
  name,
  origin,
  problems: ['broken'],
})

interface Row {
  live: Deployment[]
  results: DeploymentResult[]
  /** Revisions that serve next, in order. */
  next: string[]
  /** What is refused: the name, the revision that serves on, and a part of what is told. */
  refused?: [name: string, serves: string | undefined, told: string][]
}

const own = { function: 'functions/a.ts' }
const rows: Record<string, Row> = {
  'from nothing: all, and of two that claim the same the first': {
    live: [],
    results: [revision('a1'), revision('b1', { at: ['/a'] }), revision('c1')],
    next: ['a1', 'c1'],
    refused: [['b', undefined, 'R: expected a free route, found POST /a, which a (manifests/a.yaml) has']],
  },
  'nothing changed': { live: [revision('a1')], results: [revision('a1')], next: ['a1'] },
  'a new revision and a new deployment': {
    live: [revision('a1')],
    results: [revision('a2'), revision('b1')],
    next: ['a2', 'b1'],
  },
  'a source is gone': { live: [revision('a1'), revision('b1')], results: [revision('b1')], next: ['b1'] },
  'a source breaks': {
    live: [revision('a1')],
    results: [broken('a')],
    next: ['a1'],
    refused: [['a', 'a1', 'broken']],
  },
  'a source that was never right': {
    live: [],
    results: [broken('a')],
    next: [],
    refused: [['a', undefined, 'broken']],
  },
  'a file breaks and its name is lost with it': {
    live: [revision('a1', { origin: { manifest: 'manifests/x.yaml' } })],
    results: [broken('x')],
    next: ['a1'],
    refused: [['x', 'a1', 'broken']],
  },
  'a function alone breaks, and so does the manifest that comes to it': {
    live: [revision('a1', { origin: own })],
    results: [broken('z', { manifest: 'manifests/z.yaml', ...own })],
    next: ['a1'],
    refused: [['z', 'a1', 'broken']],
  },
  'a manifest comes to a function': {
    live: [revision('a1', { origin: own })],
    results: [revision('a2', { origin: { manifest: 'manifests/z.yaml', ...own } })],
    next: ['a2'],
  },
  'a manifest is deleted, and its function wants one': {
    live: [revision('a1', { origin: { manifest: 'manifests/a.yaml', ...own } })],
    results: [broken('a', own)],
    next: [],
    refused: [['a', undefined, 'broken']],
  },
  'a file is renamed': {
    live: [revision('a1', { origin: { manifest: 'manifests/old.yaml' } })],
    results: [revision('a1', { origin: { manifest: 'manifests/new.yaml' } })],
    next: ['a1'],
  },
  'a deployment is renamed in its file': {
    live: [revision('a1', { at: ['/x'] })],
    results: [revision('b1', { at: ['/x'], origin: { manifest: 'manifests/a.yaml' } })],
    next: ['b1'],
  },
  'a deployment is renamed to a name that is taken': {
    live: [revision('a1'), revision('b1')],
    results: [revision('b2', { origin: { manifest: 'manifests/a.yaml' } }), revision('b1')],
    next: ['a1', 'b1'],
    refused: [['b', 'a1', 'found "b", which b (manifests/b.yaml) has']],
  },
  'a newcomer that sorts earlier does not take a route, a name or a port': {
    live: [revision('m1', { listen: [81] })],
    results: [
      revision('a1', { at: ['/m'] }),
      revision('b1', { listen: [81] }),
      revision('m2', { origin: { manifest: 'manifests/c.yaml' } }),
      revision('m1', { listen: [81] }),
    ],
    next: ['m1'],
    refused: [
      ['a', undefined, 'POST /m, which m (manifests/m.yaml) has'],
      ['b', undefined, 'found 81, which m (manifests/m.yaml) has'],
      ['m', undefined, 'found "m", which m (manifests/m.yaml) has'],
    ],
  },
  'nor from one whose file is broken': {
    live: [revision('m1', { origin: { manifest: 'manifests/x.yaml' } })],
    results: [revision('a1', { at: ['/m'] }), revision('m2'), broken('x')],
    next: ['m1'],
    refused: [
      ['a', undefined, 'which m (manifests/x.yaml) has, in the revision that keeps serving'],
      ['m', undefined, 'which m (manifests/x.yaml) has, in the revision that keeps serving'],
      ['x', 'm1', 'broken'],
    ],
  },
  'two swap their routes': {
    live: [revision('a1', { at: ['/x'] }), revision('b1', { at: ['/y'] })],
    results: [revision('a2', { at: ['/y'] }), revision('b2', { at: ['/x'] })],
    next: ['a2', 'b2'],
  },
  'two swap their routes, and one of them cannot: both stay': {
    live: [revision('a1', { at: ['/x'] }), revision('b1', { at: ['/y'] }), revision('c1', { listen: [81] })],
    results: [
      revision('a2', { at: ['/y'], listen: [81] }),
      revision('b2', { at: ['/x'] }),
      revision('c1', { listen: [81] }),
    ],
    next: ['a1', 'b1', 'c1'],
    refused: [
      ['a', 'a1', 'found 81, which c'],
      ['b', 'b1', 'found POST /x, which a'],
    ],
  },
  'one takes the route that another gives up': {
    live: [revision('b1', { at: ['/x', '/b'] })],
    results: [revision('a1', { at: ['/x'] }), revision('b2')],
    next: ['a1', 'b2'],
  },
  'a live one asks for a route that another has': {
    live: [revision('a1'), revision('b1')],
    results: [revision('a2', { at: ['/a', '/b'] }), revision('b2', { listen: [81] })],
    next: ['a1', 'b2'],
    refused: [['a', 'a1', 'found POST /b, which b']],
  },
  'what others call breaks, and they go on': {
    live: [revision('a1', { calls: ['b'] }), revision('b1')],
    results: [revision('a2', { calls: ['b'] }), broken('b')],
    next: ['a2', 'b1'],
    refused: [['b', 'b1', 'broken']],
  },
  'what others call is gone: they serve what they can': {
    live: [revision('a1', { calls: ['b'] }), revision('b1'), revision('c1', { calls: ['a'] })],
    results: [revision('a1', { calls: ['b'] }), revision('c1', { calls: ['a'] })],
    next: ['a1', 'c1'],
    refused: [['a', 'a1', 'C: expected a deployment (c), found "b"']],
  },
  'a new revision calls in a ring': {
    live: [revision('a1', { calls: ['b'] }), revision('b1')],
    results: [revision('a2', { calls: ['b'] }), revision('b2', { calls: ['a'] })],
    next: ['a1', 'b1'],
    refused: [
      ['a', 'a1', 'found the ring a -> b -> a'],
      ['b', 'b1', 'found the ring b -> a -> b'],
    ],
  },
  'one is deployed in the place of a dropped one': { live: [revision('a1')], results: [deployed('a2')], next: ['a2'] },
  'one is deployed that asks for what another has': {
    live: [revision('a1'), revision('b1')],
    results: [deployed('a2', { at: ['/b'] }), revision('b1')],
    next: ['a1', 'b1'],
    refused: [['a', 'a1', 'found POST /b, which b (manifests/b.yaml) has']],
  },
  'a deployed one stays beside dropped files of its manifest’s name': {
    live: [deployed('a1', {}, 'manifests/b.yaml'), revision('b1')],
    results: [deployed('a1', {}, 'manifests/b.yaml'), broken('b')],
    next: ['a1', 'b1'],
    refused: [['b', 'b1', 'broken']],
  },
  'a deployed one is deleted': { live: [deployed('a2')], results: [revision('a1')], next: ['a1'] },
  'a deployed one is deleted, and its dropped file is broken': {
    live: [deployed('a1')],
    results: [broken('a')],
    next: [],
    refused: [['a', undefined, 'broken']],
  },
  'a deployed one is deleted, and its dropped file asks for what another has': {
    live: [deployed('a2'), revision('b1')],
    results: [revision('a1', { at: ['/b'] }), revision('b1')],
    next: ['b1'],
    refused: [['a', undefined, 'found POST /b, which b']],
  },
}

for (const [why, { live, results, next, refused = [] }] of Object.entries(rows))
  test(why, () => {
    const { deployments, failures } = reconcile({ live, results, ownPort: 80 })
    assert.equal(
      deployments.map((deployment) => deployment.revision),
      next,
    )
    assert.equal(
      failures.map(({ name, serves }) => [name, serves?.revision]),
      refused.map(([name, serves]) => [name, serves]),
    )
    for (const [index, [, , told]] of refused.entries()) assert.match(failures[index]!.problems.join('\n'), told)
    // Once more, nothing having changed: it stays so.
    const again = reconcile({ live: deployments, results, ownPort: 80 })
    assert.equal(again.deployments, deployments)
    assert.equal(
      again.failures.map(({ name }) => name),
      failures.map(({ name }) => name),
    )
  })

test('what serves on leads its calls where they still lead', () => {
  const b = revision('b1')
  const live = [{ ...revision('a1', { calls: ['b', 'c'] }), calls: [] }, b, revision('c1')]
  const { deployments } = reconcile({ live, results: [revision('a1', { calls: ['b', 'c'] }), b], ownPort: 0 })
  assert.equal(deployments[0]!.calls, [{ deployment: 'b', method: 'POST', path: '/b' }])
})

test.run()
