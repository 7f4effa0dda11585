import { createHash } from 'node:crypto'
import { canonical } from './canonical.ts'
import type { OptionReader } from './options.ts'
import { namesUrl, type ParsedRequest } from './parse.ts'
import type { Pipeline } from './pipeline.ts'

export interface ResultDigest {
  /** sha256, hex. */
  digest: string
  /** The picture came by its URL: the same request may mean another one next time. */
  isFetched: boolean
}

/**
 * What an answer of this revision depends on, as a digest: the route, what the caller accepts, the options as each step gets
 * them, and the input. Where the first step is `image.decode`, all that the steps see of the input is the picture: its
 * bytes count, however they came. Else all fields count that are no options, or say something else than the option has become,
 * and all files.
 * Undefined where the answer depends on more: the function may fetch what a field names by URL.
 * @throws PelletError as `RequestInput.image` says, and `invalid_option`
 */
export async function toResultDigest(
  { pre, post, route }: Pipeline,
  request: ParsedRequest,
  accept: string | undefined,
  reader: OptionReader,
): Promise<ResultDigest | undefined> {
  const given = request.options.length === 0 ? {} : reader.read(request.options, route.input)
  const steps = [...pre, ...post].map(({ step, options }) => (step.isFixed ? {} : { ...options, ...given }))
  const { fields } = request.input
  const isFetched = namesUrl(fields)
  let input: unknown
  if (pre[0]?.name === 'image.decode') {
    const bytes = await request.input.image()
    // Not to be fetched, or decoded from base64, a second time.
    request.input.image = () => Promise.resolve(bytes)
    input = sha256(bytes)
  } else if (isFetched) return undefined
  else {
    const files = Object.entries(request.input.files)
    // A step may also read what an option was made of.
    const others = Object.entries(fields).filter(
      ([name, value]) => !reader.names.has(name) || !saysAs(value, given[name]),
    )
    input = [
      Object.fromEntries(others),
      files.map(([field, { name, type, bytes }]) => [field, name, type, sha256(bytes)]),
      // The same text is another picture then.
      request.isUrlEncoded === true && String(fields['image']).includes(' '),
    ]
  }
  const text = canonical([`${route.method} ${route.path}`, plainAccept(accept), steps, input])
  return text === undefined ? undefined : { digest: sha256(Buffer.from(text)), isFetched }
}

// --- internal ---

/** Whether a field says just what the option is; all but JSON has only text for it. */
function saysAs(field: unknown, option: unknown): boolean {
  return typeof field === 'string' ? field === String(option) : canonical(field) === canonical(option)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Which type an answer has is known only once there is one; what says the same in other words counts as the same. */
function plainAccept(accept = ''): string {
  const ranges = accept.toLowerCase().replaceAll(/\s/g, '')
  return ranges === '*/*' ? '' : ranges
}
