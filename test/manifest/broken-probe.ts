/** More of what `broken.ts` has: probes. */
const one = 'expected a mapping such as { input: sample.jpg, expect: { num_faces: 3 } }, or a list of such'
const checks = 'expected one of $near, $within, $min, $max, $length, $exists'

export const brokenProbe: Record<string, [written: string, ...told: string[]][]> = {
  probes: [
    ['probe: sample.jpg', `1:8 probe: ${one}, found "sample.jpg"`],
    ['probe: [sample.jpg]', `1:9 probe[0]: ${one}, found "sample.jpg"`],
    [
      'probe: { inptu: a.jpg }',
      '1:10 probe.inptu: expected one of route, input, body, query, headers, status, type, min_size, expect, found "inptu"; did you mean input?',
    ],
    [
      'probe: { input: ../a.jpg }',
      '1:17 probe.input: expected a path under the models folder without "..", or an absolute path, found "../a.jpg"',
    ],
    [
      'probe: { input: a.jpg, body: {} }',
      '1:8 probe: expected input or body, not both, found a mapping with input, body',
    ],
    ['probe: { body: text }', '1:16 probe.body: expected a mapping, which is sent as JSON, found "text"'],
    [
      'probe: { route: /v1/x }',
      '1:17 probe.route: expected one of its routes, such as "POST /v1/detect", found "/v1/x"',
    ],
    [
      'probe: { query: { top: [1] } }',
      '1:24 probe.query.top: expected text, a number, true or false, found a list of 1',
    ],
    [
      'probe: { headers: { Content-Length: "3" } }',
      '1:21 probe.headers.Content-Length: expected the name of a header, none of those of the connection, found "Content-Length"',
    ],
    ['probe: { headers: { Accept: 3 } }', '1:29 probe.headers.Accept: expected the text of a header, found 3'],
    ['probe: { status: 42 }', '1:18 probe.status: expected a whole number from 200 to 599, found 42'],
    ['probe: { type: png }', '1:16 probe.type: expected a content type such as image/png, found "png"'],
    [
      'probe: [{ status: 200 }, { min_size: 0 }]',
      '1:38 probe[1].min_size: expected a size above 0, such as "512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes, found 0',
    ],
    ['probe: { expect: { at: .inf } }', '1:24 probe.expect.at: expected a finite number, found Infinity'],
  ],
  'expectations of probes': [
    [
      'probe: { expect: { a: { $mni: 1 } } }',
      `1:25 probe.expect.a["$mni"]: ${checks}, found "$mni"; did you mean $min?`,
    ],
    [
      'probe: { expect: { $cost: 1 } }',
      `1:20 probe.expect["$cost"]: ${checks}, found "$cost"; write $$ for a key that begins with a dollar sign`,
    ],
    [
      'probe: { expect: [1, { $near: 2 }] }',
      '1:24 probe.expect[1]["$near"]: expected $within beside $near, found none; write { $near: 12.5, $within: 0.1 }',
    ],
    [
      'probe: { expect: { $within: 1 } }',
      '1:20 probe.expect["$within"]: expected $near beside $within, found none; write { $near: 12.5, $within: 0.1 }',
    ],
    [
      'probe: { expect: { $near: [1, x], $within: -1 } }',
      '1:27 probe.expect["$near"]: expected a number, or a list of numbers, found a list of 2',
      '1:44 probe.expect["$within"]: expected a number of 0 or more, or a percentage such as "5%", found -1',
    ],
    [
      'probe: { expect: { $near: 1, $within: little } }',
      '1:39 probe.expect["$within"]: expected a number of 0 or more, or a percentage such as "5%", found "little"',
    ],
    [
      'probe: { expect: { $min: low, $max: [1] } }',
      '1:26 probe.expect["$min"]: expected a number, found "low"',
      '1:37 probe.expect["$max"]: expected a number, found a list of 1',
    ],
    [
      'probe: { expect: { $length: 1.5 } }',
      '1:29 probe.expect["$length"]: expected a whole number, or a mapping with $min or $max, found 1.5',
    ],
    [
      'probe: { expect: { $length: { $near: 1 } } }',
      '1:29 probe.expect["$length"]: expected a whole number, or a mapping with $min or $max, found a mapping with $near',
    ],
    ['probe: { expect: { $exists: 1 } }', '1:29 probe.expect["$exists"]: expected true or false, found 1'],
  ],
}
