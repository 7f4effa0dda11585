import koffi from 'koffi'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chipOfArchitecture } from '../../ffi/hailort/device.ts'
import { Hailort, HailortUnusableError } from '../../ffi/hailort/hailort.ts'
import { layoutsOf, type StructLayout } from '../../ffi/hailort/layouts.ts'
import { HailoError, statusOf } from '../../ffi/hailort/statuses.ts'
import { findHailort } from '../../ffi/shim/hailort-files.ts'
import { Struct } from '../../ffi/hailort/struct.ts'
import { testWithCompiler, withCLibrary } from '../support/c-compiler.ts'
import { sharedReference } from '../support/shared.ts'
import { hailortSource } from './hailort-source.ts'

interface Abi {
  structs: Record<string, { size: number; fields: Record<string, { offset: number; size: number }> }>
  enums: Record<string, Record<string, number>>
}

const abiFile = sharedReference('hailort-abi.json')
const testWithAbi = abiFile ? test : test.skip
const readAbi = () => JSON.parse(readFileSync(abiFile!, 'utf8')) as Record<string, Abi>

testWithAbi('every size and offset is the one that the compiler gives, in both versions', () => {
  for (const [version, { structs }] of Object.entries(readAbi()))
    for (const [name, { size, fields }] of Object.entries<StructLayout>(layoutsOf(version)!)) {
      const found = structs[name]!
      assert.is(size, found.size, `${version} ${name}`)
      for (const [field, place] of Object.entries(fields))
        assert.equal(place, Object.values(found.fields[field]!), `${version} ${name}.${field}`)
    }
})

testWithAbi('architectures have the numbers of both versions', () => {
  for (const { enums } of Object.values(readAbi()))
    for (const [name, number] of Object.entries(enums['hailo_device_architecture_t']!))
      if (!/MAX_ENUM|MARS/.test(name))
        assert.is(chipOfArchitecture(number), name.slice('HAILO_ARCH_'.length).toLowerCase().replace('_', '-'))
})

test('texts that fill their field, or end before it', () => {
  const layout = { size: 9, fields: { name: [0, 4], code_length: [4, 1], code: [5, 4] } } satisfies StructLayout
  const struct = new Struct(layout, Buffer.from('ab\0d\x02wxyz'))
  assert.equal([struct.text('name'), struct.text('code')], ['ab', 'wx'])
  assert.throws(() => struct.setText('name', 'abcd'), /fewer than 4 bytes/)
  struct.setText('name', 'x')
  assert.equal([...struct.part('name')], [120, 0, 0, 0])
})

test('a library that cannot be loaded', () => {
  assert.throws(
    () => Hailort.load('/nowhere/libhailort.so'),
    (error: Error) =>
      error instanceof HailortUnusableError &&
      /expected HailoRT's library, found \/nowhere\/libhailort\.so.*install it anew/.test(error.message),
  )
})

testWithCompiler(test, 'a device is asked by the C API of either version', () =>
  withCLibrary(hailortSource, async (file) => {
    const fake = koffi.load(file)
    const pretend = fake.func('void pretend(uint32_t major, uint32_t minor, uint32_t revision)')
    const refuse = fake.func('void refuse(uint32_t status)')
    const miss = fake.func('void miss(uint32_t count)')
    for (const version of ['4.23.0', '5.2.0']) {
      pretend(...version.split('.').map(Number))
      const hailort = Hailort.load(file)
      assert.equal([hailort.version, hailort.refusal], [version, undefined])
      assert.equal([hailort.nameOf(4), hailort.nameOf(200)], ['HAILO_OF_THE_FAKE', undefined])
      assert.equal(await hailort.scan(), ['0000:01:00.0', '0001:01:00.0'])
      {
        await using device = await hailort.open('0001:01:00.0')
        assert.is(fake.func('const char *what_was_given()')(), '0001:01:00.0')
        assert.equal(await device.identify(), {
          chip: 'hailo8l',
          firmware: '4.23.0',
          isDebugFirmware: false,
          board: 'Hailo-8',
          product: 'HAILO-8L M.2',
          partNumber: 'HM21',
          serial: 'HLLWM2A224500123',
        })
        assert.equal(await device.details(), { clockHz: 400_000_000, bootSource: 'pcie', measuresPower: true })
        assert.equal([await device.temperature(), await device.power()], [52.25, 1.75])
        assert.is(await device.isThrottlingEnabled(), true)
        miss(1)
        assert.is((await device.identify()).chip, 'hailo8l')
        miss(2)
        await rejects(device.identify(), /HAILO_TIMEOUT/)
        refuse(36)
        const lost = (await device.identify().catch((error: unknown) => error)) as HailoError
        assert.equal([lost instanceof HailoError, lost.kind], [true, 'lost'])
        refuse(0)
        await device[Symbol.asyncDispose]()
        await rejects(device.temperature(), /expected an open device/)
      }
      assert.is(fake.func('int devices_open()')(), 0)
      await rejects(hailort.open('0000:09:00.0'), /no NPU of that id/)
      await rejects(hailort.open('192.168.1.7'), /expected the id of a device/)
    }
    pretend(4, 20, 0)
    const older = Hailort.load(file)
    assert.match(older.refusal!, 'expected HailoRT 4.23 (Hailo-8 and 8L) and 5.2 (Hailo-10H), found 4.20.0')
    await rejects(older.scan(), /found 4\.20\.0/)
  }),
)

const { library } = await findHailort()
if (library === undefined) console.error('SKIPPED for want of libhailort (PELLET_HAILORT_PREFIX): the real HailoRT')
const testWithHailort = library === undefined ? test.skip : test

testWithHailort('the real HailoRT: its version, its names of all statuses, and devices', async () => {
  process.env['HAILORT_LOGGER_PATH'] = 'NONE'
  process.env['HAILORT_CONSOLE_LOGGER_LEVEL'] = 'critical'
  const hailort = Hailort.load(library!)
  assert.match(library!, hailort.version)
  const count = hailort.version.startsWith('4.') ? 94 : 98
  for (let status = 0; status < count; status++) assert.is(hailort.nameOf(status), statusOf(status).name)
  if (hailort.refusal !== undefined) return
  assert.ok(Array.isArray(await hailort.scan()))
  await rejects(hailort.open('0000:fe:1f.7'), /there is no NPU of that id|there is no NPU/)
})

test.run()

// --- internal ---

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await promise.then(() => undefined).catch((thrown: Error) => thrown)
  assert.match(error?.message ?? 'nothing', pattern)
}
