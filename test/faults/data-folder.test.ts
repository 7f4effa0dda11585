import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { functionProject } from '../support/functions.ts'
import { createProject, RunningPellet, withPellet } from '../support/pellet.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { expectOk } from './beside.ts'

const folder = suite('a data folder')

folder('serves one Pellet: the second refuses with exit code 1, and the first goes on undisturbed', () =>
  withPellet(functionProject({ steady: {}, later: {} }), [], async (first) => {
    const { pid } = await expectOk(await first.post('/v1/steady', {}))
    const second = RunningPellet.spawn(first.folder)
    assert.is(await second.ended(), 1)
    assert.match(second.text(), /another Pellet runs/)
    assert.is((await expectOk(await first.post('/v1/steady', {}))).pid, pid)
    await expectOk(await first.post('/v1/later', {}))
    const { code, stderr } = await first.cli('ps')
    assert.is(code, 0, stderr)
    assert.is((await first.row('steady')).loads, 1)
  }),
)

folder('serves one Pellet, also when two start at once', async () => {
  const project = createProject(functionProject({ steady: {} }))
  const both = [RunningPellet.spawn(project), RunningPellet.spawn(project)]
  const [loser, winner] = await Promise.race(
    both.map(async (one, index) => {
      assert.is(await one.ended(), 1)
      return [one, both[1 - index]!] as const
    }),
  )
  assert.match(loser.text(), /another Pellet runs|EADDRINUSE/)
  const line = await winner.logged(({ msg }) => msg.startsWith('listening on '))
  winner.url = line.msg.slice('listening on '.length)
  await expectOk(await winner.post('/v1/steady', {}))
  assert.is((await winner.row('steady')).loads, 1)
  assert.is(await winner.stop(), 0)
})

folder('is left in order by a start that fails for its port', () =>
  withPellet(functionProject({ steady: {} }), [], async (first) => {
    const project = createProject(functionProject({ steady: {} }))
    const port = new URL(first.url).port
    const second = RunningPellet.spawn(project, ['--port', port])
    assert.is(await second.ended(), 1)
    assert.match(second.text(), new RegExp(`${port}: expected a free port.*set port`))
    assert.not(existsSync(join(project, '.pellet/pellet.sock')))
    assert.not(existsSync(join(project, '.pellet/run')))
    await expectOk(await first.post('/v1/steady', {}))
  }),
)

/** A folder whose path has just this many bytes. */
function folderOf(length: number): string {
  const base = temporaryFolder()
  const deep = join(base, 'd'.repeat(length - base.length - 1))
  mkdirSync(deep)
  return deep
}

folder('that lies deep keeps the sockets of isolates where their paths fit', async () => {
  const deep = folderOf(92)
  await withPellet(functionProject({ steady: {} }), ['--data', deep], async (pellet) => {
    await expectOk(await pellet.post('/v1/steady', {}))
    assert.not(existsSync(join(deep, 'run')))
    assert.is(await pellet.stop(), 0)
  })
  assert.not(existsSync(join(deep, 'pellet.sock')))
})

folder('that lies too deep for a socket is refused with the reason and exit code 1', async () => {
  const deep = folderOf(120)
  const pellet = RunningPellet.spawn(functionProject({ steady: {} }), ['--data', deep])
  assert.is(await pellet.ended(), 1)
  assert.match(pellet.text(), /at most \d+ bytes for a socket, found 132; set data/)
})

folder.run()
