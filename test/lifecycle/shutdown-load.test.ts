// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Connection } from '../support/connection.ts'
import { functionProject } from '../support/functions.ts'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'

const shutdown = suite('SIGTERM under load')

const clients = 8
const rounds = 3

interface Tally {
  answered: number
  /** Told that Pellet is stopping. */
  refused: number
  /** Requests without an answer: their ids, and whether the connection had served another one before. */
  unanswered: { id: string; isFirst: boolean }[]
}

/** Asks on one connection after the other, for as long as there is somebody to connect to. */
async function askOn(url: string, ms: number, client: string, tally: Tally): Promise<void> {
  for (let connections = 0; ; connections++) {
    const connection = await Connection.open(url).catch(() => undefined)
    if (!connection) return
    for (let asked = 0; !connection.closed; asked++) {
      const id = `${client}.${connections}.${asked}`
      connection.send('/v1/steady', { ms, id }, id)
      const answer = await connection.answer().catch(() => undefined)
      if (answer?.status === 200) tally.answered++
      else if (answer?.headers['x-pellet-error'] === 'stopping') tally.refused++
      else tally.unanswered.push({ id, isFirst: asked === 0 })
      if (answer?.headers['connection'] === 'close') break
    }
    connection.socket.destroy()
  }
}

/** Ids that Pellet has seen: the function printed them, or a refusal was logged. */
function seenBy(pellet: RunningPellet): Set<unknown> {
  return new Set(pellet.log.flatMap(({ msg, requestId }) => [msg, requestId]))
}

const source = `
  console.log(fields.id)
  if (fields.ms) await new Promise((resolve) => setTimeout(resolve, fields.ms))`

/** One for all starts: what was compiled for the first serves the others. */
const folder = createProject(functionProject({ steady: { pre: source } }))

for (const ms of [0, 40])
  shutdown(`from ${clients} clients (${ms} ms a request): no request that was read is lost`, async () => {
    let atTheDoor = 0
    let answered = 0
    for (let round = 0; round < rounds; round++) {
      const pellet = await RunningPellet.start(folder)
      const tally: Tally = { answered: 0, refused: 0, unanswered: [] }
      const asking = Array.from({ length: clients }, (_, client) => askOn(pellet.url, ms, String(client), tally))
      await until(() => tally.answered >= 10 * clients, 'the load to be on', 30_000)
      pellet.child.kill('SIGTERM')
      await Promise.all(asking)
      assert.is(await pellet.ended(), 0)
      const seen = seenBy(pellet)
      const lost = tally.unanswered.filter(({ id, isFirst }) => !isFirst || seen.has(id))
      assert.equal(lost, [])
      atTheDoor += tally.unanswered.length
      answered += tally.answered
    }
    // The kernel completes connections that the process never gets to see; when it stops listening they are reset.
    console.log(`${answered} answered in ${rounds} stops, ${atTheDoor} reset at the door, none lost`)
  })

shutdown.run()
