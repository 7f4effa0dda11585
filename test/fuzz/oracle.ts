import { errorCodes, type ErrorCode } from '../../runtime/errors.ts'
import { toStatus } from '../../runtime/error-body.ts'
import type { ErrorShape } from '../../runtime/manifest/manifest.ts'
import type { Answer } from './answers.ts'
import type { FuzzRequest, Target } from './request.ts'
import type { Outcome } from './transport.ts'

/** What must not be, in words; undefined where all is as documented. */
export function judge(request: FuzzRequest & { kind: string }, target: Target, outcome: Outcome): string | undefined {
  const { expects, answers = 1 } = request
  const { closed } = outcome
  for (const answer of outcome.answers) {
    const wrong = judgeAnswer(answer, request, target)
    if (wrong) return `${wrong}: ${describe(answer)}`
  }
  if (expects === 'nothing') return undefined
  // What stands behind a whole request may be refused; nobody asked for its answer.
  const more = outcome.answers.slice(answers).find(({ status }) => status < 400)
  if (expects === 'answer' && more) return `more than ${answers} answers: ${describe(more)}`
  if (outcome.answers.length >= answers) return undefined
  const found = `${outcome.answers.length} of ${answers} answers, ${outcome.rest} bytes of another, closed: ${closed ?? 'no'}`
  if (closed === undefined) return `it hangs: ${found}`
  return expects === 'close' ? undefined : `it was not answered: ${found}`
}

export function describe({ status, headers, body }: Answer): string {
  return `${status} ${headers['x-pellet-error'] ?? ''} ${body?.slice(0, 300)}`
}

// --- internal ---

/** What HTTP itself refuses; the code is `invalid_request`. */
const protocolStatuses = new Set([400, 408, 413, 417, 431])
/** An error says what is wrong; it does not send back what was sent. */
const maxErrorBytes = 4096

/** What a server that is well may say of itself. @param isLate the request is so much work, or so slow, that it may be in vain */
function notDefects(isLate: boolean): string[] {
  return ['overloaded', 'not_ready', ...(isLate ? ['deadline_exceeded'] : [])]
}

function judgeAnswer(
  answer: Answer,
  { kind, isSlow, isHeavy, isHead }: FuzzRequest & { kind: string },
  target: Target,
) {
  const { status, headers, body, bodyBytes } = answer
  const given = headers['x-pellet-error']
  const isLate = isSlow === true || isHeavy === true
  if (Number.isNaN(status)) return 'no status'
  if (status < 300) return judgeGood(answer, isHead ?? false, isLate)
  // Node's own answer to a request without a host, on the main port.
  if (status === 400 && given === undefined && bodyBytes <= 5 && headers['connection'] === 'close') return undefined
  if (given === undefined || !Object.hasOwn(errorCodes, given)) return 'an error without a documented code'
  const code = given as ErrorCode
  if (status >= 500 && !notDefects(isLate).includes(code)) return 'an error that is not the caller’s'
  if (headers['x-request-id'] === undefined) return 'an error without a request id'
  const wanted = errorCodes[code].status
  const isProtocol = code === 'invalid_request' && protocolStatuses.has(status)
  if (status !== wanted && status !== toStatus(wanted, 'text') && !isProtocol) return `expected the status ${wanted}`
  if (bodyBytes > maxErrorBytes) return `an error of ${bodyBytes} bytes`
  if (isHead) return undefined
  const shape = shapeOf(body ?? '')
  // A path may lead elsewhere, and what is refused before there is a route has the listener's shape.
  const isElsewhere = kind.startsWith('path: ') || kind.startsWith('method: ') || isProtocol || code === 'not_found'
  const isOwn = target.listener === 'main' && ['pellet', target.errors].includes(shape!)
  if (shape === undefined || (shape !== target.errors && !(isElsewhere && (isOwn || kind.startsWith('path: ')))))
    return `expected an error in the shape ${target.errors}, found ${shape ?? 'another'}`
  return undefined
}

/** A batch's lines: each as an answer of its own. */
function judgeLines(body: string, isLate: boolean): string | undefined {
  if (body === '') return 'a batch without lines'
  if (!body.endsWith('\n')) return 'the last line is not whole'
  for (const [index, text] of body.trimEnd().split('\n').entries()) {
    let line: { index: number; status: number; error?: { code: string } }
    try {
      line = JSON.parse(text) as typeof line
    } catch {
      return `line ${index} is no JSON`
    }
    if (line.index !== index) return `line ${index} says that it is ${line.index}`
    const code = line.error?.code ?? ''
    if (line.status !== 200 && !Object.hasOwn(errorCodes, code)) return `line ${index} has no documented code`
    if (line.status >= 500 && !notDefects(isLate).includes(code))
      return `line ${index} is an error that is not the caller's: ${text.slice(0, 300)}`
    if (line.error && text.length > maxErrorBytes) return `line ${index} is an error of ${text.length} bytes`
  }
  return undefined
}

function judgeGood({ status, headers, body, bodyBytes }: Answer, isHead: boolean, isLate: boolean): string | undefined {
  if (![200, 202, 204].includes(status)) return 'a status that is not documented'
  if (headers['x-request-id'] === undefined && headers['content-length'] === undefined)
    return 'an answer without a request id'
  if (headers['content-type'] === 'application/x-ndjson' && body !== undefined && !isHead)
    return judgeLines(body, isLate)
  if (isHead || body === undefined || !headers['content-type']?.startsWith('application/json')) return undefined
  try {
    JSON.parse(body)
    return undefined
  } catch {
    return `an answer of ${bodyBytes} bytes that is not the JSON it says`
  }
}

function shapeOf(body: string): ErrorShape | undefined {
  let value: { error?: unknown; detail?: unknown; success?: unknown }
  try {
    value = JSON.parse(body) as typeof value
  } catch {
    return undefined
  }
  const { error, detail, success } = value
  if (detail !== undefined) return 'detail'
  if (typeof error === 'string') return success === false ? 'deepstack' : 'text'
  if (typeof error !== 'object' || error === null) return undefined
  return 'type' in error ? 'object' : 'request_id' in error ? 'pellet' : undefined
}
