import { formatSetting, type ConfigChange } from './config.ts'
import type { Pellet } from './pellet.ts'
import { formatBytes, formatDuration } from './units.ts'

/** Follows what can be followed of a changed configuration while Pellet runs, and says what cannot. */
export function reconfigure({ config, log, dispatcher, results }: Pellet, changes: readonly ConfigChange[]): void {
  for (const { key, field, from, to, isLive } of changes) {
    const change = `configuration: ${key}: ${shown(field, from)} -> ${shown(field, to)}`
    if (!isLive) {
      log.warn(`${change} needs a restart`)
      continue
    }
    Object.assign(config, { [field]: to })
    if (field === 'memoryBytes') dispatcher.setMemory(config.memoryBytes)
    if (field === 'cacheMaxBytes') results.setMax(config.cacheMaxBytes)
    if (field === 'logLevel') log.level = config.logLevel
    log.info(field === 'allowUrls' ? `${change}, for what is loaded from now on` : change)
  }
}

// --- internal ---

/** As people write it, with its unit. */
function shown(field: string, value: unknown): string {
  if (typeof value !== 'number') return formatSetting(value)
  return field.endsWith('Ms') ? formatDuration(value) : field.includes('Bytes') ? formatBytes(value) : String(value)
}
