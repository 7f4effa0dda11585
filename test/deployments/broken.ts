import { toHefProto } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import type { ProjectFiles } from '../support/pellet.ts'
import { answering } from './tiny.ts'

const model = `model: { onnx: identity.onnx }`
const colours = `model: { onnx: colour.onnx }\npre: [image.decode, image.resize, tensor]\n`
const zeros = 'a'.repeat(64)
const withHef = (entry: string) => `model:\n  onnx: identity.onnx\n  hef:\n    hailo8: ${entry}\n`
/** For the architecture of this number: 1 Hailo-8, 103 Hailo-10H. */
const hefOf = (arch: number) => toHef(3, toHefProto({ arch, groups: [{ name: 'n', edges: [] }] }))

/** Projects by the name that is refused, and what is said of it: a text that is in it, or a pattern. */
export const broken: Record<string, { files: ProjectFiles; expected: (string | RegExp)[] }> = {
  'all-at-once': {
    files: {
      'manifests/all-at-once.yaml': `model:\n  onnx: { file: identity.onnx, mena: 3 }\nkeep_alive: 5 parsecs\npre: [image.decode, softmax]\npost: [{ topk: { kk: 3 } }]\nfiles: { labels: none.txt }\n`,
    },
    expected: [
      /^manifests\/all-at-once\.yaml:2:32 model\.onnx\.mena: .*did you mean mean/,
      /^manifests\/all-at-once\.yaml:3:13 keep_alive: /,
      /^manifests\/all-at-once\.yaml:4:21 pre\[1\]: expected a step that takes image, found softmax/,
      /^manifests\/all-at-once\.yaml:5:22 post\[0\]\.topk\.kk: /,
      /^manifests\/all-at-once\.yaml:6:18 files\.labels: expected a file at /,
    ],
  },
  syntax: {
    files: { 'functions/syntax.ts': `import { step } from 'pellet'\n\nexport default { steps: \n` },
    expected: [/^functions\/syntax\.ts:\d+:\d+: /],
  },
  'missing-import': {
    files: { 'functions/missing-import.ts': `import { x } from './nothing.ts'\nexport default x\n` },
    expected: [/^functions\/missing-import\.ts:1:\d+: .*nothing/],
  },
  'missing-package': {
    files: { 'functions/missing-package.ts': `\nimport x from 'left-pad'\nexport default x\n` },
    expected: [/^functions\/missing-package\.ts:2:\d+: .*left-pad/],
  },
  throws: {
    files: { 'functions/throws.ts': `const x: number = 1\nthrow new Error('no such luck')\n` },
    expected: [/^functions\/throws\.ts: .*no such luck/, 'functions/throws.ts:2:7'],
  },
  chatters: {
    files: {
      'functions/chatters.ts': `process.send!(null)\nprocess.send!({ type: 'described' , x: 1 })\nexport const x = 1`,
    },
    expected: [/^functions\/chatters\.ts: /],
  },
  'no-default': {
    files: { 'functions/no-default.ts': `export const x = 1` },
    expected: [/^functions\/no-default\.ts: default export: .*defineFunction.*undefined/],
  },
  'not-a-step': {
    files: {
      'functions/not-a-step.ts': `import { defineFunction } from 'pellet'\nexport default defineFunction({ steps: { a: 5 as never } })`,
    },
    expected: [/steps\.a: expected a step/],
  },
  'bad-input': {
    files: {
      'functions/bad-input.ts': `import { defineFunction } from 'pellet'\nexport default defineFunction({ input: { n: 5 } as never })`,
    },
    expected: [/^functions\/bad-input\.ts: .*input\.n: expected a zod schema.*found number/],
  },
  'big-manifest': {
    files: { 'functions/big-manifest.ts': `export default { manifest: { priority: 5n } }` },
    expected: [/^functions\/big-manifest\.ts: manifest: .*BigInt/],
  },
  'heap-gone': {
    files: {
      'functions/heap-gone.ts': `process.stderr.write('FATAL ERROR: out of memory\\n 1: 0x12ab node::Abort() [node]\\n 2: 0x34cd  [node]\\n')\nprocess.exit(9)`,
    },
    expected: [/^functions\/heap-gone\.ts: .*\(exit code 9\): FATAL ERROR: out of memory$/],
  },
  'as-built-in': {
    files: {
      'functions/as-built-in.ts': `import { defineFunction, step } from 'pellet'\nexport default defineFunction({ manifest: { ${model.replace('identity.onnx', "'identity.onnx'")} }, steps: { softmax: step.outputs((o) => o) } })`,
    },
    expected: [/^functions\/as-built-in\.ts: steps\.softmax: .*built-in/],
  },
  'no-manifest': {
    files: { 'functions/no-manifest.ts': `import { defineFunction } from 'pellet'\nexport default defineFunction({})` },
    expected: [/functions\/no-manifest\.ts: expected a manifest .*manifests\/no-manifest\.yaml/],
  },
  'wrong-inline': {
    files: {
      'functions/wrong-inline.ts': answering('return 1', { manifest: `keepalive: 5, limits: { timeout: 'soon' }` }),
    },
    expected: [
      /functions\/wrong-inline\.ts.* keepalive: .*keep_alive/,
      /functions\/wrong-inline\.ts.* limits\.timeout: /,
    ],
  },
  'unknown-step': {
    files: { 'manifests/unknown-step.yaml': `${model}\npre: [image.decode, image.resise]\npost: [topk]\n` },
    expected: [
      /^manifests\/unknown-step\.yaml:2:21 pre\[1\]: expected a step: .*image\.resize.*, found "image\.resise"/,
    ],
  },
  'odd-step': {
    files: { 'manifests/odd-step.yaml': `${model}\npre: [constructor]\npost: [toString]\n` },
    expected: [/^manifests\/odd-step\.yaml:2:7 pre\[0\]: .*found "constructor"/, /:3:8 post\[0\]: .*found "toString"/],
  },
  kinds: {
    files: { 'manifests/kinds.yaml': `${model}\npre: [image.decode, softmax, tensor]\npost: [topk, softmax]\n` },
    expected: [
      /kinds\.yaml:2:21 pre\[1\]: expected a step that takes image, found softmax/,
      /kinds\.yaml:3:14 post\[1\]: /,
    ],
  },
  'no-steps': {
    files: { 'manifests/no-steps.yaml': `${model}\n` },
    expected: [/no-steps\.yaml:1:1 pre: expected a chain that ends in tensors, found no step/],
  },
  'early-end': {
    files: { 'manifests/early-end.yaml': `${model}\npre: [image.decode]\npost: [softmax]\n` },
    expected: [
      /:2:6 pre: expected a chain that ends in tensors, found image\.decode, which gives image/,
      /:3:7 post: /,
    ],
  },
  'step-options': {
    files: {
      'manifests/step-options.yaml': [
        'model: { onnx: colour.onnx }',
        'pre:',
        '  - image.decode',
        '  - image.resize: { kernel: best, wdth: 5 }',
        '  - tensor',
        'post:',
        '  - topk: { k: 0 }',
      ].join('\n'),
    },
    expected: [
      /:4:29 .*kernel: expected one of "nearest".*, found "best"/,
      /:4:41 .*wdth: .*width.*found the unknown option "wdth"/,
      /:7:16 post\[0\]\.topk\.k: expected number to be >=1, found 0/,
    ],
  },
  'shape-mismatch': {
    files: { 'manifests/shape-mismatch.yaml': `${model}\npre: [image.decode, image.resize, tensor]\npost: [topk]\n` },
    expected: [
      /shape-mismatch\.yaml:2:\d+ pre\[\d\].*(resize|tensor): expected a model with an image input.*"x" float32 \[1, 4\]/,
    ],
  },
  'route-input': {
    files: { 'functions/options.ts': answering('return 1', { manifest: `name: 'route-input', input: { n: 7 }` }) },
    expected: [/functions\/options\.ts.* input\.n: expected no options/],
  },
  'model-damaged': {
    files: {
      'manifests/model-damaged.yaml': 'model: { onnx: damaged.onnx }\npre: [image.decode, tensor]\npost: [topk]\n',
      'models/damaged.onnx': 'no model at all',
    },
    expected: [/^manifests\/model-damaged\.yaml:1:\d+ model\.onnx: .*damaged\.onnx/],
  },
  'model-folder': {
    files: { 'manifests/model-folder.yaml': 'model: { onnx: folder }\n', 'models/folder/x': '' },
    expected: [/model-folder\.yaml:1:\d+ model\.onnx: .*found something that is no file/],
  },
  'model-digest': {
    files: { 'manifests/model-digest.yaml': `model:\n  onnx:\n    file: identity.onnx\n    sha256: "${zeros}"\n` },
    expected: [
      new RegExp(
        `^manifests/model-digest\\.yaml:4:\\d+ model\\.onnx\\.sha256: expected .*${zeros}, found [0-9a-f]{64}`,
      ),
    ],
  },
  'hef-only': {
    files: { 'manifests/hef-only.yaml': 'model:\n  hef: { hailo8: a.hef }\n' },
    expected: [
      /^manifests\/hef-only\.yaml:\d+:\d+ model: expected an NPU for a HEF alone, but no NPU was found; give an onnx entry as well/,
    ],
  },
  'hef-text': {
    files: { 'manifests/hef-text.yaml': withHef('text.hef'), 'models/text.hef': '{ "mock_hef": true }\n' },
    expected: [
      /^manifests\/hef-text\.yaml:4:\d+ model\.hef\.hailo8: models\/text\.hef: expected a HEF, found a text file/,
    ],
  },
  'hef-cut': {
    files: { 'manifests/hef-cut.yaml': withHef('cut.hef'), 'models/cut.hef': hefOf(1).subarray(0, -1) },
    expected: [
      /model\.hef\.hailo8: models\/cut\.hef: expected \d+ bytes, as its header says, found \d+: it is cut off/,
    ],
  },
  'hef-chip': {
    files: { 'manifests/hef-chip.yaml': `${withHef('h10.hef')}    hailo8l: h10.hef\n`, 'models/h10.hef': hefOf(103) },
    expected: [
      'model.hef.hailo8: expected a HEF that hailo8 takes, found models/h10.hef: it is compiled for hailo10h and does not run on hailo8',
      'model.hef.hailo8l: expected a HEF that hailo8l takes, found models/h10.hef',
    ],
  },
  'hef-digest': {
    files: {
      'manifests/hef-digest.yaml': withHef(`{ file: right.hef, sha256: "${zeros}" }`),
      'models/right.hef': hefOf(1),
    },
    expected: [new RegExp(`model\\.hef\\.hailo8\\.sha256: expected models/right\\.hef to have sha256 ${zeros}`)],
  },
  'hailort-engine': {
    files: {
      'manifests/hailort-engine.yaml': 'model: { engine: hailort, onnx: identity.onnx, hef: { hailo8: a.hef } }\n',
    },
    expected: [/^manifests\/hailort-engine\.yaml:1:\d+ model\.engine: .*hailort/],
  },
  'file-missing': {
    files: { 'functions/file-missing.ts': answering('return 1', { manifest: `files: { labels: 'nowhere.txt' }` }) },
    expected: [/functions\/file-missing\.ts.* files\.labels: expected a file at .*nowhere\.txt, found none/],
  },
  'file-broken': {
    files: {
      'functions/file-broken.ts': answering('return 1', { manifest: `files: { table: 'broken.json' }` }),
      'models/broken.json': '{"a": ',
    },
    expected: [/files\.table: .*broken\.json/],
  },
  'labels-short': {
    files: {
      'manifests/labels-short.yaml':
        'model: { onnx: colour.onnx }\nfiles: { labels: two.txt }\npre: [image.decode, image.resize, tensor]\npost: [topk]\n',
      'models/two.txt': 'red\ngreen\n',
    },
    expected: [/labels-short\.yaml:4:\d+ post\[0\].*topk: expected 3 labels in files\.labels.*found 2/],
  },
  'calls-nobody': {
    files: {
      'manifests/calls-nobody.yaml': `${colours}routes:\n  POST /v1/calls-nobody:\n    - argmax\n    - call:\n        deployment: fyne\n        send: index\n    - call: { deployment: fine, route: GET /v1/fine }\n`,
    },
    expected: [
      /^manifests\/calls-nobody\.yaml:6:7 routes\["POST \/v1\/calls-nobody"\]\[1\]: expected a deployment \(.*\), found "fyne"; did you mean fine\?$/,
      /^manifests\/calls-nobody\.yaml:9:7 routes\["POST \/v1\/calls-nobody"\]\[2\]: expected a route of fine \(POST \/v1\/fine\), found "GET \/v1\/fine"/,
    ],
  },
  'calls-round': {
    files: {
      'manifests/calls-round.yaml': `${colours}post: [argmax, { call: { deployment: calls-back } }]\n`,
      'functions/calls-back.ts': answering('return {}', {
        manifest: `post: ['answer', { call: { deployment: 'calls-round' } }]`,
      }).replace("post: ['answer'], ", ''),
    },
    expected: [
      'manifests/calls-round.yaml:3:16 post[1]: expected calls that come to an end, found the ring calls-round -> calls-back -> calls-round',
    ],
  },
  'function-missing': {
    files: {
      'manifests/function-missing.yaml': `model: { onnx: nowhere.onnx }\nfunction: nobody\nkeep_alive: x\nfiles: { labels: none.txt }\n`,
    },
    expected: [
      /^manifests\/function-missing\.yaml:1:16 model\.onnx: expected a model file at models\/nowhere\.onnx, found none/,
      /^manifests\/function-missing\.yaml:2:11 function: expected a function file at functions\/nobody\.ts, found none/,
      /^manifests\/function-missing\.yaml:3:13 keep_alive: /,
      /^manifests\/function-missing\.yaml:4:18 files\.labels: expected a file at models\/none\.txt, found none/,
    ],
  },
  'function-broken': {
    files: {
      'functions/function-broken.ts': 'export default',
      'manifests/function-broken.yaml': `keep_alive: x\nfiles: { labels: none.txt }\n`,
    },
    expected: [
      /^manifests\/function-broken\.yaml:1:13 keep_alive: /,
      /^manifests\/function-broken\.yaml:2:18 files\.labels: /,
      /^functions\/function-broken\.ts:1:\d+: /,
    ],
  },
  'wrong-steps': {
    files: {
      'manifests/wrong-steps.yaml': `model: { onnx: nowhere.onnx }\npre: image.decode\nroute: /v1/x\nfiles: { labels: none.txt }\n`,
    },
    expected: [/:1:16 model\.onnx: /, /:2:6 pre: /, /:3:8 route: /, /:4:18 files\.labels: /],
  },
  'bad-yaml': {
    files: { 'manifests/bad-yaml.yaml': 'model: { onnx: a.onnx\npre: [x]\n' },
    expected: [/^manifests\/bad-yaml\.yaml:\d+:\d+: /],
  },
  probes: {
    files: { 'manifests/probes.yaml': `${model}\nprobe: [{ input: gone.jpg }, { route: POST /v1/probe }]\n` },
    expected: [
      /probes\.yaml:2:39 probe\[1\]\.route: expected one of POST \/v1\/probes, found "POST \/v1\/probe"; did you mean/,
    ],
  },
  Bad_Name: {
    files: { 'functions/Bad_Name.ts': answering('return 1') },
    expected: [/functions\/Bad_Name\.ts.* name: expected a name.* of lower-case letters.*"Bad_Name"/],
  },
  'bad name': {
    files: { 'manifests/bad name.yaml': `${model}\n` },
    expected: [/^manifests\/bad name\.yaml.* name: expected a name.* of lower-case letters.*"bad name"/],
  },
}
