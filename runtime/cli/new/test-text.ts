import { indent } from './candidates.ts'
import type { Draft, Task } from './draft.ts'

const picture =
  'iVBORw0KGgoAAAANSUhEUgAAADAAAAAgCAIAAADbtmxLAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAT0lEQVRYw+3WQQoAIAhE0REKuv+F7QLNUgv60spm8UAQQ9I8vzT9KM0PLT1VgAABagCl+QrTr80zMkCAfgTd2Tcuz8gAAeIe4h4CBAhQc22hTg5gkt2IVwAAAABJRU5ErkJggg=='

/** `test/NAME.test.mjs`: for `node --test`, with nothing but Node and Pellet. */
export function testText({ name, chip }: Task, { test }: Draft): string {
  const isPicture = test.body === 'picture'
  const type = isPicture ? 'image/png' : 'application/json'
  const body = test.body === 'picture' ? 'picture' : `JSON.stringify(${test.body.json})`
  const sizes = test.checks.some((line) => line.includes('height'))
  return `// Run it with: node --test test/${name}.test.mjs
// It starts a Pellet of its own on a free port, with a data folder of its own, asks ${name}, and stops it again.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const data = mkdtempSync(join(tmpdir(), 'pellet-'))
${chip ? `// The simulated device makes its numbers up. On an NPU that is free: PELLET_HAILORT=auto node --test test/${name}.test.mjs\nconst env = { PELLET_HAILORT: 'simulated:${chip}', ...process.env }\n` : ''}let pellet
let url

before(async () => {
  const [program, ...first] = pelletCommand()
  const args = [...first, 'start', '--root', root, '--port', '0', '--data', data, '--log-level', 'info']
  pellet = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit']${chip ? ', env' : ''} })
  await once(pellet, 'spawn')
  for await (const line of createInterface({ input: pellet.stdout })) {
    url = /"listening on (http:[^"]+)"/.exec(line)?.[1]
    if (url) break
    if (/"level":"(?:warn|error)".*"deployment":"${name}"/.test(line)) console.error(line)
  }
  assert.ok(url, 'expected Pellet to listen, found that it ended')
  pellet.stdout.resume()
})

after(async () => {
  if (pellet?.exitCode === null && pellet.kill()) await once(pellet, 'exit')
  rmSync(data, { recursive: true, force: true })
})

test('${name} ${test.title}', async (t) => {
  const response = await fetch(\`\${url}/v1/${name}${test.query ?? ''}\`, {
    method: 'POST',
    headers: { 'content-type': '${type}' },
    body: ${body},
  })
  const answer = await response.json()
  if (/model is missing/.test(answer.error?.message)) return t.skip(answer.error.message)
  assert.equal(response.status, 200, JSON.stringify(answer))
${indent(test.checks.join('\n'), 2)}
})

// --- internal ---
${isPicture ? `\n/** A PNG of 48 x 32 pixels. */\nconst picture = Buffer.from(\n  '${picture}',\n  'base64',\n)\n${sizes ? 'const [width, height] = [48, 32]\n' : ''}` : ''}
/** Pellet as it is installed here, else the one on the PATH. PELLET names another, by the path of its main.js. */
function pelletCommand() {
  if (process.env.PELLET) return [process.execPath, process.env.PELLET]
  try {
    const require = createRequire(import.meta.url)
    const file = require.resolve('pellet/package.json')
    return [process.execPath, join(dirname(file), require(file).bin.pellet)]
  } catch {
    return ['pellet']
  }
}
`
}
