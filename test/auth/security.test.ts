import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { settings } from '../../runtime/config-keys.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('SECURITY.md')
const text = readFileSync(join(projectRoot, 'SECURITY.md'), 'utf8')

test('the tests, scripts and settings that it names exist', () => {
  const files = [...text.matchAll(/`(test\/[\w./-]+)`/g)].map(([, file]) => file!)
  assert.ok(files.length > 10)
  for (const file of files) assert.ok(existsSync(join(projectRoot, file)), file)
  const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
  for (const [, script] of text.matchAll(/`npm run (\w+)`/g)) assert.ok(scripts[script!], script)
  for (const [, key] of text.matchAll(/`(\w+): true`/g)) assert.ok(settings[key!], key)
})

test.run()
