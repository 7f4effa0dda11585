/* Names, routes and paths: the rules, without zod, so that every process may ask. */

/** `POST /v1/detect`: a method, one space, and a literal path without parameters or a slash at its end. */
export const routePattern = /^(?:GET|POST|PUT|PATCH|DELETE) (?:\/|(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9\-._~]+)+)$/

/** Routes as people write them: `POST /v1/detect`. */
export function routeNames(routes: readonly { method: string; path: string }[]): string[] {
  return routes.map(({ method, path }) => `${method} ${path}`)
}

/** `GET /health`: as `routePattern`, of status routes. */
export const statusPattern = new RegExp(routePattern.source.replace('GET|POST|PUT|PATCH|DELETE', 'GET'))

/** Deployments. */
export const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** Function files, without their ending. */
export const functionPattern = /^[A-Za-z0-9_-]+$/
export const stepPattern = /^[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/
/** Keys of `files`. */
export const fileNamePattern = /^[A-Za-z_][A-Za-z0-9_-]*$/

/** What Pellet itself answers on the main port, as people would write it. */
export const reservedPaths = '/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*'

/** Whether Pellet itself answers under this path on the main port, so that no deployment may have it. */
export function isReservedPath(path: string): boolean {
  if (['/', '/docs', '/openapi.json', '/metrics'].includes(path) || path.startsWith('/health')) return true
  return /^\/(?:api|f|results)(?:\/|$)/.test(path)
}

export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text)
}

/** Whether a URL leads to a zip archive, which holds the file but is not it. */
export function isZip(url: string): boolean {
  return /\.zip$/i.test(pathOf(url))
}

/** As `isZip`, of archives that Pellet does not unpack. */
export function isTar(url: string): boolean {
  return /\.(?:tar|tar\.gz|tgz)$/i.test(pathOf(url))
}

/** Whether a model path stays inside the models folder, or is absolute and so leaves it on purpose. */
export function isModelPath(text: string): boolean {
  if (text === '' || text.endsWith('/') || text.includes('\0') || text.includes('\\') || text.includes('://'))
    return false
  return text.split('/').every((part, i) => part !== '..' && part !== '.' && (part !== '' || i === 0))
}

/** The file that a URL downloads to: its last segment, decoded. Undefined where that is no plain file name. */
export function fileOfUrl(url: string): string | undefined {
  try {
    const last = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '')
    return isModelPath(last) && !last.includes('/') ? last : undefined
  } catch {
    return undefined
  }
}

// --- internal ---

function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : url
}
