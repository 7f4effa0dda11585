/** More of what `broken.ts` has: status routes and ports. */
const answers =
  'expected a mapping, which is the body, or a list of cases such as [{ when: loading, code: 503, body: {} }, { body: {} }]'
const route =
  'expected GET and a path such as "GET /health": letters, digits and -._~, no parameters, no slash at the end'

export const brokenStatus: Record<string, [written: string, ...told: string[]][]> = {
  listen: [
    ['listen: 0', '1:9 listen: expected a port from 1 to 65535, or a list of such, found 0'],
    ['listen: 70000', '1:9 listen: expected a port from 1 to 65535, or a list of such, found 70000'],
    ['listen: 80.5', '1:9 listen: expected a port from 1 to 65535, or a list of such, found 80.5'],
    ['listen: "5001"', '1:9 listen: expected a port from 1 to 65535, or a list of such, found "5001"'],
    ['listen: [5001, http]', '1:16 listen[1]: expected a port from 1 to 65535, or a list of such, found "http"'],
    ['listen: [5001, 5002, 5001]', '1:9 listen: expected each port once, found a list of 3'],
    ['listen: {}', '1:9 listen: expected a port from 1 to 65535, or a list of such, found an empty mapping'],
  ],
  'status routes': [
    [
      'status: [/health]',
      '1:9 status: expected a mapping of routes to answers such as GET /health: { status: ok, model: $model }, found a list of 1',
    ],
    ['status: { POST /health: {} }', `1:11 status["POST /health"]: ${route}, found "POST /health"`],
    ['status: { /health: {} }', `1:11 status["/health"]: ${route}, found "/health"`],
    ['status:\n  GET /m/{id}: {}', `2:3 status["GET /m/{id}"]: ${route}, found "GET /m/{id}"`],
    ['status: { "GET /m/:id": {} }', `1:11 status["GET /m/:id"]: ${route}, found "GET /m/:id"`],
    ['status: { GET /health/: {} }', `1:11 status["GET /health/"]: ${route}, found "GET /health/"`],
    ['status: { GET /a: healthy }', `1:19 status["GET /a"]: ${answers}, found "healthy"`],
    ['status: { GET /a: }', `1:11 status["GET /a"]: ${answers}, found nothing; give it a value or leave the key out`],
    ['status: { GET /a: { at: .inf } }', '1:25 status["GET /a"].at: expected a finite number, found Infinity'],
    [
      'status: { GET /a: { code: 503, body: {} } }',
      '1:19 status["GET /a"]: expected a body, found a mapping with code, body; a case stands in a list, put - before it',
    ],
    [
      'route: GET /a\nstatus: { GET /a: {} }',
      '2:11 status["GET /a"]: expected a path other than those of the inference routes, found GET /a; leave out one of them, or give it another path',
    ],
    [
      'routes: { GET /b: [], GET /a: [] }\nstatus: { GET /a: {} }',
      '2:11 status["GET /a"]: expected a path other than those of the inference routes, found GET /a; leave out one of them, or give it another path',
    ],
  ],
  'cases of status routes': [
    ['status: { GET /a: [] }', '1:19 status["GET /a"]: expected at least one case, found an empty list'],
    [
      'status: { GET /a: [ready] }',
      '1:20 status["GET /a"][0]: expected a case: a mapping with body, and when and code where they are wanted, found "ready"',
    ],
    [
      'status: { GET /a: [{ code: 200 }] }',
      '1:20 status["GET /a"][0]: expected a case with a body, which may be any JSON, found a mapping with code',
    ],
    [
      'status: { GET /a: [{ wen: ready, body: 1 }, { body: 2 }] }',
      '1:20 status["GET /a"][0]: expected a `when` in every case but the last, found none; those below would never answer',
      '1:22 status["GET /a"][0].wen: expected one of when, code, body, found "wen"; did you mean when?',
    ],
    [
      'status: { GET /a: [{ when: not-ready, body: 1 }, { body: 2 }] }',
      '1:28 status["GET /a"][0].when: expected one of ready, not_ready, loading, failed, found "not-ready"; did you mean not_ready?',
    ],
    [
      'status: { GET /a: [{ code: 199, body: 1 }] }',
      '1:28 status["GET /a"][0].code: expected a whole number from 200 to 599, found 199',
    ],
    [
      'status: { GET /a: [{ code: 204, body: {} }] }',
      '1:28 status["GET /a"][0].code: expected a status code that may have a body, found 204',
    ],
    [
      'status: { GET /a: [{ when: ready, code: 600, body: 1 }] }',
      '1:28 status["GET /a"][0].when: expected a last case without `when`, found "ready"; it answers when no other does',
      '1:41 status["GET /a"][0].code: expected a whole number from 200 to 599, found 600',
    ],
    [
      'status:\n  GET /a:\n    - body: 1\n    - body: 2',
      '3:7 status["GET /a"][0]: expected a `when` in every case but the last, found none; those below would never answer',
    ],
    [
      'status: { GET /a: [{ when: not_ready, body: 1 }, { when: failed, body: 2 }, { body: 3 }] }',
      '1:58 status["GET /a"][1].when: expected a `when` that no case above has answered, found "failed"; it would never answer',
    ],
  ],
  'variables of status bodies': [
    [
      'status: { GET /a: { model: $modle } }',
      '1:28 status["GET /a"].model: expected <variables>, found "$modle"; did you mean $model?',
    ],
    [
      'status: { GET /a: { up: ["for $uptime", 1] } }',
      '1:26 status["GET /a"].up[0]: expected <variables>, found "$uptime"; did you mean $uptime_s?',
    ],
    [
      'status: { GET /a: [{ body: "$loaded_at" }] }',
      '1:28 status["GET /a"][0].body: expected <variables>, found "$loaded_at"; did you mean $loaded?',
    ],
    [
      'status: { GET /a: { price: $5, so: $$ready } }',
      '1:28 status["GET /a"].price: expected <variables>, found "$"; write $$ for a dollar sign',
    ],
    [
      'status: { GET /a: { x: "${model}" } }',
      '1:24 status["GET /a"].x: expected <variables>, found "$"; write $$ for a dollar sign',
    ],
  ],
}
