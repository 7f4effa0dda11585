import { modelNameOf } from '../deployments/deployment.ts'
import { increment, ModelCounts } from './counts.ts'
import type { Families, Sample } from './families.ts'
import type { View } from './instruments.ts'

/** The metrics of the TCN sidecar, by model, under the names that its dashboards and alerts ask for. */
export function addSidecar(families: Families, { facts, live, counts, rows }: View): void {
  families.counter(
    'hailo_inference_requests_total',
    'Inference requests by model; status is success or error',
    function* (): Iterable<Sample<number>> {
      for (const [model, { succeeded, failed }] of byModel(counts())) {
        yield [{ status: 'success', model }, succeeded]
        yield [{ status: 'error', model }, failed]
      }
    },
  )
  families.histogram('hailo_inference_duration_seconds', 'Duration of the inference requests that succeeded', () =>
    Array.from(byModel(counts()), ([model, { durations }]) => [{ model }, durations]),
  )
  families.gauge('hailo_model_loaded', 'Whether the model is loaded; version is that of Pellet', () => {
    const loaded = new Set(rows().flatMap(({ name, state }) => (state === 'ready' ? name : [])))
    const models = new Map<string, boolean>()
    for (const deployment of live()) {
      // Two deployments may run one model.
      const model = modelNameOf(deployment)
      models.set(model, models.get(model) === true || loaded.has(deployment.name))
    }
    return Array.from(models, ([model, isLoaded]) => [{ model, version: facts.version }, Number(isLoaded)])
  })
  families.gauge('hailo_sidecar_start_time_seconds', 'When Pellet was started, in seconds since 1970', () => [
    [{}, Math.round(performance.timeOrigin) / 1000],
  ])
  // It has no samples without a device, or while no model is loaded on it.
  families.gauge('hailo_device_temperature_celsius', 'Temperature of the device', () => {
    const { temperature, deviceId = '' } = facts.device() ?? {}
    return temperature === undefined ? [] : [[{ device_id: deviceId }, temperature]]
  })
  families.counter(
    'hailo_errors_total',
    'Inference requests that failed, by error code (docs/errors.md)',
    function* (): Iterable<Sample<number>> {
      for (const [model, { errors }] of byModel(counts()))
        for (const [error, value] of errors) yield [{ error_type: error, model }, value]
    },
  )
}

// --- internal ---

/** The counts of models, over all deployments that run them. */
function byModel(counts: ReturnType<View['counts']>): Map<string, ModelCounts> {
  const sums = new Map<string, ModelCounts>()
  for (const [, { models }] of counts)
    for (const [model, own] of models) {
      const sum = sums.get(model) ?? new ModelCounts()
      sums.set(model, sum)
      sum.succeeded += own.succeeded
      sum.failed += own.failed
      sum.durations.merge(own.durations)
      for (const [error, value] of own.errors) increment(sum.errors, error, value)
    }
  return sums
}
