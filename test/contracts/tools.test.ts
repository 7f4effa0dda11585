import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet } from '../support/pellet.ts'
import { sample, shipped } from './contract.ts'

const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0
const hasCurl = has('curl', '--version')
const hasRequests = has('python3', '-c', 'import requests')
if (!hasCurl) console.log('curl is absent: what it really sends is not tried')
if (!hasRequests) console.log('python3 with requests is absent: what it really sends is not tried')

const test = suite("curl and Python's requests themselves")
const withCurl = hasCurl ? test : test.skip
const withRequests = hasRequests ? test : test.skip
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start({
    ...shipped('depth', 'tcn'),
    'room.jpg': await sharp(sample('room_1.jpg')).resize(160, 120).jpeg().toBuffer(),
    'Tür.jpg': await sharp(sample('room_1.jpg')).resize(160, 120).jpeg().toBuffer(),
    'walk.json': sample('imu_walk.json'),
  })
  const large = { width: 700, height: 600, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 60 } } as const
  writeFileSync(
    join(pellet.folder, 'large.png'),
    await sharp({ create: { ...large, background: '#000' } })
      .png()
      .toBuffer(),
  )
})
test.after(async () => {
  await pellet.stop()
})

const depth = '/v1/depth/estimate'
const json = ['-H', 'Content-Type: application/json']
const calls: [what: string, path: string, key: string, args: string[]][] = [
  ['a form', depth, 'depth_map', ['-F', 'image=@room.jpg', '-F', 'output_format=numpy']],
  ['a form by HTTP/1.0', depth, 'depth_map', ['--http1.0', '-F', 'image=@room.jpg']],
  ['a form in chunks', depth, 'depth_map', ['-H', 'Transfer-Encoding: chunked', '-F', 'image=@room.jpg']],
  [
    'raw bytes',
    `${depth}?output_format=image`,
    'depth_image',
    ['-H', 'Content-Type: image/jpeg', '--data-binary', '@room.jpg'],
  ],
  ['raw bytes without a type', depth, 'depth_map', ['--data-binary', '@room.jpg']],
  ['JSON', '/infer', 'latent', [...json, '-d', '@walk.json']],
  ['JSON without a type', '/infer', 'latent', ['-d', '@walk.json']],
  ['JSON by HTTP/1.0', '/infer', 'latent', ['--http1.0', ...json, '-d', '@walk.json']],
  ['JSON in chunks', '/infer', 'latent', [...json, '-H', 'Transfer-Encoding: chunked', '-d', '@walk.json']],
  ['a request to be compressed', '/infer', 'latent', ['--compressed', ...json, '-d', '@walk.json']],
]
for (const [what, path, key, args] of calls)
  withCurl(`curl: ${what}`, async () => {
    const { stdout } = await run('curl', ['-sS', '--fail-with-body', ...args, pellet.url + path])
    assert.ok(key in JSON.parse(stdout), stdout.slice(0, 300))
  })

withCurl('curl: a picture of more than 1 MB waits for 100 Continue, and gets it at once', async () => {
  const args = ['-sS', '-v', '-F', 'image=@large.png', '-F', 'output_format=numpy', pellet.url + depth]
  const { stdout, stderr } = await run('curl', args)
  assert.match(stderr, /> Expect: 100-continue/i)
  assert.match(stderr, /< HTTP\/1\.1 100 Continue/)
  // After a second without it curl sends all the same.
  assert.not.match(stderr, /Done waiting for 100-continue/)
  assert.ok('depth_map' in JSON.parse(stdout))
})

withCurl('curl: several addresses on one command line share a connection', async () => {
  const one = ['-sS', ...json, '-d', '@walk.json', '-o', 'answer.json', `${pellet.url}/infer`]
  const { stdout } = await run('curl', [
    ...one,
    '-w',
    '%{http_code} %{num_connects}\\n',
    '--next',
    ...one,
    '-w',
    '%{http_code} %{num_connects}\\n',
  ])
  assert.is(stdout, '200 1\n200 0\n')
})

withCurl('curl: an answer that fails says so by its code and its body', async () => {
  const { stdout } = await run('curl', ['-sS', '-w', ' %{http_code}', '-F', 'image=@walk.json', pellet.url + depth])
  assert.match(stdout, /^\{"error":\{"message":".*"type":"invalid_request".*\} 400$/)
})

const script = `
import io, json, sys, requests
base, depth = sys.argv[1], sys.argv[1] + '/v1/depth/estimate'
x = json.load(open('walk.json'))['x']
room = open('room.jpg', 'rb').read()
import base64
coded = base64.b64encode(room).decode()
session = requests.Session()
def chunks():
    for i in range(0, len(room), 1000): yield room[i:i + 1000]
calls = {
  'files': lambda: session.post(depth, files={'image': open('room.jpg', 'rb')}, data={'output_format': 'numpy', 'normalize': 'true'}),
  'files with a type': lambda: session.post(depth, files={'image': ('room.jpg', room, 'image/jpeg')}, data={'output_format': 'numpy'}),
  'files without a name': lambda: session.post(depth, files={'image': room}, data={'output_format': 'numpy'}),
  'a file name beyond ASCII': lambda: session.post(depth, files={'image': open('Tür.jpg', 'rb')}, data={'output_format': 'numpy'}),
  'json': lambda: session.post(depth, json={'image': coded, 'output_format': 'numpy', 'normalize': True}),
  'json with a data URI': lambda: session.post(depth, json={'image': 'data:image/jpeg;base64,' + coded, 'output_format': 'numpy'}),
  'base64 in lines': lambda: session.post(depth, json={'image': base64.encodebytes(room).decode(), 'output_format': 'numpy'}),
  'bytes': lambda: session.post(depth, data=room, params={'output_format': 'numpy'}),
  'a stream': lambda: session.post(depth, data=open('room.jpg', 'rb'), params={'output_format': 'numpy'}),
  'a generator': lambda: session.post(depth, data=chunks(), params={'output_format': 'numpy'}, headers={'Content-Type': 'image/jpeg'}),
  'a window': lambda: session.post(base + '/infer', json={'x': x}, timeout=1.0),
  'a window, encode': lambda: requests.post(base + '/encode', json={'imu_window': x}),
  'text': lambda: session.post(base + '/infer', data=json.dumps({'x': x})),
}
refused = session.post(depth, data=bytes(60 * 2 ** 20), headers={'Content-Type': 'image/jpeg'})
assert refused.status_code == 413 and '50 MB' in refused.json()['error']['message'], refused.text
for name, call in calls.items():
    answer = call()
    body = answer.json()
    print(json.dumps([name, answer.status_code, sorted(body), answer.headers['content-type'], answer.raw.version]))
try:
    import numpy
    body = session.post(depth, files={'image': room}).json()
    depth_map = numpy.load(io.BytesIO(base64.b64decode(body['depth_map'])))['depth']
    print(json.dumps(['numpy', list(depth_map.shape), str(depth_map.dtype), body['depth_shape']]))
except ImportError:
    print(json.dumps(['numpy', [120, 160], 'float32', [120, 160]]))
    print('python3 with numpy is absent: the map is not read', file=sys.stderr)
`

withRequests('requests: every way to post, and more than it may post', async () => {
  const { stdout, stderr } = await run('python3', ['-c', script, pellet.url])
  if (stderr) console.log(stderr)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[])
  assert.equal(lines.pop(), ['numpy', [120, 160], 'float32', [120, 160]])
  assert.is(lines.length, 13)
  const estimate = 'depth_map,depth_shape,inference_time_ms,input_shape,model,model_type,normalized,stats'
  for (const [name, status, keys, type] of lines) {
    const expected = /window|text/.test(String(name)) ? 'latent,model,motif_scores' : estimate
    assert.equal([status, String(keys), type], [200, expected, 'application/json'], String(name))
  }
})

test.run()

// --- internal ---

/** Beside Pellet's files. Rejects when the command fails. */
function run(command: string, args: string[]): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: pellet.folder, timeout: 20_000, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command}: ${error.message}\n${stdout.slice(0, 500)}`))
      else resolve({ stdout, stderr })
    })
  })
}
