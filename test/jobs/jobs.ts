import { call, type Answer, type Call } from '../http/raw.ts'

/** What a request is sent with so that its answer is fetched later. */
export const later = { prefer: 'respond-async' }

/** A result, once the job is over. */
export async function resultOf(url: string, location: string, how: Call = {}): Promise<Answer> {
  for (;;) {
    // Answered when it is over, or after ten seconds.
    const answer = await call(url + location, { method: 'GET', ...how, headers: { prefer: 'wait=10', ...how.headers } })
    if (answer.headers['x-pellet-job'] === 'done' || answer.status >= 400) return answer
  }
}

/** Sends a JSON body as a job; rejects when it is not accepted. */
export async function accepted(url: string, body: unknown, headers: Record<string, string> = {}): Promise<string> {
  const answer = await call(url, {
    headers: { 'content-type': 'application/json', ...later, ...headers },
    body: JSON.stringify(body),
  })
  if (answer.status !== 202) throw new Error(`expected 202, found ${answer.status}: ${answer.text}`)
  return answer.headers.location!
}
