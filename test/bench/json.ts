import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../support/root.ts'
import { concurrencies, echoOf, ms, type Bench } from './context.ts'
import { openBare } from './engine.ts'
import { load, type Measured, type Target } from './load.ts'
import { toMarkdown } from './table.ts'

/** A tensor route against a bare echo of the same body. */
export async function benchJson(bench: Bench): Promise<void> {
  const { pellet, quick, scale } = bench
  const body = readFileSync(join(projectRoot, 'models/samples/imu_walk.json'))
  const tcn: Target = { url: `${pellet.url}/infer`, headers: { 'content-type': 'application/json' }, body }
  const echo = echoOf(bench, tcn)
  const engineMs = await (await openBare(join(projectRoot, 'models/tcn.onnx'))).run(quick ? 50 : 1000)
  await load(echo, 4, 2000 * scale)
  await load(tcn, 4, 2000 * scale)
  const rows: string[][] = []
  for (const concurrency of concurrencies) {
    const count = Math.ceil(4000 * scale)
    // Taken in turns, so that a noisy minute of the machine falls on both.
    const rounds: { echo: Measured; pellet: Measured }[] = []
    for (let round = 0; round < 3; round++)
      rounds.push({ echo: await load(echo, concurrency, count), pellet: await load(tcn, concurrency, count) })
    const middle = rounds.sort((a, b) => a.pellet.p50 / a.echo.p50 - b.pellet.p50 / b.echo.p50)[1]!
    const beyond = middle.pellet.p50 - engineMs
    rows.push([
      String(concurrency),
      ms(middle.echo.p50),
      ms(middle.pellet.p50),
      ms(middle.pellet.p99),
      ms(beyond),
      (beyond / middle.echo.p50).toFixed(2),
      middle.echo.perSecond.toFixed(0),
      middle.pellet.perSecond.toFixed(0),
    ])
  }
  console.log(`Tensor route, ${body.length} bytes of JSON (POST /infer); the engine alone takes ${ms(engineMs)} ms.\n`)
  console.log(toMarkdown(headings, rows))
}

// --- internal ---

const headings = [
  'callers',
  'h3 echo p50 ms',
  'Pellet p50 ms',
  'p99 ms',
  'beyond the engine, p50 ms',
  'of the echo',
  'echo/s',
  'Pellet/s',
]
