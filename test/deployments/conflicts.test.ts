import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refuseConflicts } from '../../runtime/deployments/conflicts.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { deploymentOf } from './tiny.ts'

const test = suite('names, routes and ports have one holder')

const a: ManifestInput & { name: string } = { name: 'a', route: 'POST /v1/a', listen: [5001, 5002] }
const places = {
  name: 'b.yaml:1:7 name',
  routes: ['b.yaml:2:8 route'],
  ports: ['b.yaml:3:10 listen[0]', 'b.yaml:3:16 listen[1]'],
}

/** What is told of a second deployment beside `a`, of a Pellet on this port. */
const rows: [why: string, second: ManifestInput & { name: string }, ownPort: number, told: string[]][] = [
  ['others', { name: 'b', listen: [5003] }, 11500, []],
  ['the same path with another method', { name: 'b', route: 'PUT /v1/a' }, 11500, []],
  [
    'the same route',
    { name: 'b', route: 'POST /v1/a' },
    11500,
    ['b.yaml:2:8 route: expected a free route, found POST /v1/a, which a (manifests/a.yaml) has'],
  ],
  [
    'the same name',
    { name: 'a', route: 'POST /v1/b' },
    11500,
    ['b.yaml:1:7 name: expected a name of its own, found "a", which a (manifests/a.yaml) has'],
  ],
  [
    'the same port',
    { name: 'b', listen: [5003, 5002] },
    11500,
    ['b.yaml:3:16 listen[1]: expected a free port, found 5002, which a (manifests/a.yaml) has'],
  ],
  [
    'Pellet’s own port',
    { name: 'b', listen: 11500 },
    11500,
    ['b.yaml:3:10 listen[0]: expected a free port, found 11500, which Pellet itself has'],
  ],
  ['any port, when Pellet takes any', { name: 'b', listen: 11500 }, 0, []],
  [
    'all at once',
    { name: 'a', route: 'POST /v1/a', listen: [5001, 80] },
    80,
    [
      'b.yaml:1:7 name: expected a name of its own, found "a", which a (manifests/a.yaml) has',
      'b.yaml:2:8 route: expected a free route, found POST /v1/a, which a (manifests/a.yaml) has',
      'b.yaml:3:10 listen[0]: expected a free port, found 5001, which a (manifests/a.yaml) has',
      'b.yaml:3:16 listen[1]: expected a free port, found 80, which Pellet itself has',
    ],
  ],
]

for (const [why, second, ownPort, told] of rows)
  test(`a second one with ${why}`, () => {
    const results = [deploymentOf(a), deploymentOf(second, places)]
    const { deployments, failures } = refuseConflicts(results, { ownPort })
    assert.equal(deployments, told.length > 0 ? results.slice(0, 1) : results)
    assert.equal(
      failures.flatMap(({ problems }) => problems),
      told,
    )
  })

test('what is refused holds nothing', () => {
  const results = [deploymentOf({ ...a, listen: 80 }, places), deploymentOf({ ...a, name: 'c', listen: 5001 })]
  const { deployments, failures } = refuseConflicts([{ name: 'x', origin: {}, problems: ['wrong'] }, ...results], {
    ownPort: 80,
  })
  assert.equal([deployments.map(({ name }) => name), failures.map(({ name }) => name)], [['c'], ['x', 'a']])
})

test.run()
