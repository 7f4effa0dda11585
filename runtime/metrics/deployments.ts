import type { DeploymentSnapshot } from '../scheduler/types.ts'
import type { DeploymentCounts } from './counts.ts'
import type { Families, Sample } from './families.ts'
import type { View } from './instruments.ts'
import type { Times } from './times.ts'

/** Deployments and the lives of their isolates. */
export function addDeployments(families: Families, { facts, counts, rows }: View): void {
  const gauge = (name: string, help: string, value: (row: DeploymentSnapshot) => number) =>
    families.gauge(name, help, () => rows().map((row) => [{ deployment: row.name }, value(row)]))
  const counter = (name: string, help: string, value: (counts: DeploymentCounts) => number) =>
    families.counter(name, help, () => counts().map(([deployment, one]) => [{ deployment }, value(one)]))
  const histogram = (name: string, help: string, times: (counts: DeploymentCounts) => Times) =>
    families.histogram(name, help, () => counts().map(([deployment, one]) => [{ deployment }, times(one)]))

  gauge('pellet_model_loaded', 'Whether the model of the deployment is loaded', ({ state }) =>
    Number(state === 'ready'),
  )
  gauge(
    'pellet_deployment_ready',
    'Whether requests to the deployment can be served: its preload is done, and its last load did not fail',
    (row) => Number(facts.readinessOf(row.name, row) === 'ready'),
  )
  gauge(
    'pellet_resident_bytes',
    'Memory of its isolates (PSS), measured or predicted; 0 when none lives',
    ({ sizeBytes }) => sizeBytes,
  )
  counter('pellet_loads_total', 'Isolates that were started to load the model', ({ loads }) => loads)
  counter('pellet_load_failures_total', 'Loads that did not succeed', ({ loadFailures }) => loadFailures)
  histogram(
    'pellet_load_duration_seconds',
    'From the start of an isolate to its model being loaded',
    ({ loadTimes }) => loadTimes,
  )
  families.counter(
    'pellet_unloads_total',
    'Loaded isolates that ended, by reason; evicted: for the memory that another one needed',
    function* (): Iterable<Sample<number>> {
      for (const [deployment, { unloads }] of counts())
        for (const [reason, value] of unloads) yield [{ deployment, reason }, value]
    },
  )
  histogram(
    'pellet_eviction_age_seconds',
    'Age at eviction: from becoming ready to being evicted',
    ({ evictionAges }) => evictionAges,
  )
  histogram(
    'pellet_eviction_idle_seconds',
    'From the last use to being evicted',
    ({ evictionIdleTimes }) => evictionIdleTimes,
  )
  counter('pellet_isolate_crashes_total', 'Loaded isolates that ended by themselves', ({ crashes }) => crashes)
  counter(
    'pellet_isolate_restarts_total',
    'Isolates that were started after one that crashed, hung or outgrew its memory',
    ({ restarts }) => restarts,
  )
}
