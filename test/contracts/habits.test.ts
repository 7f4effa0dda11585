import { createServer } from 'node:http'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { callJson, RawConnection } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import {
  assertShape,
  integer,
  listOf,
  number,
  sample,
  sampleWindow,
  shipped,
  switchedOn,
  text,
  within,
  type Shape,
} from './contract.ts'
import type { Habit, Target } from './habit.ts'
import { jsonHabits } from './habits-json.ts'
import { pictureHabits } from './habits-picture.ts'
import { freePorts, listen } from '../support/ports.ts'

const test = suite('habits of old clients')
const small = await sharp(sample('faces_1.jpg')).resize(160, 120).jpeg().toBuffer()
const picture = { bytes: small, name: 'room_1.jpg', type: 'image/jpeg' }
const noise = { width: 700, height: 600, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 60 } } as const
const large = {
  bytes: await sharp({ create: { ...noise, background: '#000' } })
    .png()
    .toBuffer(),
  name: 'noise.png',
  type: 'image/png',
}
const x = sampleWindow()

interface Daemon extends Target {
  name: string
  /** Its own port. */
  url?: string
  answer: Shape
  /** Keys that the options leave out. */
  without: string[]
}

const daemons: Daemon[] = [
  {
    name: 'hailo-depth',
    path: '/v1/depth/estimate',
    picture,
    json: { image: picture.bytes.toString('base64'), output_format: 'numpy' },
    options: { output_format: 'numpy' },
    large: { picture: large, json: JSON.stringify({ image: large.bytes.toString('base64'), output_format: 'numpy' }) },
    answer: {
      model_type: 'monocular',
      depth_shape: [number, number],
      depth_map: (value) => String(value).length > 1000,
    },
    without: ['depth_image'],
  },
  {
    name: 'hailo-scrfd',
    path: '/v1/detect',
    picture,
    json: { image: picture.bytes.toString('base64'), return_landmarks: false },
    options: { return_landmarks: 'false' },
    large: { picture: large, json: JSON.stringify({ image: large.bytes.toString('base64'), return_landmarks: false }) },
    answer: { faces: listOf({ bbox: listOf(integer, 4), confidence: within(0, 1) }), num_faces: integer, model: text },
    without: ['annotated_image'],
  },
  {
    name: 'the TCN sidecar',
    path: '/infer',
    json: { x },
    options: {},
    // JSON may be indented as one likes.
    large: { json: JSON.stringify({ x }) + ' '.repeat(1.2e6) },
    answer: { latent: listOf(number, 64), motif_scores: listOf(within(0, 1), 12) },
    without: [],
  },
]

let pellet: RunningPellet
/** Where clients that give an address have their pictures. */
const camera = createServer((_, res) => void res.writeHead(200, { 'content-type': 'image/jpeg' }).end(picture.bytes))
let cameraUrl = ''

test.before(async () => {
  cameraUrl = await listen(camera)
  const ports = await freePorts(4)
  const [depth, scrfd, ...tcn] = ports
  const files = {
    ...shipped('depth', 'scrfd', 'tcn'),
    'manifests/depth.yaml': switchedOn('depth', [depth!]),
    'manifests/scrfd.yaml': switchedOn('scrfd', [scrfd!]),
    'manifests/tcn.yaml': switchedOn('tcn', tcn),
  }
  pellet = await RunningPellet.start(files, [], { PELLET_ALLOW_URLS: new URL(cameraUrl).host })
  for (const [i, daemon] of daemons.entries()) daemon.url = `http://127.0.0.1:${ports[i]}`
})
test.after(async () => {
  for (const { connection } of open.values()) connection.end()
  await pellet.stop()
  camera.close()
  camera.closeAllConnections()
})

for (const habit of [...pictureHabits, ...jsonHabits]) {
  const takers = daemons.filter(({ picture: taken }) => habit.sends === 'json' || taken)
  test(`${habit.name}: ${takers.map(({ name }) => name).join(', ')}`, async () => {
    await Promise.all(takers.map((daemon) => tryHabit(habit, daemon)))
  })
}

for (const daemon of daemons.filter((one) => one.picture))
  test(`${daemon.name}: image_url, where the operator allows it`, async () => {
    const { image: _image, ...options } = daemon.json
    const image_url = `${cameraUrl}/snapshot.jpg`
    const { status, json, text: found } = await callJson(daemon.url! + daemon.path, { ...options, image_url })
    assert.is(status, 200, found)
    assertShape(json, daemon.answer)
  })

test.run()

// --- internal ---

/** By the daemon's name: the connection of the last habit that left its own open, and that habit. */
const open = new Map<string, { connection: RawConnection; habit: string }>()

/** A connection that stays open takes the next habit: what was left unread of the last request would spoil that. */
async function tryHabit(habit: Habit, daemon: Daemon): Promise<void> {
  const { host } = new URL(daemon.url!)
  const { connection, habit: last } = open.get(daemon.name) ?? { connection: new RawConnection(daemon.url!) }
  open.delete(daemon.name)
  const where = `${daemon.name}${last === undefined ? '' : `, on the connection of "${last}"`}`
  connection.socket.setNoDelay(true)
  for (const [i, part] of habit.write(daemon, host).entries()) {
    if (i === 1 && habit.expects) assert.is((await connection.answer()).status, 100, where)
    await connection.send(part)
  }
  const { status, headers, text: found, json } = await connection.answer()
  assert.is(status, 200, `${where}: ${found}`)
  assert.is(headers['content-type'], 'application/json', where)
  assertShape(json, daemon.answer, where)
  for (const key of daemon.without) assert.is(json[key], undefined, `${where}: ${key}: the option was not read`)
  if (habit.after === 'closed') {
    await connection.closed
    connection.end()
  } else open.set(daemon.name, { connection, habit: habit.name })
}
