/** Manifests that are refused: what was written, and every issue as it is told, after `f.yaml:`. */
export const broken: Record<string, [written: string, ...told: string[]][]> = {
  'the text': [
    ['', '1:1: expected a manifest: a mapping with keys such as name, model, pre and post, found nothing'],
    ['[]', '1:1: expected a manifest: a mapping with keys such as name, model, pre and post, found an empty list'],
    ['hello', '1:1: expected a manifest: a mapping with keys such as name, model, pre and post, found "hello"'],
    [
      'name: x\n---\nname: y\n',
      '2:1: expected one manifest in a file, found a second document; put it into a file of its own',
    ],
    ['\tname: x', '1:1: expected spaces as indentation, found a tab; replace tabs by spaces'],
    ['name: x\n\tpin: true', '2:1: expected spaces as indentation, found a tab; replace tabs by spaces'],
    ['name: x\n pin: true', '1:7: expected YAML, found "x"; Nested mappings are not allowed in compact mappings'],
    [
      'name: [',
      '1:8: expected YAML, found the end of the line; Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['name: "x', '1:9: expected YAML, found the end of the line; Missing closing "quote'],
    ['name: "a\\qb"', '1:9: expected YAML, found "\\\\qb\\""; Invalid escape sequence \\q'],
    ['a: b: c', '1:4: expected YAML, found "b: c"; Nested mappings are not allowed in compact mappings'],
    ['name: !foo x', '1:7: expected plain data, found "!foo x"; put text that begins with ! in quotes'],
    [
      '? [a]\n: b',
      '1:3: expected a plain word as key, found a list, mapping or alias; put text with { [ or * in quotes',
    ],
    ['pre: [*x]', '1:7 pre[0]: expected an anchor before its alias, found *x'],
    ['pre: &a [*a]', '1:10 pre[0]: expected an alias that is not inside its own anchor, found *a'],
    ['name: x\nname: y', '2:1 name: expected each key once, found a second "name"'],
    [
      'limits:\n  body: 1MB\n  threads: 1\n  body: 2MB',
      '4:3 limits.body: expected each key once, found a second "body"',
    ],
  ],
  keys: [
    ['keepalive: 5m', '1:1 keepalive: expected <keys>, found "keepalive"; did you mean keep_alive?'],
    ['keepAlive: 5m', '1:1 keepAlive: expected <keys>, found "keepAlive"; did you mean keep_alive?'],
    ['limit: {}', '1:1 limit: expected <keys>, found "limit"; did you mean limits?'],
    ['timeout: 30s', '1:1 timeout: expected <keys>, found "timeout"; it belongs under limits'],
    ['onnx: a.onnx', '1:1 onnx: expected <keys>, found "onnx"; it belongs under model'],
    ['<<: {}', '1:1 ["<<"]: expected <keys>, found "<<"'],
    ['__proto__: {}', '1:1 __proto__: expected <keys>, found "__proto__"'],
    ['constructor: 1', '1:1 constructor: expected <keys>, found "constructor"'],
    ['1: 2', '1:1 ["1"]: expected <keys>, found "1"'],
    [
      'cache: { ttl: -1 }',
      '1:15 cache.ttl: expected a duration from 1ms to 36525d, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, found -1',
    ],
    ['cache: 10m', '1:8 cache: expected a mapping such as { ttl: 10m, max: 64MB }, true, or false, found "10m"'],
    ['cache: { tll: 1m }', '1:10 cache.tll: expected one of ttl, max, found "tll"; did you mean ttl?'],
    [
      'limits: { queue: { dept: 3 } }',
      '1:20 limits.queue.dept: expected one of depth, drop, found "dept"; did you mean depth?',
    ],
    [
      'limits: { cache: 3 }',
      '1:11 limits.cache: expected one of concurrency, queue, timeout, body, pixels, heap, memory, threads, found "cache"',
    ],
  ],
  'names and flags': [
    ['name: Foo', '1:7 name: expected a name of lower-case letters, digits and inner dashes, at most 63, found "Foo"'],
    ['name: -x', '1:7 name: expected a name of lower-case letters, digits and inner dashes, at most 63, found "-x"'],
    [
      'name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
      '1:7 name: expected a name of lower-case letters, digits and inner dashes, at most 63, found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."',
    ],
    ['name: 12', '1:7 name: expected a name of lower-case letters, digits and inner dashes, at most 63, found 12'],
    [
      'name:',
      '1:1 name: expected a name of lower-case letters, digits and inner dashes, at most 63, found nothing; give it a value or leave the key out',
    ],
    [
      'function: scrfd.ts',
      '1:11 function: expected the name of a file in functions/ without its ending, found "scrfd.ts"',
    ],
    [
      'function: ../scrfd',
      '1:11 function: expected the name of a file in functions/ without its ending, found "../scrfd"',
    ],
    ['preload: yes', '1:10 preload: expected true or false, found "yes"'],
    ['pin: 1', '1:6 pin: expected true or false, found 1'],
    ['priority: 40', '1:11 priority: expected a whole number from 0 to 31, found 40'],
    ['priority: 1.5', '1:11 priority: expected a whole number from 0 to 31, found 1.5'],
    ['priority: high', '1:11 priority: expected a whole number from 0 to 31, found "high"'],
    [
      'errors: Text',
      '1:9 errors: expected one of pellet, text, object, detail, deepstack, found "Text"; did you mean text?',
    ],
    ['errors: json', '1:9 errors: expected one of pellet, text, object, detail, deepstack, found "json"'],
    ['errors: 3', '1:9 errors: expected one of pellet, text, object, detail, deepstack, found 3'],
  ],
  keep_alive: [
    [
      'keep_alive: 5 parsecs',
      '1:13 keep_alive: expected a duration, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, 0 for at once or -1 for ever, found "5 parsecs"',
    ],
    [
      'keep_alive: -2',
      '1:13 keep_alive: expected a duration, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, 0 for at once or -1 for ever, found -2',
    ],
    [
      'keep_alive: .inf',
      '1:13 keep_alive: expected a duration, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, 0 for at once or -1 for ever, found Infinity',
    ],
    [
      'keep_alive: true',
      '1:13 keep_alive: expected a duration, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, 0 for at once or -1 for ever, found true',
    ],
    [
      'keep_alive: [5m]',
      '1:13 keep_alive: expected a duration, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, 0 for at once or -1 for ever, found a list of 1',
    ],
    [
      'keep_alive:',
      '1:1 keep_alive: expected a duration, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, 0 for at once or -1 for ever, found nothing; give it a value or leave the key out',
    ],
  ],
  limits: [
    ['limits: 3', '1:9 limits: expected a mapping with limits such as { concurrency: 4, timeout: 30s }, found 3'],
    [
      'limits:',
      '1:1 limits: expected a mapping with limits such as { concurrency: 4, timeout: 30s }, found nothing; give it a value or leave the key out',
    ],
    ['limits: { concurrency: 0 }', '1:24 limits.concurrency: expected a whole number from 1 to 1024, found 0'],
    [
      'limits: { queue: 32 }',
      '1:18 limits.queue: expected a mapping with depth and drop, found 32; write queue: { depth: 32 }',
    ],
    [
      'limits: { queue: { depth: many } }',
      '1:27 limits.queue.depth: expected a whole number of 0 or more, found "many"',
    ],
    ['limits: { queue: { depth: -1 } }', '1:27 limits.queue.depth: expected a whole number of 0 or more, found -1'],
    ['limits: { queue: { drop: old } }', '1:26 limits.queue.drop: expected one of newest, oldest, found "old"'],
    [
      'limits: { timeout: -1 }',
      '1:20 limits.timeout: expected a duration from 1ms to 1d, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, found -1',
    ],
    [
      'limits: { timeout: 0 }',
      '1:20 limits.timeout: expected a duration from 1ms to 1d, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, found 0',
    ],
    [
      'limits: { timeout: 2d }',
      '1:20 limits.timeout: expected a duration from 1ms to 1d, such as "250ms", "30s", "5m", "1h30m", "1d" or a number of seconds, found "2d"',
    ],
    [
      'limits: { body: lots }',
      '1:17 limits.body: expected a size above 0, such as "512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes, found "lots"',
    ],
    [
      'limits: { body: 0 }',
      '1:17 limits.body: expected a size above 0, such as "512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes, found 0',
    ],
    [
      'limits: { body: 1.5 }',
      '1:17 limits.body: expected a size above 0, such as "512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes, found 1.5',
    ],
    [
      'limits: { pixels: 50MB }',
      '1:19 limits.pixels: expected a count above 0, such as "4k", "50M" (powers of 1000) or a plain number, found "50MB"',
    ],
    [
      'limits: { heap: 1MB }',
      '1:17 limits.heap: expected a size of 32 MB or more, such as "512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes, found "1MB"',
    ],
    [
      'limits: { memory: 32MB }',
      '1:19 limits.memory: expected a size of 64 MB or more, such as "512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes, found "32MB"',
    ],
    ['limits: { threads: 0 }', '1:20 limits.threads: expected a whole number from 1 to 256, found 0'],
  ],
}
