/*
 * prom-client's index also loads all its collectors, cluster and push code: 11 MB and 60 ms in main (measured, 15.1.3). The
 * registry and the collectors that are named here are all that Pellet needs of it.
 */
declare module 'prom-client/lib/registry.js' {
  export { Registry as default } from 'prom-client'
}
declare module 'prom-client/lib/metrics/*.js' {
  import type { Registry } from 'prom-client'
  /** Adds the metrics of one collector. */
  export default function collect(registry: Registry): void
}
