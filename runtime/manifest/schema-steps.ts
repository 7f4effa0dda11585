import { z } from '#zod'
import { jsonMap, key, mapping, namedMap, text, whenMapping } from './fields.ts'
import { isReservedPath, reservedPaths, routePattern, stepPattern } from './paths.ts'

const stepExpected =
  'a step: a name such as tensor, or a name with options such as { image.letterbox: { background: 114 } }'
const routeExpected =
  'a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end'
const entryExpected = 'a list of post steps, or a mapping with pre, post and input'

const stepWithOptions = namedMap(
  stepPattern,
  'a step name such as image.decode',
  z.nullable(jsonMap('the step’s options, e.g. { top: 5 }')),
  stepExpected,
)
  .refine((value) => Object.keys(value).length > 0, { error: stepExpected })
  .refine((value) => Object.keys(value).length < 2, {
    error: 'one step name with its options; indent options below the name, begin each step with "- "',
    when: whenMapping,
    // What stands below is no step's options then, and not worth an error of its own.
    params: { whole: true },
  })
  .meta({ minProperties: 1, maxProperties: 1 })

export const step = z
  .union([text(stepExpected, stepPattern), stepWithOptions], { error: stepExpected })
  .meta({ description: 'A step: its name, or { name: { options } }.' })

export const stepList = z.array(step, { error: 'a list of steps such as [image.decode, tensor]' })

/** Defaults for the options that a function's `input` declares. */
export const inputDefaults = jsonMap('a mapping of option names to values such as { top: 5 }')

export const routeName = text(routeExpected, routePattern).refine(
  (value) => !routePattern.test(value) || !isReservedPath(value.slice(value.indexOf(' ') + 1)),
  { error: `a path that is not Pellet’s own (${reservedPaths})` },
)

export const routeEntry = z.union(
  [
    stepList,
    mapping(
      {
        pre: key(stepList, 'Steps before the model, for this route.', 'the manifest’s `pre`'),
        post: key(stepList, 'Steps after the model, for this route.', 'the manifest’s `post`'),
        input: key(inputDefaults, 'Defaults for the function’s options on this route, over the manifest’s.', 'none'),
      },
      entryExpected,
    ),
  ],
  { error: entryExpected },
)

export const routeMap = z
  .record(routeName, routeEntry, { error: 'a mapping of routes to steps such as POST /v1/detect: [detections]' })
  .refine((value) => Object.keys(value).length > 0, { error: 'at least one route; or leave the key out' })
  .meta({ minProperties: 1 })

export type StepInput = z.input<typeof step>
export type RouteInput = z.input<typeof routeEntry>
