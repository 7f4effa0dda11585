import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { settings } from '../../runtime/config-keys.ts'
import { adminSocketPath, ConfigError, loadConfig } from '../../runtime/config.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('configuration')
const root = temporaryFolder()
mkdirSync(join(root, 'etc'))

/** Configuration of a project with this pellet.yaml. */
function load(yaml: string | undefined, flags: Record<string, unknown> = {}, env: Record<string, string> = {}) {
  writeFileSync(join(root, 'pellet.yaml'), yaml ?? '')
  return loadConfig({ root, ...flags }, env)
}

test('the defaults', async () => {
  const { memoryBytes, ...config } = await load(undefined)
  assert.equal(config, {
    root,
    host: '127.0.0.1',
    port: 11500,
    public: false,
    functionsFolder: join(root, 'functions'),
    manifestsFolder: join(root, 'manifests'),
    modelsFolder: join(root, 'models'),
    lockFile: join(root, 'pellet.lock'),
    dataFolder: join(root, '.pellet'),
    socketPath: '',
    maxKeepAliveMs: -1,
    maxBytesInFlight: 128 * 2 ** 20,
    resultsTtlMs: 3_600_000,
    resultsMaxBytes: 256 * 2 ** 20,
    graceMs: 10_000,
    allowUrls: [],
    cacheStore: 'fs',
    cacheMaxBytes: 256 * 2 ** 20,
    logLevel: 'info',
    fetch: false,
    acceptLicences: [],
    mirrors: {},
    hailort: 'auto',
    deviceId: '',
    deviceGroup: '',
    deviceFrameTimeoutMs: 10_000,
    watch: false,
    requireToken: false,
  })
  assert.ok(memoryBytes > 2 ** 20 * 64)
})

test('the file, the environment and flags, in rising order', async () => {
  const yaml = 'port: 1\nhost: localhost\nmemory: 1GB\n'
  assert.is((await load(yaml)).port, 1)
  assert.is((await load(yaml, {}, { PELLET_PORT: '2' })).port, 2)
  assert.is((await load(yaml, { port: '3' }, { PELLET_PORT: '2' })).port, 3)
  assert.is((await load(yaml, {}, { PELLET_PORT: '' })).port, 1, 'an empty variable is none')
  const { host, memoryBytes } = await load(yaml, { port: '3' })
  assert.equal([host, memoryBytes], ['localhost', 2 ** 30])
})

const values: [yaml: string, field: string, value: unknown][] = [
  ['port: "8080"', 'port', 8080],
  ['port: 0', 'port', 0],
  ['public: true', 'public', true],
  ['public: "1"', 'public', true],
  ['public: "false"', 'public', false],
  ['grace: 0', 'graceMs', 0],
  ['grace: 1m', 'graceMs', 60_000],
  ['max_keep_alive: -1', 'maxKeepAliveMs', -1],
  ['max_keep_alive: 2h', 'maxKeepAliveMs', 7_200_000],
  ['max_bytes_in_flight: 1.5MB', 'maxBytesInFlight', 1_572_864],
  ['memory: 512', 'memoryBytes', 512],
  [
    'allow_urls: [Cam.local, "cam:8080", 10.0.0.0/8, "::1/128", "*"]',
    'allowUrls',
    ['cam.local', 'cam:8080', '10.0.0.0/8', '::1/128', '*'],
  ],
  ['allow_urls: cam.local, 10.0.0.0/8', 'allowUrls', ['cam.local', '10.0.0.0/8']],
  ['allow_urls: []', 'allowUrls', []],
  ['cache: memory', 'cacheStore', 'memory'],
  ['cache: redis://:secret@cache.local:6380/2', 'cacheStore', 'redis://:secret@cache.local:6380/2'],
  ['cache_max: 1GB', 'cacheMaxBytes', 2 ** 30],
  ['accept_licences: [MIT, Apache-2.0]', 'acceptLicences', ['MIT', 'Apache-2.0']],
  ['mirrors: { "https://a/": "http://b/" }', 'mirrors', { 'https://a/': ['http://b/'] }],
  [
    'mirrors: \'{ "https://a/": ["http://b/", "http://c/"] }\'',
    'mirrors',
    { 'https://a/': ['http://b/', 'http://c/'] },
  ],
  ['watch: true', 'watch', true],
  ['hailort: off', 'hailort', 'off'],
  ['hailort: false', 'hailort', 'off'],
  ['hailort: simulated:hailo10h', 'hailort', 'simulated:hailo10h'],
  ['device: 0001:01:00.0', 'deviceId', '0001:01:00.0'],
  ['device_frame_timeout: 500ms', 'deviceFrameTimeoutMs', 500],
  ['log_level: silent', 'logLevel', 'silent'],
  ['models: /srv/models', 'modelsFolder', '/srv/models'],
  ['lock: ../pellet.lock', 'lockFile', join(root, '../pellet.lock')],
  ['models: ../models', 'modelsFolder', join(root, '../models')],
  ['# nothing but a comment', 'port', 11500],
]
for (const [yaml, field, value] of values)
  test(yaml, async () => {
    assert.equal((await load(yaml))[field as never], value)
  })

const refused: [yaml: string, message: RegExp][] = [
  ['port: -1', /pellet\.yaml: port: expected a port from 0 to 65535, found -1/],
  ['port: 1.5', /port/],
  ['port: ""', /port/],
  ['port: true', /port: .*found true/],
  ['port: [1]', /port: .*found \[1\]/],
  ['port:', /port: .*found null/],
  ['public: "yes"', /public: expected true or false, found "yes"/],
  ['grace: -1', /grace: expected a duration/],
  ['grace: soon', /grace: expected a duration such as 10s, found "soon"/],
  ['memory: -5', /memory/],
  ['memory: 5 potatoes', /memory/],
  ['models: ""', /models: expected a folder/],
  ['models: 5', /models/],
  ['cache: disk', /cache: expected fs, memory, or the URL of a Redis/],
  ['cache: http://cache.local/', /cache: expected fs/],
  ['hailort: simulated:hailo9', /hailort: expected auto, off, simulated, or simulated:hailo8, /],
  ['device: 10.0.0.7', /device: expected the id of a device such as 0000:01:00\.0/],
  ['device_group: a b', /device_group: expected up to 64 letters/],
  ['device_frame_timeout: -1', /device_frame_timeout: expected a duration such as 10s/],
  ['log_level: loud', /log_level: expected one of trace/],
  ['host: "[::1]"', /host: expected an address such as 0\.0\.0\.0 or ::1, or a host name, found "\[::1\]"/],
  ['host: pi_board', /host: expected an address/],
  ['host: "fe80::1%eth0"', /host: expected an address/],
  ['allow_urls: ["http://cam.local/"]', /allow_urls: expected a list of hosts/],
  ['allow_urls: [10.0.0.0/33]', /allow_urls/],
  ['allow_urls: [10.0.0/8]', /allow_urls/],
  ['allow_urls: ["cam.local/path"]', /allow_urls/],
  ['allow_urls: [""]', /allow_urls/],
  ['allow_urls: [5]', /allow_urls/],
  ['mirrors: { a: http://b/ }', /mirrors: expected a mapping from the beginning of a URL/],
  ['mirrors: "{"', /mirrors: expected a mapping/],
  ['hosst: x', /hosst: unknown key; known are host, port/],
  ['constructor: x', /constructor: unknown key/],
  ['- a', /expected keys and values/],
  ['just text', /expected keys and values/],
  ['port: [1', /expected YAML/],
  ['port: 1\nport: 2', /expected YAML.*unique/],
]
for (const [yaml, message] of refused)
  test(`${JSON.stringify(yaml)} is refused`, async () => {
    const error = await load(yaml).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.instance(error, ConfigError)
    assert.match((error as Error).message, message)
  })

test('a configuration that is named must be there; its path is relative to the project', async () => {
  writeFileSync(join(root, 'etc/other.yaml'), 'port: 7\n')
  assert.is((await load('port: 1', { config: 'etc/other.yaml' })).port, 7)
  assert.is((await load('port: 1', {}, { PELLET_CONFIG: 'etc/other.yaml' })).port, 7)
  assert.is((await loadConfig({}, { PELLET_ROOT: root, PELLET_CONFIG: 'etc/other.yaml' })).port, 7)
  const error = await load('', { config: 'none.yaml' }).catch((thrown: Error) => thrown)
  assert.match((error as Error).message, 'none.yaml: expected a configuration file, found none')
})

test('the admin socket lies in the data folder, or where socket says', async () => {
  assert.is(adminSocketPath(await load('data: state')), join(root, 'state/pellet.sock'))
  assert.is(adminSocketPath(await load('socket: run/admin.sock')), join(root, 'run/admin.sock'))
  assert.is(adminSocketPath(await load('socket: /run/pellet/pellet.sock')), '/run/pellet/pellet.sock')
})

test('docs/configuration.md has a row for each key, and names those that are followed', () => {
  const text = readFileSync(join(projectRoot, 'docs/configuration.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| `(\w+)`/gm)].map(([, key, variable]) => [key, variable])
  const keys = Object.keys(settings)
  assert.equal(
    rows,
    keys.map((key) => [key, `PELLET_${key.toUpperCase()}`]),
  )
  const followed = text.match(/takes effect at once for ([^.]+)\./)![1]!
  assert.equal(
    [...followed.matchAll(/`(\w+)`/g)].map(([, key]) => key).sort(),
    keys.filter((key) => settings[key]!.isLive).sort(),
  )
})

test.run()
