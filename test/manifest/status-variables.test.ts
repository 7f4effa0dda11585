import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toStatusParts, type StatusPart } from '../../runtime/manifest/status-variables.ts'

const test = suite('strings of status bodies')

const rows: [text: string, parts: StatusPart[]][] = [
  ['', []],
  ['healthy', ['healthy']],
  ['$model', [{ variable: 'model' }]],
  ['up for $uptime_s s', ['up for ', { variable: 'uptime_s' }, ' s']],
  ['$name$model', [{ variable: 'name' }, { variable: 'model' }]],
  ['$loaded_at.', [{ variable: 'loaded_at' }, '.']],
  ['$$', ['$']],
  ['costs $$5, $$model and $$$model', ['costs $5, $model and $', { variable: 'model' }]],
  ['5 $', ['5 ', { variable: '' }]],
  ['$5', [{ variable: '' }, '5']],
  ['größe\n$état', ['größe\n', { variable: '' }, 'état']],
]
for (const [text, parts] of rows)
  test(`${JSON.stringify(text)} is ${JSON.stringify(parts)}`, () => assert.equal(toStatusParts(text), parts))

test.run()
