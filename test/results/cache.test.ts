// @timeout 90s
import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import sharp from 'sharp'
import { call, callJson, RawConnection, type Answer } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { projectRoot } from '../support/root.ts'
import { keepingDepth, keepingProject } from './project.ts'
import { listen } from '../support/ports.ts'

const test = suite('kept answers')
let pellet: RunningPellet
let png: Buffer

test.before(async () => {
  pellet = await RunningPellet.start({
    ...keepingProject('', ['keeps', 'small', 'brief', 'forgets', 'picture']),
    ...keepingDepth,
    'pellet.yaml': 'allow_urls: [127.0.0.1]\n',
  })
  png = await sharp({ create: { width: 12, height: 9, channels: 3, background: '#336699' } })
    .png()
    .toBuffer()
})
test.after(async () => {
  await pellet.stop()
})

const keeps = (body: unknown, headers: Record<string, string> = {}) => callJson(`${pellet.url}/v1/keeps`, body, headers)
const said = ({ status, headers, json }: Answer) => [status, headers['x-cache'], json?.run]

test('an equal request gets the kept answer, with its age; nothing else changes in it', async () => {
  const miss = await keeps({ text: 'equal' })
  const hit = await keeps({ text: 'equal' })
  assert.equal(said(miss), [200, 'miss', miss.json.run])
  assert.equal(said(hit), [200, 'hit', miss.json.run])
  assert.is(hit.text, miss.text)
  assert.is(miss.headers['age'], undefined)
  assert.match(String(hit.headers['age']), /^\d$/)
  assert.match(String(hit.headers['server-timing']), /^cache;dur=[\d.]+$/)
  assert.match(String(miss.headers['server-timing']), /\bcache;dur=[\d.]+$/)
  for (const name of ['content-type', 'content-length', 'x-pellet-engine', 'x-pellet-revision'])
    assert.is(hit.headers[name], miss.headers[name], name)
  assert.is.not(hit.headers['x-request-id'], miss.headers['x-request-id'])
})

test('a hit wakes no isolate', async () => {
  const { json } = await keeps({ text: 'asleep' })
  await pellet.admin('POST', '/api/deployments/keeps/unload')
  const { loads } = await pellet.rowWhen('keeps', ({ state }) => state === 'cold')
  const hit = await keeps({ text: 'asleep' })
  assert.equal([hit.headers['x-cache'], hit.json.pid], ['hit', json.pid])
  const row = await pellet.row('keeps')
  assert.equal([row.pid, row.loads, row.state], [null, loads, 'cold'])
})

test('a deployment without the key keeps nothing and says nothing of it', async () => {
  const url = `${pellet.url}/v1/forgets`
  const runs = [await callJson(url, {}), await callJson(url, {})]
  assert.equal(runs.map(said), [
    [200, undefined, 1],
    [200, undefined, 2],
  ])
})

test('what differs in fields, options, Accept, route or method is another answer; spelling is not', async () => {
  const { run } = (await keeps({ a: 1, b: [1, 2], top: 5 })).json
  const url = `${pellet.url}/v1/keeps`
  const json = { 'content-type': 'application/json' }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const same: [string, () => Promise<Answer>][] = [
    ['order of keys', () => keeps({ top: 5, b: [1, 2], a: 1 })],
    ['a default left out', () => keeps({ a: 1, b: [1, 2] })],
    ['blanks', () => call(url, { headers: json, body: '{ "a": 1.0, "b": [1, 2] }' })],
    ['another path of the route', () => callJson(`${pellet.url}/f/keeps`, { a: 1, b: [1, 2] })],
    ['Accept for anything', () => keeps({ a: 1, b: [1, 2] }, { accept: '*/*' })],
    ['an option in a header', () => keeps({ a: 1, b: [1, 2] }, { 'x-pellet-option-top': '5' })],
    ['an option in the query', () => callJson(`${url}?top=5`, { a: 1, b: [1, 2] })],
    ['no content type', () => call(url, { body: '{"a":1,"b":[1,2]}' })],
  ]
  for (const [what, ask] of same) assert.equal(said(await ask()), [200, 'hit', run], what)
  const other: [string, () => Promise<Answer>][] = [
    ['a field', () => keeps({ a: 2, b: [1, 2] })],
    ['order of a list', () => keeps({ a: 1, b: [2, 1] })],
    ['text for a number', () => keeps({ a: '1', b: [1, 2] })],
    ['null', () => keeps({ a: 1, b: [1, 2], c: null })],
    ['NaN for null', () => call(url, { headers: json, body: '{"a":1,"b":[1,2],"c":NaN}' })],
    ['null for an option that the query gives', () => callJson(`${url}?top=5`, { a: 1, b: [1, 2], top: null })],
    ['an option', () => keeps({ a: 1, b: [1, 2], top: 6 })],
    ['an option in a header', () => keeps({ a: 1, b: [1, 2] }, { 'x-pellet-option-top': '7' })],
    ['a field in the query', () => callJson(`${url}?d=1`, { a: 1, b: [1, 2] })],
    ['Accept', () => keeps({ a: 1, b: [1, 2] }, { accept: 'application/json' })],
    ['a picture whose plus signs a form has made blanks', () => call(url, { headers: form, body: 'image=AA+B' })],
    ['a picture with blanks', () => keeps({ image: 'AA B' })],
    ['the route', () => callJson(`${pellet.url}/v1/other`, { a: 1, b: [1, 2] })],
    ['the method', () => call(`${url}?a=1`, { method: 'GET' })],
  ]
  for (const [what, ask] of other) assert.equal(said(await ask()).slice(0, 2), [200, 'miss'], what)
  assert.equal((await pellet.row('keeps')).crashes, 0)
})

test('one picture is one answer, however it comes; a default is what the manifest gives', async () => {
  const url = `${pellet.url}/v1/picture`
  const base64 = png.toString('base64')
  const form = (fields: Record<string, string>) => {
    const data = new FormData()
    data.set('photo', new Blob([png], { type: 'image/png' }), 'a.png')
    for (const [name, value] of Object.entries(fields)) data.set(name, value)
    return pellet
      .fetch('/v1/picture', { method: 'POST', body: data })
      .then(async (answer) => [
        answer.status,
        answer.headers.get('x-cache'),
        ((await answer.json()) as { run: number }).run,
      ])
  }
  const first = await call(url, { headers: { 'content-type': 'image/png' }, body: png })
  assert.equal([...said(first), first.json.width, first.json.top], [200, 'miss', 1, 12, 2])
  const hit = [200, 'hit', 1]
  assert.equal(said(await call(url, { headers: { 'content-type': 'image/png' }, body: png })), hit, 'raw')
  assert.equal(said(await call(url, { body: png })), hit, 'without a type')
  assert.equal(await form({}), hit, 'form')
  assert.equal(await form({ note: 'no step sees it' }), hit, 'form with a field')
  assert.equal(said(await callJson(url, { image: base64 })), hit, 'base64')
  assert.equal(said(await callJson(url, { image_url: `data:image/png;base64,${base64}` })), hit, 'data URI')
  // The manifest gives the step 2 where the function's own default is 5.
  assert.equal(said(await callJson(url, { image: base64, top: 5 })), [200, 'miss', 2], 'the default of the function')
  assert.equal(said(await callJson(url, { image: base64, word: 'x' })), [200, 'miss', 3], 'an option')
  const text = await call(url, { headers: { accept: 'text/plain' }, body: png })
  assert.equal([text.headers['x-cache'], text.headers['content-type']], ['miss', 'text/plain'])
  const other = await sharp(png).negate().png().toBuffer()
  assert.equal(said(await call(url, { body: other })), [200, 'miss', 5], 'another picture')
})

test('no-cache computes anew and keeps that; no-store neither looks nor keeps', async () => {
  const first = await keeps({ text: 'control' })
  const fresh = await keeps({ text: 'control' }, { 'cache-control': 'no-cache' })
  assert.equal(said(fresh), [200, 'miss', first.json.run + 1])
  assert.equal(said(await keeps({ text: 'control' })), [200, 'hit', fresh.json.run])
  const reload = await keeps({ text: 'control' }, { 'cache-control': 'Max-Age=0' })
  assert.equal(said(reload), [200, 'miss', fresh.json.run + 1])
  const bypass = await keeps({ text: 'control' }, { 'cache-control': 'private, no-store' })
  assert.equal(said(bypass), [200, 'bypass', reload.json.run + 1])
  assert.equal(said(await keeps({ text: 'control' })), [200, 'hit', reload.json.run])
  await keeps({ text: 'unknown' }, { 'cache-control': 'no-store' })
  assert.is((await keeps({ text: 'unknown' })).headers['x-cache'], 'miss')
})

test('a request header of Pellet’s own does not reach the isolate', async () => {
  const sly = await keeps({ text: 'sly' }, { 'cache-control': 'no-store', 'x-pellet-result': 'ask' })
  assert.is(sly.headers['x-cache'], 'bypass')
})

test('errors are not kept', async () => {
  const { run } = (await keeps({ text: 'counts' })).json
  const failing = { fails: run + 1 }
  const failed = await keeps(failing)
  assert.equal([failed.status, failed.headers['x-cache']], [500, 'miss'])
  assert.equal(said(await keeps(failing)), [200, 'miss', run + 2])
  assert.equal(said(await keeps(failing)), [200, 'hit', run + 2])
  for (const status of [400, 400]) assert.is((await keeps({ top: 'many' })).status, status)
})

test('beyond the room there is, the answer goes that was asked for least recently', async () => {
  // An answer is a thousand times its text, in blocks of 4 KB: 12 KB for each of these, and 4 KB for what leads to it.
  const ask = async (text: string) => (await callJson(`${pellet.url}/v1/small`, { text })).headers['x-cache']
  for (const text of ['answer --a', 'answer --b']) assert.is(await ask(text), 'miss')
  assert.is(await ask('answer --a'), 'hit')
  assert.is(await ask('answer --c'), 'miss')
  assert.equal([await ask('answer --a'), await ask('answer --c'), await ask('answer --b')], ['hit', 'hit', 'miss'])
  const { bytes, entries, max_bytes: max } = (await stats('small'))!
  assert.ok(entries === 2 && bytes > 30_000 && bytes <= max, `${entries} entries, ${bytes} bytes`)
  assert.equal([await ask('larger than all'.repeat(3)), await ask('larger than all'.repeat(3))], ['miss', 'miss'])
  assert.is((await stats('small'))!.entries, 2)
})

test('after its time an answer is computed anew', async () => {
  const ask = async () => (await callJson(`${pellet.url}/v1/brief`, {})).json.run as number
  assert.is(await ask(), 1)
  await until(async () => (await ask()) === 2, 'another answer')
})

test('a picture behind a URL is fetched each time, and what is behind it counts', async () => {
  let shown = png
  let fetched = 0
  const camera = createServer((_req, res) => {
    fetched++
    res.end(shown)
  })
  const image_url = `${await listen(camera)}/`
  const ask = async (name: string) => (await callJson(`${pellet.url}/v1/${name}`, { image_url })).headers['x-cache']
  try {
    const ofPng = (await call(`${pellet.url}/v1/picture`, { body: png })).json.run
    assert.equal([await ask('picture'), await ask('picture')], ['hit', 'hit'])
    shown = await sharp(png).blur(3).png().toBuffer()
    assert.equal([await ask('picture'), await ask('picture')], ['miss', 'hit'])
    assert.is(fetched, 4)
    // What a function makes of a URL itself, nobody knows.
    assert.equal([await ask('keeps'), await ask('keeps')], ['bypass', 'bypass'])
    // A URL is read as browsers do: blanks before it count for nothing.
    const blank = async (name: string) => callJson(`${pellet.url}/v1/${name}`, { image_url: ` ${image_url}` })
    assert.is((await blank('picture')).headers['x-cache'], 'hit')
    shown = png
    assert.equal([(await blank('picture')).json.run, (await blank('keeps')).headers['x-cache']], [ofPng, 'bypass'])
  } finally {
    camera.close()
    camera.closeAllConnections()
  }
})

test('files of a form count, however the form is written', async () => {
  const post = async (text: string) => {
    const form = new FormData()
    form.set('file', new Blob([text]), 'a.bin')
    return (await pellet.fetch('/v1/keeps', { method: 'POST', body: form })).headers.get('x-cache')
  }
  assert.equal([await post('one'), await post('one'), await post('two')], ['miss', 'hit', 'miss'])
})

test('bodies in pieces, held back or too large are taken as ever', async () => {
  const text = JSON.stringify({ text: 'pieces' })
  const chunks = `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
  const connection = new RawConnection(pellet.url)
  const head = 'POST /v1/keeps HTTP/1.1\r\nhost: x\r\n'
  for (const outcome of ['miss', 'hit']) {
    await connection.send(`${head}transfer-encoding: chunked\r\n\r\n`)
    await connection.send(chunks)
    assert.is((await connection.answer()).headers['x-cache'], outcome)
  }
  await connection.send(`${head}expect: 100-continue\r\ncontent-length: ${text.length}\r\n\r\n`)
  assert.is((await connection.answer()).status, 100)
  await connection.send(text)
  assert.is((await connection.answer()).headers['x-cache'], 'hit')
  await connection.send(`${head}content-length: ${60 * 2 ** 20}\r\n\r\n`)
  assert.is((await connection.answer()).status, 413)
  connection.end()
})

test('a hit for a depth map of 640x480 takes 3 ms at most', async () => {
  const body = await sharp(join(projectRoot, 'models/samples/room_1.jpg'))
    .resize(640, 480, { fit: 'fill' })
    .jpeg()
    .toBuffer()
  const agent = new Agent({ keepAlive: true })
  const headers = { 'content-type': 'image/jpeg', accept: 'application/x-npz', 'content-length': body.length }
  const ask = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      request(`${pellet.url}/v1/depth/estimate`, { method: 'POST', agent, headers }, resolve)
        .on('error', reject)
        .end(body)
    })
  const seenMs: number[] = []
  const foundMs: number[] = []
  for (let i = 0; i < 60; i++) {
    const since = performance.now()
    const answer = await ask()
    let sizeBytes = 0
    answer.on('data', (chunk: Buffer) => (sizeBytes += chunk.length))
    await once(answer, 'end')
    const ms = performance.now() - since
    assert.ok(sizeBytes > 1_000_000, `${answer.statusCode}: ${sizeBytes} bytes`)
    assert.is(answer.headers['x-cache'], i === 0 ? 'miss' : 'hit')
    if (i === 0) continue
    seenMs.push(ms)
    foundMs.push(Number(/^cache;dur=([\d.]+)$/.exec(String(answer.headers['server-timing']))![1]))
  }
  agent.destroy()
  // Other tests run beside this one: the best says what it costs.
  const best = [Math.min(...seenMs), Math.min(...foundMs)]
  assert.ok(best[0]! <= 3 && best[1]! <= 1, `seen by the caller: ${best[0]} ms, found: ${best[1]} ms`)
})

test('pellet cache says what is kept, and clears it', async () => {
  await keeps({ text: 'cleared' })
  const before = (await stats('keeps'))!
  assert.ok(before.entries > 5 && before.hits > 5 && before.misses > 5 && before.bypassed > 0)
  assert.is(before.hit_rate, before.hits / (before.hits + before.misses))
  const shown = await pellet.cli('cache', 'stats')
  assert.match(shown.stdout, /^NAME +ENTRIES [^]*\nkeeps +\d+ +[\d.]+ [KM]B +64 MB +10m +\d+ /)
  const cleared = await pellet.cli('cache', 'clear', 'keeps')
  assert.match(cleared.stdout, new RegExp(`^removed ${before.entries} answers, `))
  assert.equal([(await stats('keeps'))!.entries, (await stats('keeps'))!.bytes], [0, 0])
  assert.ok((await stats('picture'))!.entries > 0)
  assert.is((await keeps({ text: 'cleared' })).headers['x-cache'], 'miss')
  const json = JSON.parse((await pellet.cli('cache', 'stats', 'keeps', '--json')).stdout)
  assert.equal([json.length, json[0].name, json[0].entries], [1, 'keeps', 1])
  assert.match((await pellet.cli('cache', 'clear')).stdout, /^removed \d+ answers/)
  const wrong = [await pellet.cli('cache', 'stats', 'nobody'), await pellet.cli('cache', 'stats', 'forgets')]
  for (const { code, stderr } of wrong) assert.ok(code === 1 && /expected .*, found/.test(stderr), stderr)
  assert.is((await pellet.cli('cache', 'empty')).code, 2)
})

test('hits are requests, but no inferences', async () => {
  await callJson(`${pellet.url}/v1/picture`, { image: png.toString('base64') })
  const count = async (pattern: RegExp) => Number(pattern.exec(await (await pellet.fetch('/metrics')).text())![1])
  const hits = /pellet_cache_requests_total\{deployment="picture",outcome="hit"\} (\d+)/
  const requests = /pellet_requests_total\{deployment="picture",route="POST \/v1\/picture",code="200"\} (\d+)/
  const inferences = /hailo_inference_requests_total\{status="success",model="colour"\} (\d+)/
  const before = [await count(hits), await count(requests), await count(inferences)]
  await callJson(`${pellet.url}/v1/picture`, { image: png.toString('base64') })
  assert.equal(
    [await count(hits), await count(requests), await count(inferences)],
    [before[0]! + 1, before[1]! + 1, before[2]!],
  )
  assert.ok((await count(/pellet_cache_bytes\{deployment="picture"\} (\d+)/)) > 100)
})

test.run()

async function stats(name: string) {
  const rows = (await pellet.admin('GET', '/api/cache')) as import('../../runtime/results/cache-rows.ts').CacheRow[]
  return rows.find((row) => row.name === name)
}
