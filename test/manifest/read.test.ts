import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toIssue, toIssueIn } from '../../runtime/manifest/issues.ts'
import { checkManifest, formatIssue, readManifest } from '../../runtime/manifest/read.ts'
import { brokenModel } from './broken-model.ts'
import { brokenProbe } from './broken-probe.ts'
import { brokenStatus } from './broken-status.ts'
import { broken } from './broken.ts'

const keys =
  'one of name, function, model, files, keep_alive, preload, pin, priority, pre, post, route, routes, input, errors, status, listen, limits, cache, probe'

const variables =
  'one of $name, $model, $engine, $device, $version, $revision, $digest, $digest_short, $loaded, $ready, $state, $uptime_s, $inferences, $errors, $last_error, $latency_ms'

const reading = suite('reading manifests')

for (const [group, rows] of Object.entries({ ...broken, ...brokenModel, ...brokenStatus, ...brokenProbe })) {
  reading(`tells what is wrong with ${group}`, () => {
    for (const [written, ...told] of rows) {
      const { issues } = readManifest('f.yaml', written)
      const expected = told.map((line) => `f.yaml:${line.replace('<keys>', keys).replace('<variables>', variables)}`)
      assert.equal(issues.map(formatIssue), expected, JSON.stringify(written))
    }
  })
}

reading('has a table that is worth its name', () => {
  const rows = Object.values({ ...broken, ...brokenModel, ...brokenStatus, ...brokenProbe }).flat()
  assert.ok(rows.length >= 60)
  assert.ok(rows.every(([, ...told]) => told.length > 0))
  assert.not.ok(rows.flat().some((line) => /invalid input|undefined|\[object/i.test(line)))
})

reading('tells all errors at once, by position', () => {
  const text = `name: Tags
keepalive: 5m
limits:
  queue: { depth: many }
  body: lots
model:
  onnx: { file: ../tags.onnx, std: 0 }
priority: 40
`
  const { issues } = readManifest('manifests/tags.yaml', text)
  assert.equal(
    issues.map(({ line, column, path }) => [line, column, path.join('.')]),
    [
      [1, 7, 'name'],
      [2, 1, 'keepalive'],
      [4, 19, 'limits.queue.depth'],
      [5, 9, 'limits.body'],
      [7, 17, 'model.onnx.file'],
      [7, 36, 'model.onnx.std'],
      [8, 11, 'priority'],
    ],
  )
  assert.is(
    formatIssue(issues[2]!),
    'manifests/tags.yaml:4:19 limits.queue.depth: expected a whole number of 0 or more, found "many"',
  )
})

reading('reads JSON, also with tabs, Windows line ends and a byte order mark', () => {
  for (const text of ['{\n\t"name": "x",\n\t"pre": ["tensor"]\n}', '\uFEFFname: x\r\npre: [tensor]\r\n']) {
    const { value, issues } = readManifest('f.json', text)
    assert.equal(issues, [])
    assert.equal(value, { name: 'x', pre: ['tensor'] })
  }
})

reading('follows anchors, and places trouble inside of them', () => {
  const { value, issues } = readManifest('f.yaml', 'pre: &chain [tensor, 3]\npost: *chain\n')
  assert.equal(value, { pre: ['tensor', 3], post: ['tensor', 3] })
  assert.equal(
    issues.map(({ line, column }) => [line, column]),
    [
      [1, 22],
      [1, 22],
    ],
  )
})

reading('bounds aliases, depth and length', () => {
  const bomb = [
    'x: &a [1,1,1,1,1,1,1,1,1]',
    ...'abcdefgh'
      .split('')
      .map(
        (name) => `${name}1: &${String.fromCharCode(name.charCodeAt(0) + 1)} [${Array(9).fill(`*${name}`).join(',')}]`,
      ),
  ].join('\n')
  const rows: [string, RegExp][] = [
    [bomb, /expected at most 100 aliases, found more$/],
    ['['.repeat(50_000), /expected at most 32 levels, found more$/],
    ['{a: '.repeat(5000), /expected at most 32 levels, found more$/],
    [`input: ${'['.repeat(40)}${']'.repeat(40)}`, /expected at most 32 levels, found more$/],
    [`input: { a: ${'['.repeat(18)}${']'.repeat(18)} }`, /expected at most 16 levels of lists and mappings/],
    [`pre: [${'a,'.repeat(30_000)}]`, /expected at most 20000 values, found more$/],
    [`# ${'x'.repeat(300_000)}`, /expected at most 64 KB of text, found 293 KB$/],
  ]
  for (const [text, expected] of rows) {
    const { issues } = readManifest('f.yaml', text)
    assert.is(issues.length, 1)
    assert.match(formatIssue(issues[0]!), expected)
  }
})

reading('takes __proto__ for a key and for nothing else', () => {
  const { value, issues } = readManifest('f.yaml', 'input: { __proto__: { polluted: true } }')
  assert.equal(issues, [])
  assert.ok(Object.hasOwn((value as { input: object }).input, '__proto__'))
  assert.is(({} as { polluted?: boolean }).polluted, undefined)
})

reading('finds keys and values, and for what is not there the key of what should hold it', () => {
  const { locate } = readManifest(
    'f.yaml',
    'pre:\n  - tensor\n  - image.resize:\n      width: 3\nlimits:\n  body: 1MB\nmodel:\n',
  )
  const rows: [(string | number)[], 'key' | 'value', number, number][] = [
    [[], 'value', 1, 1],
    [['pre'], 'key', 1, 1],
    [['pre', 0], 'value', 2, 5],
    [['pre', 1, 'image.resize'], 'key', 3, 5],
    [['pre', 1, 'image.resize', 'width'], 'key', 4, 7],
    [['pre', 1, 'image.resize', 'width'], 'value', 4, 14],
    [['pre', 1, 'image.resize', 'height'], 'value', 3, 5],
    [['pre', 7], 'value', 1, 1],
    [['limits', 'body'], 'value', 6, 9],
    [['limits', 'queue', 'depth'], 'value', 5, 1],
    [['model'], 'value', 7, 1],
    [['post'], 'value', 1, 1],
    [['limits', 'body', 'deeper'], 'value', 6, 3],
  ]
  for (const [path, part, line, column] of rows) assert.equal(locate(path, part), { line, column }, path.join('.'))
})

const inline = suite('inline manifests')

inline('are checked by the same rules, without lines', () => {
  const { issues, locate } = checkManifest({ name: 'X', keep_alive: NaN, pre: ['a', undefined] }, 'functions/tags.ts')
  assert.is(
    formatIssue(issues[0]!),
    'functions/tags.ts name: expected a name of lower-case letters, digits and inner dashes, at most 63, found "X"',
  )
  assert.equal(
    issues.map(({ path }) => path),
    [['name'], ['keep_alive'], ['pre', 1]],
  )
  assert.not.ok(issues.some((issue) => 'line' in issue))
  assert.is(locate(['name']), undefined)
})

inline('may not name a function, for the file is one', () => {
  const { issues } = checkManifest({ function: 'other' }, 'functions/tags.ts')
  assert.equal(issues.map(formatIssue), [
    'functions/tags.ts function: expected no such key in a function file, found "function"; leave it out, the file is the function',
  ])
})

inline('hold nothing that JSON cannot', () => {
  const input = { run() {}, when: new Date(0), big: 1n, map: new Map(), fine: [null, { a: 1 }] }
  const { issues } = checkManifest({ input }, 'functions/tags.ts')
  assert.equal(
    issues.map(({ path, found }) => [path.at(-1), found]),
    [
      ['run', 'a function'],
      ['when', 'a Date'],
      ['big', '1'],
      ['map', 'a Map'],
    ],
  )
})

inline('that are none are told so', () => {
  for (const value of [undefined, null, 3, [], 'x']) {
    assert.match(
      formatIssue(checkManifest(value, 'functions/tags.ts').issues[0]!),
      /^functions\/tags.ts: expected a manifest: /,
    )
  }
})

const placing = suite('placing what others find')

placing('gives file, line and path', () => {
  const source = readManifest('manifests/tags.yaml', 'pre: [image.decode, image.rezise]\n')
  const issue = toIssue(source, {
    path: ['pre', 1],
    expected: 'a step',
    found: '"image.rezise"',
    hint: 'did you mean image.resize?',
  })
  assert.is(
    formatIssue(issue),
    'manifests/tags.yaml:1:21 pre[1]: expected a step, found "image.rezise"; did you mean image.resize?',
  )
})

placing('chooses the manifest that has more of the path, and the written one in a tie', () => {
  const written = readManifest('manifests/tags.yaml', 'model: { onnx: b.onnx }\n')
  const inline = checkManifest({ model: { onnx: 'a.onnx' }, pre: ['a'] }, 'functions/tags.ts')
  const fileOf = (path: (string | number)[]) => toIssueIn({ written, inline }, { path, expected: '', found: '' }).file
  assert.is(fileOf(['pre', 0]), 'functions/tags.ts')
  assert.is(fileOf(['model', 'onnx']), 'manifests/tags.yaml')
  assert.is(fileOf(['post', 0]), 'manifests/tags.yaml')
  assert.is(toIssueIn({ inline }, { path: ['post'], expected: '', found: '' }).file, 'functions/tags.ts')
})

placing('a function file’s own manifest has places where it is a literal', () => {
  const text = `// manifest: { nope: 1 }
export default defineFunction({
  manifest: {
    // it's { not } the end
    model: { onnx: { file: 'a,b.onnx', mean: [1, scale({ a: [2, '}'] }), 'x'] } } as const,
    'keep_alive': \`\${5}m\`,
    pre: ['image.decode', { 'image.resize': { width: -8 } }],
  },
})`
  const value = { model: 1, keep_alive: 1, pre: 1 }
  const { locate } = checkManifest(value, 'functions/tags.ts', text)
  const places: [(string | number)[], number, number][] = [
    [[], 3, 13],
    [['model', 'onnx', 'mean', 2], 5, 74],
    [['keep_alive'], 6, 19],
    [['pre', 1, 'image.resize', 'width'], 7, 54],
    [['pre', 1, 'image.resize', 'height'], 7, 29],
    [['route'], 3, 13],
  ]
  for (const [path, line, column] of places) assert.equal(locate(path), { line, column }, path.join('.'))
  assert.equal(locate(['pre'], 'key'), { line: 7, column: 5 })
  assert.is(checkManifest({ other: 1 }, 'functions/tags.ts', text).locate(['other']), undefined)
  assert.is(checkManifest(value, 'functions/tags.ts', 'manifest: {pre: [`').locate(['pre'])?.column, 17)
})

reading.run()
inline.run()
placing.run()
