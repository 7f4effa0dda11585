// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePorts } from '../support/ports.ts'
import { RunningPellet } from '../support/pellet.ts'
import { createGenerator } from './generator.ts'
import { fuzzProject, targets } from './project.ts'
import { goodAnswers, runRound } from './round.ts'
import { look } from './watch.ts'

/** A little of `npm run fuzz`, which is to be run after changes to how requests are read. */
const test = suite('bad input')
let pellet: RunningPellet
let ownUrl: string

test.before(async () => {
  const [port] = await freePorts(1)
  ownUrl = `http://127.0.0.1:${port}`
  pellet = await RunningPellet.start(fuzzProject(port!))
})
test.after(async () => {
  await pellet.stop()
})

test('a few requests to each route are answered as documented, and leave nothing behind', async () => {
  // The same routes by other paths are for the long run.
  const routes = targets.filter(({ name }) => !/ \/f\/(?!(depth|arcface|tcn)\/batch$)/.test(name))
  const before = await goodAnswers(pellet, routes, ownUrl)
  const { findings } = await runRound(pellet, {
    generator: await createGenerator(1),
    targets: routes,
    from: 0,
    count: 3,
    width: 6,
    ownUrl,
    maxBytes: 500_000,
  })
  assert.equal(
    findings.map(({ target, number, kind, problem }) => `${target} ${number}, ${kind}: ${problem}`),
    [],
  )
  assert.equal(await goodAnswers(pellet, routes, ownUrl), before)
  assert.is((await look(pellet)).crashes, 0)
})

test.run()
