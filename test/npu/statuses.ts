/**
 * Every status of HailoRT once, over the simulated device and through a whole Pellet: the caller is told what it means, and the
 * next caller is served. As a program: node dist/test/npu/statuses.js; the suite does a few.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import type { HailoChip } from '../../ffi/hef/arch.ts'
import { errorCodes } from '../../runtime/errors.ts'
import { RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { smallHef } from '../support/sim-hefs.ts'
import { SimControl, simulatedFiles } from '../support/sim.ts'
import { statusRows, type StatusRow } from './status-rows.ts'

/** Brings each about, all of one chip in one Pellet. @throws where a caller is told something else, or is not served afterwards */
export async function tryStatuses(rows: readonly StatusRow[], tell: (line: string) => void = () => {}): Promise<void> {
  for (const chip of new Set(rows.map((row) => row.chip)))
    await tryChip(
      chip,
      rows.filter((row) => row.chip === chip),
      tell,
    )
}

// --- internal ---

const quick = { frame_us: 0 }

async function tryChip(chip: HailoChip, rows: readonly StatusRow[], tell: (line: string) => void): Promise<void> {
  const control = new SimControl(quick)
  const env = { ...control.env, PELLET_HAILORT: `simulated:${chip}` }
  const pellet = await RunningPellet.start({ ...(await project(chip, rows)), ...(await simulatedFiles()) }, [], env)
  let answer: unknown
  try {
    for (const [index, row] of rows.entries()) {
      try {
        const found = await tryRow(pellet, control, `row-${index}`, row)
        assert.equal(found, (answer ??= found), 'every model is the same, and so are their answers')
      } catch (error) {
        console.error(
          pellet.log
            .slice(-20)
            .map((line) => JSON.stringify(line))
            .join('\n'),
        )
        throw new Error(`${chip}: ${row.what}: ${(error as Error).message}`, { cause: error })
      }
      tell(`${chip}: ${row.what}: ${row.code ?? 'nothing is noticed'}`)
    }
  } finally {
    await pellet.stop()
  }
}

/** @returns the answer when all is well again */
async function tryRow(pellet: RunningPellet, control: SimControl, name: string, row: StatusRow): Promise<unknown> {
  const call = (keepAlive = '1m') => pellet.post(`/v1/${name}`, {}, { 'x-keep-alive': keepAlive })
  // Also where it matters only when it goes: what the row before had loaded has gone by then.
  if (row.at !== 'load') assert.is((await call()).status, 200, 'before')
  let answering: Promise<Response>
  if (row.at === 'flying') {
    const { device: _device, ...before } = row.sim
    control.set({ ...quick, ...before })
    answering = call()
    await pellet.rowWhen(name, ({ in_flight }) => in_flight === 1)
    // From main to the chip; nothing tells when it is there.
    await sleep(80)
  }
  control.set({ ...quick, ...row.sim })
  const res = await (answering! ?? call(row.at === 'unload' ? '0' : '1m'))
  const text = await res.text()
  if (row.code === undefined) assert.is(res.status, 200, text)
  else {
    const { code, message } = (JSON.parse(text) as { error: { code: string; message: string } }).error
    assert.equal([code, res.status], [row.code, errorCodes[row.code].status], text)
    assert.match(message, row.says!)
    if (row.code.startsWith('device_')) assert.ok(res.headers.get('retry-after'), 'says when to try again')
  }
  if (row.at === 'unload') await pellet.rowWhen(name, ({ pid }) => pid === null)
  control.set(quick)
  return wellAgain(() => call('0'))
}

/** Until then callers are told when to try again. */
async function wellAgain(call: () => Promise<Response>): Promise<unknown> {
  let answer: unknown
  await until(
    async () => {
      const res = await call()
      const text = await res.text()
      answer = JSON.parse(text)
      if (res.status !== 200) assert.ok(res.status === 503 && res.headers.get('retry-after'), text)
      return res.status === 200
    },
    () => `an answer, found ${JSON.stringify(answer)}`,
    20_000,
  )
  return answer
}

async function project(chip: HailoChip, rows: readonly StatusRow[]): Promise<ProjectFiles> {
  const manifests = rows.map((_, index): [string, string] => {
    const model = `model: { engine: hailort, hef: { ${chip}: small.hef } }`
    return [`manifests/row-${index}.yaml`, `${model}\nfunction: bytes\nroute: POST /v1/row-${index}\npriority: 20\n`]
  })
  return {
    ...Object.fromEntries(manifests),
    'pellet.yaml': 'device_frame_timeout: 300ms\n',
    'models/small.hef': smallHef({ arch: chip === 'hailo8' ? 1 : 103 }),
    'functions/bytes.ts': functionText,
  }
}

const functionText = `
import { defineFunction, step } from 'pellet'
export default defineFunction({
  manifest: { pre: ['fill'], post: ['show'] },
  steps: {
    fill: step.request(() => ({ 'small/in': { type: 'uint8', dims: [1, 16, 16, 3], data: new Uint8Array(768).fill(7) } })),
    show: step.outputs((out) => ({ bytes: [...out['small/out'].data] })),
  },
})
`

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await tryStatuses(statusRows, console.log)
  console.log(`${statusRows.length} situations: every caller was told what is so, and the next one was served`)
}
