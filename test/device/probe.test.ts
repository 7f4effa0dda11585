import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { NpuStatus } from '../../runtime/device/npu.ts'
import { probeNpu, type ProbeConfig, type ProbeOptions } from '../../runtime/device/probe.ts'
import { hailortSource } from '../ffi/hailort-source.ts'
import { testWithCompiler, withCLibrary } from '../support/c-compiler.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { SimControl, simulatedDataFolder, simulatedLibrary, testWithSim } from '../support/sim.ts'

const test = suite('what there is of an NPU')

const folder = temporaryFolder()
const config: ProbeConfig = { hailort: 'auto', deviceId: '', dataFolder: join(folder, 'data') }
const deviceFolder = join(folder, 'dev')
mkdirSync(deviceFolder)
writeFileSync(join(deviceFolder, 'hailo0'), '')

test('none, or none is wanted: nothing is wrong', async () => {
  const empty = { deviceFolder: join(folder, 'nowhere'), env: {} }
  assert.equal(await probeNpu(config, empty), { isUsable: false, isAbsent: true, reason: 'no NPU was found' })
  const off = await probeNpu({ ...config, hailort: 'off' }, { deviceFolder })
  assert.equal(off, { isUsable: false, isAbsent: true, reason: 'the setting hailort is off' })
})

test('a driver without HailoRT: what to install', async () => {
  const reason = await reasonOf({}, { env: { PELLET_HAILORT_PREFIX: folder } })
  assert.match(reason, /^there is .*\/dev\/hailo0, but no libhailort: apt install hailo-all/)
})

testWithCompiler(test, 'HailoRT is asked in a process of its own, which may do what it likes', () =>
  withCLibrary(
    hailortSource,
    async (file) => {
      const env = { ...process.env, PELLET_HAILORT_PREFIX: dirname(dirname(file)) }
      const mine = { deviceId: '0001:01:00.0' }
      const ask = (trouble: string, terms: Partial<ProbeConfig> = mine, timeoutMs = 10_000) =>
        reasonOf(terms, { env: { ...env, FAKE_HAILORT: trouble }, timeoutMs })
      assert.match(await ask('hang', mine, 500), /^HailoRT did not answer within 0\.5 s: run `pellet doctor`$/)
      assert.match(await ask('crash'), /^HailoRT ended the process that asked it \(SIGABRT\): run `pellet doctor`$/)
      assert.match(await ask('busy'), /another (program|process).*HAILO_DEVICE_IN_USE/)
      assert.match(
        await ask('', { deviceId: '0000:07:00.0' }),
        /^the setting device: expected the id .* \(0000:01:00\.0, 0001:01:00\.0\), found 0000:07:00\.0$/,
      )
      // It has no headers: the shim is what is missing.
      const missing = /^the shim over HailoRT cannot be compiled; .*hailo\/infer_model\.hpp is missing/
      assert.match(await ask(''), missing)
      assert.match(await ask('busy'), missing, 'what it is was remembered')
    },
    'libhailort.so.4.23.0',
  ),
)

testWithSim(test, 'a simulated one: the chip of the setting, or of its control file', async () => {
  await simulatedLibrary()
  const control = new SimControl()
  process.env['PELLET_SIM'] = control.file
  const said: string[] = []
  const ask = async (hailort: ProbeConfig['hailort']) =>
    asShort(await probeNpu({ ...config, hailort, dataFolder: simulatedDataFolder }, { say: (text) => said.push(text) }))
  assert.equal(await ask('simulated'), ['simulated', 'hailo8', '4.23.0'])
  assert.equal(await ask('simulated:hailo10h'), ['simulated', 'hailo10h', '5.2.0'])
  control.set({ chip: 'hailo8l' })
  assert.equal(await ask('simulated:hailo10h'), ['simulated', 'hailo8l', '4.23.0'])
  control.set({ device: 'absent' })
  assert.equal(await ask('simulated'), ['no NPU was found (device=absent of the simulated one)'])
  assert.equal(said, [], 'nothing was compiled')
})

test('a simulated one without a compiler: what to install', async () => {
  const npu = await probeNpu({ ...config, hailort: 'simulated' }, { env: { PATH: folder } })
  assert.match(asShort(npu)[0]!, /cannot be compiled; gcc is missing \(no cc, gcc, clang in PATH\): apt install gcc$/)
})

test.run()

// --- internal ---

async function reasonOf(terms: Partial<ProbeConfig>, options: ProbeOptions): Promise<string> {
  const npu = await probeNpu({ ...config, ...terms }, { deviceFolder, ...options })
  assert.is(npu.isUsable, false)
  return (npu as { reason: string }).reason
}

function asShort(npu: NpuStatus): string[] {
  return npu.isUsable ? [npu.kind, npu.chip, npu.library] : [npu.reason]
}
