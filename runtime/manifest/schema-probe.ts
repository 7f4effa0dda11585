import { z } from '#zod'
import { defaults } from './defaults.ts'
import { bytes, jsonMap, key, mapping, namedMap, reportUnsafe, text, whenMapping, whole } from './fields.ts'
import { routePattern } from './paths.ts'
import { modelPath } from './schema-model.ts'

const expected = 'a mapping such as { input: sample.jpg, expect: { num_faces: 3 } }, or a list of such'

/** Headers that say how bytes travel are the connection's own. */
const ownHeaders = 'connection|content-length|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade'
const headerPattern = new RegExp(`^(?!(?:${ownHeaders})$)[A-Za-z0-9-]+$`, 'i')

const anyJson = z.unknown().superRefine((value, context) => reportUnsafe(value, [], context))
const scalarExpected = 'text, a number, true or false'
const scalar = z.union([z.string(), z.number(), z.boolean()], { error: scalarExpected })

const one = mapping(
  {
    route: key(
      text('one of its routes, such as "POST /v1/detect"', routePattern),
      'Which of its routes is called.',
      'the first',
    ),
    input: key(
      modelPath,
      'File that is sent as the body: its path relative to the models folder, or absolute.',
      'nothing is sent',
    ),
    body: key(
      jsonMap('a mapping, which is sent as JSON'),
      'JSON that is sent as the body, instead of `input`.',
      'none',
    ),
    query: key(
      namedMap(/^.+$/, 'a name', scalar, 'a mapping of names to values such as { top: 5 }'),
      'Options in the query of the URL.',
      'none',
    ),
    headers: key(
      namedMap(
        headerPattern,
        'the name of a header, none of those of the connection',
        text('the text of a header', /^[\t\x20-\x7e]+$/),
        'a mapping of headers to texts such as { Accept: image/png }',
      ),
      'Headers of the request. Content-Type is known of files named .json, .jpg, .png and the like.',
      'none',
    ),
    status: key(whole(200, 599), 'Status code that the answer must have.', { value: defaults.code }),
    type: key(text('a content type such as image/png', /^[^\s/;]+\/[^\s/;]+$/), 'Content type of the answer.', 'any'),
    min_size: key(bytes(1), 'Least size of the answer. Bytes, or with a unit: KB, MB, GB (powers of 1024).', 'any'),
    expect: key(
      anyJson,
      'What the JSON answer must hold: mappings are matched by the keys that they name. { $near, $within }, { $min, $max }, { $length } and { $exists } are checks.',
      'anything',
    ),
  },
  expected,
).refine(({ input, body }) => input === undefined || body === undefined, {
  error: 'input or body, not both',
  when: whenMapping,
})

/** What is tried before a revision goes live. Expectations are left to `expectationFindings`. */
export const probe = z.union([one, z.array(one, { error: expected })], { error: expected })

export type ProbeInput = z.input<typeof one>
