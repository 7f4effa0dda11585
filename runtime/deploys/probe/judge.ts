import { messageIn } from '../../error-body.ts'
import type { Probe } from '../../manifest/manifest.ts'
import { formatBytes } from '../../units.ts'
import { formatMismatch, match } from './match.ts'
import type { ProbeAnswer } from './probe-requests.ts'

/** Everything in an answer that is not as its probe expects it, a sentence each. Pure. */
export function judge(probe: Probe, { status, type, sizeBytes, body }: ProbeAnswer): string[] {
  if (status !== probe.status) {
    const message = body && messageIn(body.toString())
    return [`expected the status ${probe.status}, found ${status}${message === undefined ? '' : ` (${message})`}`]
  }
  const problems: string[] = []
  if (probe.type !== undefined && probe.type !== type)
    problems.push(`expected the content type ${probe.type}, found ${type || 'none'}`)
  if (probe.minBytes !== undefined && sizeBytes < probe.minBytes)
    problems.push(`expected an answer of at least ${formatBytes(probe.minBytes)}, found ${formatBytes(sizeBytes)}`)
  if (probe.expect === undefined) return problems
  if (body === undefined) {
    const hint = 'ask for less, by an option in query, or leave expect out'
    return [
      ...problems,
      `expected an answer that can be looked into (at most 4 MB), found ${formatBytes(sizeBytes)}; ${hint}`,
    ]
  }
  const answer = parse(body)
  if (answer === undefined) {
    const hint = 'leave expect out, and write type and min_size'
    return [...problems, `expected JSON, found ${formatBytes(sizeBytes)} of ${type || 'something else'}; ${hint}`]
  }
  return [...problems, ...match(probe.expect, answer.value).map(formatMismatch)]
}

// --- internal ---

function parse(body: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString()) as unknown }
  } catch {
    return undefined
  }
}
