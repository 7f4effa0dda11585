import { z } from '#zod'
import { step, type Step, type StepContext } from './step.ts'

/** One request to another deployment: the fields of its input. */
export type CallItem = Record<string, unknown>

/**
 * Runs a route of another deployment once for each item; answers in the order of the items. `route`: such as
 * `POST /v1/embed`; absent: the first one. Pictures (`image` as pixels or encoded bytes) and typed arrays travel as raw
 * bytes. @throws PelletError with the code of what went wrong there
 */
export type Call = (deployment: string, route: string | undefined, items: CallItem[]) => Promise<unknown[]>

/** What only the step `call` may use: no part of what function code is promised. */
export interface CallContext<Options = Record<string, unknown>> extends StepContext<Options> {
  call: Call
}

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])

const call = step.result(
  {
    options: {
      deployment: z.string().min(1),
      route: z
        .string()
        .regex(/^[A-Z]+ \/\S*$/, 'expected a method and a path, such as "POST /v1/embed"')
        .optional(),
      each: z.string().min(1).optional(),
      send: names.default('image'),
      take: names.optional(),
    },
  },
  async (result, context) => {
    const { deployment, route, each, send = 'image', take } = context.options as Options
    const items = itemsOf(result, each)
    if (items.length === 0) return result
    const sent = [send].flat()
    const requests = items.map((item, at) => pick(item, sent, `${nameOf(at, each)}: expected a field`, 'send'))
    const answers = await (context as CallContext).call(deployment, route, requests)
    const joined = items.map((item, at) => {
      const what = `the answer of ${deployment} to ${nameOf(at, each)}: expected`
      const answer = answers[at]
      if (!isObject(answer)) throw new Error(`${what} an object, found ${kindOf(answer)}`)
      const taken = take === undefined ? answer : pick(answer, [take].flat(), `${what} a field`, 'take')
      return { ...without(item, sent), ...taken }
    })
    return each === undefined ? joined[0] : { ...(result as CallItem), [each]: joined }
  },
)

/**
 * `call`: what another deployment makes of each item of a list in the result, or of the result itself. What is sent
 * leaves the item, what is answered joins it, and the order stays. No items: nothing is called, and nothing loaded.
 * Whom it calls is not for a request to say, nor for an option of the function that happens to have the name of one here.
 */
export const callStep: Step = { ...call, isFixed: true }

// --- internal ---

interface Options {
  deployment: string
  route?: string
  each?: string
  send?: string | string[]
  take?: string | string[]
}

function itemsOf(result: unknown, each: string | undefined): CallItem[] {
  if (!isObject(result)) throw new Error(`expected an object as the result of the step before, found ${kindOf(result)}`)
  if (each === undefined) return [result]
  const list = Object.hasOwn(result, each) ? result[each] : undefined
  if (!Array.isArray(list))
    throw new Error(`expected a list in the result's field "${each}" (each), found ${kindOf(list)}`)
  for (const [at, item] of list.entries())
    if (!isObject(item)) throw new Error(`${nameOf(at, each)}: expected an object, found ${kindOf(item)}`)
  return list as CallItem[]
}

function pick(from: CallItem, names: string[], where: string, option: string): CallItem {
  const picked: CallItem = {}
  for (const name of names) {
    if (!Object.hasOwn(from, name)) {
      const found = Object.keys(from).join(', ') || 'none'
      throw new Error(`${where} "${name}" (${option}), found ${found}`)
    }
    picked[name] = from[name]
  }
  return picked
}

function without(item: CallItem, names: string[]): CallItem {
  return Object.fromEntries(Object.entries(item).filter(([name]) => !names.includes(name)))
}

function nameOf(at: number, each: string | undefined): string {
  return each === undefined ? 'the result' : `${each}[${at}]`
}

/** What has fields of its own: no list, no typed array, and nothing that makes its answer itself (`withFormats`). */
function isObject(value: unknown): value is CallItem {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  return Array.isArray(value)
    ? 'a list'
    : `${(value.constructor as { name?: string } | undefined)?.name ?? 'an object'}`
}
