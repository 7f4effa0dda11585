import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'
import type { CounterConfiguration, GaugeConfiguration } from 'prom-client'
import type { CacheCount } from '../results/cache-rows.ts'
import { modelNameOf, type Deployment } from '../deployments/deployment.ts'

/** A request that is over. */
export interface CountedRequest {
  deployment: Deployment
  /** e.g. `POST /v1/detect` */
  route: string
  /** 499: the caller left. */
  status: number
  ms: number
  /** Where it failed: why. */
  code: string | undefined
  /** It was answered with what is kept. */
  isKept: boolean
}

export interface InstrumentsOptions {
  version: string
  /** Names of the deployments whose model is loaded now. */
  loaded(): Set<string>
  kept(): CacheCount[]
}

/** In seconds; those that the TCN sidecar had, so that its dashboards go on. */
const buckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * The metrics of a set of deployments: Pellet's own, by deployment and route, and beside them those of the TCN sidecar, by
 * model, under the names that its dashboards and alerts ask for.
 */
export class Instruments {
  readonly #registry = new Registry()
  readonly #deployments = new Map<string, Deployment>()
  readonly #requests
  readonly #durations
  readonly #inferences
  readonly #inferenceDurations
  readonly #errors

  constructor({ version, loaded, kept }: InstrumentsOptions) {
    const registers = [this.#registry]
    const deployments = this.#deployments
    this.#requests = new Counter({
      name: 'pellet_requests_total',
      help: 'Inference requests by status code; 499: the caller left before the answer',
      labelNames: ['deployment', 'route', 'code'],
      registers,
    })
    this.#durations = new Histogram({
      name: 'pellet_request_duration_seconds',
      help: 'From the headers of an inference request to the end of its answer, waiting and loading included',
      labelNames: ['deployment', 'route'],
      buckets,
      registers,
    })
    gauge({
      name: 'pellet_model_loaded',
      help: 'Whether the model of the deployment is loaded',
      labelNames: ['deployment'],
      registers,
      collect() {
        const names = loaded()
        this.reset()
        for (const name of deployments.keys()) this.set({ deployment: name }, Number(names.has(name)))
      },
    })
    counter({
      name: 'pellet_cache_requests_total',
      help: 'Requests to deployments that keep their answers, by X-Cache: hit, miss or bypass',
      labelNames: ['deployment', 'outcome'],
      registers,
      collect() {
        this.reset()
        for (const { name, outcomes } of kept())
          if (deployments.has(name))
            for (const [outcome, requests] of Object.entries(outcomes))
              this.inc({ deployment: name, outcome }, requests)
      },
    })
    gauge({
      name: 'pellet_cache_bytes',
      help: 'Size of the answers that are kept',
      labelNames: ['deployment'],
      registers,
      collect() {
        this.reset()
        for (const { name, bytes } of kept()) if (deployments.has(name)) this.set({ deployment: name }, bytes)
      },
    })
    this.#inferences = new Counter({
      name: 'hailo_inference_requests_total',
      help: 'Inference requests by model; status is success or error',
      labelNames: ['status', 'model'],
      registers,
    })
    this.#inferenceDurations = new Histogram({
      name: 'hailo_inference_duration_seconds',
      help: 'Duration of the inference requests that succeeded',
      labelNames: ['model'],
      buckets,
      registers,
    })
    gauge({
      name: 'hailo_model_loaded',
      help: 'Whether the model is loaded; version is that of Pellet',
      labelNames: ['model', 'version'],
      registers,
      collect() {
        const names = loaded()
        this.reset()
        const all = [...deployments.values()]
        // Two deployments may run one model.
        const models = new Set(all.filter(({ name }) => names.has(name)).map(modelNameOf))
        for (const model of all.map(modelNameOf)) this.set({ model, version }, Number(models.has(model)))
      },
    })
    gauge({
      name: 'hailo_sidecar_start_time_seconds',
      help: 'When Pellet was started, in seconds since 1970',
      registers,
    }).set(Math.round(performance.timeOrigin) / 1000)
    // Without a device it has no samples.
    gauge({
      name: 'hailo_device_temperature_celsius',
      help: 'Temperature of the device',
      labelNames: ['device_id'],
      registers,
    })
    this.#errors = new Counter({
      name: 'hailo_errors_total',
      help: 'Inference requests that failed, by error code (docs/errors.md)',
      labelNames: ['error_type', 'model'],
      registers,
    })
  }

  /** Its series begin at zero: a rate needs a first value. */
  add(deployment: Deployment): void {
    const { name, manifest } = deployment
    const model = modelNameOf(deployment)
    this.#deployments.set(name, deployment)
    for (const { method, path } of manifest.routes)
      this.#requests.inc({ deployment: name, route: `${method} ${path}`, code: 200 }, 0)
    for (const status of ['success', 'error']) this.#inferences.inc({ status, model }, 0)
  }

  /** It has no model that could be loaded any more; its counters stay, as those of a process that goes on. */
  remove(name: string): void {
    this.#deployments.delete(name)
  }

  count({ deployment, route, status, ms, code, isKept }: CountedRequest): void {
    const { name } = deployment
    const model = modelNameOf(deployment)
    this.#requests.inc({ deployment: name, route, code: status })
    if (status === 499) return
    this.#durations.observe({ deployment: name, route }, ms / 1000)
    if (isKept) return
    const isWell = status < 400
    this.#inferences.inc({ status: isWell ? 'success' : 'error', model })
    if (isWell) this.#inferenceDurations.observe({ model }, ms / 1000)
    else this.#errors.inc({ error_type: code || `http_${status}`, model })
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const metricsType = Registry.PROMETHEUS_CONTENT_TYPE

// --- internal ---

/** As a gauge, it is in its registry once it is made. */
function counter<Label extends string>(configuration: CounterConfiguration<Label>): Counter<Label> {
  return new Counter(configuration)
}

/** A gauge is in its registry once it is made. */
function gauge<Label extends string>(configuration: GaugeConfiguration<Label>): Gauge<Label> {
  return new Gauge(configuration)
}
