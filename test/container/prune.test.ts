import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { prune } from '../../container/prune.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('packages for one machine')
const wanted = [
  'onnxruntime-node/bin/napi-v6/linux/arm64/onnxruntime_binding.node',
  'onnxruntime-node/dist/index.js',
  '@img/colour/index.js',
  '@img/sharp-linux-arm64/sharp.node',
  '@img/sharp-libvips-linux-arm64/libvips.so',
  '@esbuild/linux-arm64/bin/esbuild',
  '@koromix/koffi-linux-arm64/koffi.node',
  'zod/index.js',
]
const others = [
  'onnxruntime-node/bin/napi-v6/linux/x64/onnxruntime_binding.node',
  'onnxruntime-node/bin/napi-v6/darwin/arm64/onnxruntime_binding.node',
  'onnxruntime-node/bin/napi-v6/win32/arm64/onnxruntime_binding.node',
  '@img/sharp-linux-x64/sharp.node',
  '@img/sharp-linuxmusl-arm64/sharp.node',
  '@img/sharp-libvips-linuxmusl-arm64/libvips.so',
  '@img/sharp-libvips-darwin-arm64/libvips.dylib',
  '@esbuild/linux-arm/bin/esbuild',
  '@esbuild/darwin-arm64/bin/esbuild',
  '@koromix/koffi-linux-x64/koffi.node',
]

function tree(files: string[]): string {
  const folder = temporaryFolder()
  for (const path of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), 'x'.repeat(100))
  }
  return folder
}

test('what is for other machines goes, all else stays; once more changes nothing', () => {
  const folder = tree([...wanted, ...others])
  const { removed, sizeBytes } = prune(folder, { platform: 'linux', arch: 'arm64' })
  assert.is(removed.length, others.length)
  assert.is(sizeBytes, 100 * others.length)
  for (const path of wanted) assert.ok(existsSync(join(folder, path)), path)
  for (const path of others) assert.not.ok(existsSync(join(folder, path)), path)
  assert.equal(prune(folder, { platform: 'linux', arch: 'arm64' }), { removed: [], sizeBytes: 0 })
})

test('a package that has nothing for this machine is told, and all is left as it was', () => {
  for (const [index, name] of [
    [0, 'onnxruntime-node'],
    [3, 'sharp'],
    [4, 'sharp-libvips'],
    [5, 'esbuild'],
    [6, 'koffi'],
  ] as const) {
    const folder = tree([...wanted.filter((path) => path !== wanted[index]), ...others])
    assert.throws(() => prune(folder, { platform: 'linux', arch: 'arm64' }), `expected ${name} for linux-arm64, found`)
    for (const path of others) assert.ok(existsSync(join(folder, path)))
  }
})

test('the packages that are installed here are laid out so', () => {
  // On a machine that exists nowhere, it says what it has found of the first: that is what a new version may change.
  const modules = join(projectRoot, 'node_modules')
  assert.throws(
    () => prune(modules, { platform: 'linux', arch: 'z80' }),
    /onnxruntime-node\/bin\/napi-v\d+\/linux\/x64/,
  )
})

test.run()
