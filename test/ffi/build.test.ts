import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildShim, compileLibrary, ShimBuildError, type LibraryPlan } from '../../ffi/shim/build.ts'
import { findHailort } from '../../ffi/shim/hailort-files.ts'
import { runHere } from '../support/cli.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

/** A compiler that writes what it was told into the file that it was asked for, and counts its runs. */
const compilerText = `#!/bin/sh
echo run >> "$0.runs"
for last; do [ "$previous" = -o ] && out=$last; previous=$last; done
[ -e "$0.broken" ] && { echo "main.c:3: error: expected ';'" >&2; exit 1; }
echo "$*" > "$out"
`

function fixture(): { plan: LibraryPlan; compiler: string; runs(): number } {
  const folder = temporaryFolder()
  const compiler = join(folder, 'mycc')
  writeFileSync(compiler, compilerText, { mode: 0o755 })
  for (const name of ['main.c', 'main.h']) writeFileSync(join(folder, name), name)
  const plan: LibraryPlan = {
    sources: [join(folder, 'main.c')],
    headers: [join(folder, 'main.h')],
    compiler: 'c',
    flags: ['-O2'],
    libraries: [],
    folder: join(folder, 'npu'),
    key: '4.23.0',
    env: { PATH: folder, CC: 'mycc' },
  }
  const runs = () =>
    existsSync(`${compiler}.runs`) ? readFileSync(`${compiler}.runs`, 'utf8').trim().split('\n').length : 0
  return { plan, compiler, runs }
}

test('a library is compiled once, and anew when anything of it changes', async () => {
  const { plan, compiler, runs } = fixture()
  const { file, isNew } = await compileLibrary(plan)
  assert.match(file, /npu\/main-4\.23\.0-[0-9a-f]{12}-[0-9a-f]{8}\.so$/)
  assert.match(readFileSync(file, 'utf8'), /-O2 -shared -fPIC .*main\.c/)
  assert.ok(isNew)
  assert.equal(await compileLibrary(plan), { file, isNew: false })
  const changes: [what: string, change: () => LibraryPlan][] = [
    ['source', () => (writeFileSync(plan.sources[0]!, 'other'), plan)],
    ['header', () => (writeFileSync(plan.headers![0]!, 'other'), plan)],
    ['flags', () => ({ ...plan, flags: ['-O3'] })],
    ['version of what it is for', () => ({ ...plan, key: '5.2.0' })],
    ['compiler', () => (utimesSync(compiler, 1, 1), plan)],
  ]
  for (const [what, change] of changes) assert.ok((await compileLibrary(change())).isNew, what)
  assert.is(runs(), 1 + changes.length)
  assert.is(readdirSync(plan.folder).length, 3, 'older builds are removed')
})

test('what is there is used when the compiler is gone', async () => {
  const { plan } = fixture()
  const { file } = await compileLibrary(plan)
  assert.equal(await compileLibrary({ ...plan, env: { PATH: '/nowhere' } }), { file, isNew: false })
})

test('several at once', async () => {
  const { plan } = fixture()
  const built = await Promise.all([1, 2, 3, 4].map(() => compileLibrary(plan)))
  assert.is(new Set(built.map(({ file }) => file)).size, 1)
  assert.is(readdirSync(plan.folder).length, 1, 'nothing half-made stays')
})

test('a compiler that fails, and none', async () => {
  const { plan, compiler } = fixture()
  writeFileSync(`${compiler}.broken`, '')
  const failure = await compileLibrary(plan).catch((error: ShimBuildError) => error)
  assert.match(String(failure), /main: .*mycc failed: main\.c:3: error: expected ';'/)
  assert.equal((failure as ShimBuildError).missing, [])
  assert.equal(readdirSync(plan.folder), [])
  const inFile = await compileLibrary({ ...plan, folder: join(compiler, 'npu') }).catch((error: Error) => error)
  assert.match(String(inFile), /^ShimBuildError: main cannot be compiled into .*mycc\/npu: ENOTDIR/)
  const none = await compileLibrary({ ...plan, env: { PATH: '/nowhere' } }).catch((error: Error) => error.message)
  assert.is(none, 'main cannot be compiled; gcc is missing (no cc, gcc, clang in PATH): apt install gcc')
})

test('HailoRT is found with its version, in a place of its own', async () => {
  const prefix = temporaryFolder()
  const env = { PELLET_HAILORT_PREFIX: prefix }
  assert.equal(await findHailort(env), { prefix })
  mkdirSync(join(prefix, 'lib/cmake/HailoRT'), { recursive: true })
  mkdirSync(join(prefix, 'include/hailo'), { recursive: true })
  writeFileSync(join(prefix, 'lib/libhailort.so.4.23.0'), '')
  const library = join(prefix, 'lib/libhailort.so.4.23.0')
  assert.equal(await findHailort(env), { prefix, library, version: '4.23.0' }, 'without a link for the linker')
  symlinkSync('libhailort.so.4.23.0', join(prefix, 'lib/libhailort.so'))
  writeFileSync(join(prefix, 'include/hailo/infer_model.hpp'), '')
  const include = join(prefix, 'include')
  assert.equal(await findHailort(env), { prefix, library, version: '4.23.0', include })
  writeFileSync(join(prefix, 'lib/cmake/HailoRT/HailoRTConfigVersion.cmake'), 'set(PACKAGE_VERSION "5.2.0")')
  const refused = await buildShim({ dataFolder: prefix, env: { ...env, PATH: '/nowhere' } }).catch((error) => error)
  assert.equal(
    (refused as ShimBuildError).missing.map(({ what }) => what),
    ['g++', 'headers of HailoRT 4.23.0'],
  )
})

test('a library that was renamed tells its version itself', async () => {
  const prefix = temporaryFolder()
  mkdirSync(join(prefix, 'lib'))
  writeFileSync(join(prefix, 'lib/libhailort.so'), 'ELF and more \0libhailort.so.5.2.0\0 and more')
  assert.is((await findHailort({ PELLET_HAILORT_PREFIX: prefix })).version, '5.2.0')
})

test('pellet build-shim says all that is missing, and how to get it', async () => {
  const folder = temporaryFolder()
  const env = { PELLET_HAILORT_PREFIX: folder, PATH: '/nowhere' }
  const { code, stderr, stdout } = await runHere(folder, ['build-shim'], env)
  assert.equal([code, stdout], [1, ''])
  for (const line of [
    '  g++: no c++, g++, clang++ in PATH',
    '    apt install g++',
    `  libhailort.so: looked in ${folder}/lib`,
  ])
    assert.ok(stderr.split('\n').includes(line), stderr)
  const json = await runHere(folder, ['build-shim', '--json'], env)
  assert.is(json.code, 1)
  assert.equal(
    JSON.parse(json.stdout).missing.map(({ what }: { what: string }) => what),
    ['g++', 'libhailort.so', 'hailo/infer_model.hpp'],
  )
})

test.run()
