import type { RouteCounts } from './counts.ts'
import type { Families, Sample } from './families.ts'
import type { View } from './instruments.ts'

/** Requests, by deployment and route; and the answers that are kept. */
export function addRequests(families: Families, { facts, live, counts, rows }: View): void {
  const ofRoutes = function* <Value>(samples: (counts: RouteCounts) => Iterable<Sample<Value>>) {
    for (const [deployment, { routes }] of counts())
      for (const [route, one] of routes)
        for (const [labels, value] of samples(one))
          yield [{ deployment, route, ...labels }, value] satisfies Sample<Value>
  }
  const ofRows = (value: (row: ReturnType<typeof rows>[number]) => number) => () =>
    rows().map((row): Sample<number> => [{ deployment: row.name }, value(row)])
  const ofKept = () => {
    const names = new Set(live().map(({ name }) => name))
    return facts.kept().filter(({ name }) => names.has(name))
  }

  families.counter(
    'pellet_requests_total',
    'Inference requests by status code; 499: the caller left before the answer',
    () => ofRoutes(({ statuses }) => Array.from(statuses, ([code, value]) => [{ code }, value])),
  )
  families.counter(
    'pellet_request_errors_total',
    'Inference requests that failed, by error code (docs/errors.md); http_N for a status without one',
    () => ofRoutes(({ errors }) => Array.from(errors, ([error, value]) => [{ error }, value])),
  )
  families.histogram(
    'pellet_request_duration_seconds',
    'From the headers of an inference request to the end of its answer, waiting and loading included',
    () => ofRoutes(({ durations }) => [[{}, durations]]),
  )
  families.histogram(
    'pellet_phase_duration_seconds',
    'Parts of inference requests that an isolate answered, as Server-Timing names them; respond: its answer on the way to the caller',
    () => ofRoutes((route) => Array.from(route.phases(), ([phase, times]) => [{ phase }, times])),
  )
  families.gauge(
    'pellet_requests_in_flight',
    'Requests that hold a place in an isolate',
    ofRows(({ inFlight }) => inFlight),
  )
  families.gauge(
    'pellet_queue_depth',
    'Requests that wait for a place in an isolate',
    ofRows(({ queued }) => queued),
  )
  families.gauge('pellet_queue_limit', 'How many may wait (limits.queue.depth)', () =>
    live().map(({ name, manifest }) => [{ deployment: name }, manifest.limits.queue.depth]),
  )
  families.counter(
    'pellet_cache_requests_total',
    'Requests to deployments that keep their answers, by X-Cache: hit, miss or bypass',
    () =>
      ofKept().flatMap(({ name, outcomes }) =>
        Object.entries(outcomes).map(([outcome, value]): Sample<number> => [{ deployment: name, outcome }, value]),
      ),
  )
  families.gauge('pellet_cache_bytes', 'Size of the answers that are kept', () =>
    ofKept().map(({ name, bytes }) => [{ deployment: name }, bytes]),
  )
}
