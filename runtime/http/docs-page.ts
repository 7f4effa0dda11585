import type { Deployment, FailedSource } from '../deployments/deployment.ts'
import { whyNotDeployed } from '../deployments/missing-model.ts'
import { PelletError } from '../errors.ts'
import type { Route, StatusRoute } from '../manifest/manifest.ts'
import { docsStyle } from './docs-style.ts'
import { toErrorAnswer } from '../error-body.ts'
import { describeModel, type ApiPart } from './openapi.ts'
import { examplesOf } from './examples.ts'
import { batchesOf } from './route-table.ts'
import { describeSchema, optionsOf, takesPicture } from './route-options.ts'

export interface DocsOptions {
  title: string
  version: string
  /** Where the reader reached Pellet, e.g. `http://pi.local:5001`: examples call it there. */
  origin: string
  parts: ApiPart[]
  /** What is not there although its routes are known, so that nobody looks for it in vain. */
  failures?: readonly FailedSource[]
}

/** One page of HTML that explains the routes of deployments: no script, nothing loaded from elsewhere. */
export function toDocsPage({ title, version, origin, parts, failures = [] }: DocsOptions): string {
  const sections = parts.map((part) => section(part, origin, part.deployment.name !== title))
  const links = parts.map(({ deployment: { name } }) => `<a href="#${name}">${name}</a>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>${docsStyle}</style>
</head>
<body>
<header>
<h1>${escape(title)}</h1>
<p>Pellet ${escape(version)} · <a href="/openapi.json">openapi.json</a> · <a href="/metrics">metrics</a></p>
${links.length > 1 ? `<nav>${links.join(' ')}</nav>` : ''}
</header>
<main>
${sections.join('\n') || '<p>Nothing is deployed.</p>'}
${failures.length > 0 ? absent(failures) : ''}
</main>
</body>
</html>
`
}

/** Nothing on the page may run or be fetched, whatever a manifest says. */
export const docsHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
}

// --- internal ---

function section({ deployment, statusPrefix }: ApiPart, origin: string, hasHeading: boolean): string {
  const { name, manifest } = deployment
  const { body } = toErrorAnswer(new PelletError('invalid_request', '…'), manifest.errors, '…')
  return `<section id="${name}">
${hasHeading ? `<h2>${name}</h2>` : ''}
<p class="model">${escape(describeModel(deployment))}; errors: <code>${escape(body)}</code></p>
${manifest.routes.length > 0 ? later(deployment, statusPrefix !== '') : ''}
${manifest.routes.map((route) => inference(deployment, route, origin)).join('\n')}
${manifest.status.map((route) => status(route, statusPrefix, origin)).join('\n')}
</section>`
}

/** What goes for every inference route. */
function later(deployment: Deployment, isMainPort: boolean): string {
  const [batch] = isMainPort ? batchesOf(deployment) : []
  const async =
    'With <code>Prefer: respond-async</code> the answer is 202, and the result waits at <code>Location</code>.'
  const many = ` Many at once: <code>POST ${escape(batch?.path ?? '')}</code>, a line of JSON or a file of a form for each.`
  return `<p>${async}${batch ? many : ''}</p>`
}

function absent(failures: readonly FailedSource[]): string {
  const rows = failures.map((failure) => {
    const routes = (failure.routes ?? []).map(({ method, path }) => `<code>${escape(`${method} ${path}`)}</code>`)
    return `<tr><td>${routes.join('<br>') || '–'}</td><td>${escape(whyNotDeployed(failure))}</td></tr>`
  })
  return `<section>
<h2>Not there</h2>
<p><code>pellet list</code> says what to do.</p>
<table><tbody>
${rows.join('\n')}
</tbody></table>
</section>`
}

function inference(deployment: Deployment, route: Route, origin: string): string {
  const options = optionsOf(deployment, route)
  const where = takesPicture(route)
    ? 'A picture: as a file <code>image</code> of a form, as base64 or a data URI <code>image</code> in JSON, or as the body itself.'
    : 'Fields of a JSON object or of a form.'
  const rows = options.map(
    ({ name, schema, isRequired }) => `<tr>
<td><code>${escape(name)}</code></td>
<td>${escape(describeSchema(schema))}</td>
<td>${isRequired ? 'required' : 'default' in schema ? `<code>${escape(JSON.stringify(schema['default']))}</code>` : '–'}</td>
</tr>`,
  )
  const table = `<p>Options, in the body or in the query:</p>
<table><thead><tr><th>option</th><th>takes</th><th>default</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`
  return card(
    route.method,
    route.path,
    `<p>${where}</p>${rows.length > 0 ? table : ''}`,
    examplesOf(deployment, route, origin),
  )
}

function status({ path, cases }: StatusRoute, prefix: string, origin: string): string {
  const rows = cases.map(({ when, code, body }) => {
    const condition = when ? `when ${when.replace('_', ' ')}` : cases.length > 1 ? 'else' : 'always'
    return `<tr><td>${condition}</td><td>${code}</td><td class="body"><code>${escape(JSON.stringify(body))}</code></td></tr>`
  })
  const table = `<table><thead><tr><th></th><th>status</th><th>body</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`
  return card('GET', prefix + path, table, [`curl ${origin}${prefix}${path}`])
}

function card(method: string, path: string, html: string, examples: string[]): string {
  return `<article>
<h3><span class="${method.toLowerCase()}">${method}</span> ${escape(path)}</h3>
${html}
${examples.map((example) => `<pre>${escape(example)}</pre>`).join('\n')}
</article>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
