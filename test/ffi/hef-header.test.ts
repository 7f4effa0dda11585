import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refusalOn } from '../../ffi/hef/arch.ts'
import { readHef, readHefFile, type Hef } from '../../ffi/hef/hef.ts'
import { sourceOfFile } from '../../ffi/hef/source.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { toHefProto, type HefSpec } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { mutateHefs } from './hef-mutations.ts'

const test = suite('the header of a HEF')
const folder = temporaryFolder()

const small: HefSpec = {
  groups: [{ name: 'n', edges: [{ layer: { name: 'n/in', shape: [2, 2, 3] } }], sortedOutputs: [] }],
}
const proto = toHefProto(small)
const versions = [0, 1, 2, 3] as const
const headerBytes = [32, 28, 44, 56]
const checksumAt = [16, 12, 12, 12]

for (const version of versions)
  test(`version ${version}: read from bytes and from a file, refused when cut off, continued or damaged`, async () => {
    const bytes = toHef(version, proto)
    const hef = await readHef(bytes)
    assert.equal(
      [hef.header.version, hef.header.headerBytes, hef.sizeBytes],
      [version, headerBytes[version], bytes.length],
    )
    assert.is(hef.networkGroups[0]!.inputs[0]!.name, 'n/in')
    const file = join(folder, 'm.hef')
    writeFileSync(file, bytes)
    assert.equal(await readHefFile(file), hef)

    for (const length of [4, 11, 12, headerBytes[version]! - 1, headerBytes[version]!, bytes.length - 1])
      assert.match(
        await messageOf(bytes.subarray(0, length)),
        new RegExp(`found (the end of the file after )?${length}: it is cut off`),
      )
    assert.match(
      await messageOf(Buffer.concat([bytes, Buffer.alloc(1)])),
      /it is damaged, or something was added to it/,
    )
    for (const offset of [checksumAt[version]!, headerBytes[version]!, bytes.length - 1]) {
      const damaged = Buffer.from(bytes)
      damaged[offset]! ^= 4
      assert.match(
        await messageOf(damaged),
        /^expected the (MD5|CRC-32|XXH3-64) of what follows the header to be [0-9a-f]+, .* found [0-9a-f]+: /,
      )
    }
  })

test('version 3: the checksum of the protobuf part is verified where it is there', async () => {
  assert.is((await readHef(toHef(3, proto, { noProtoChecksum: true }))).header.protoChecksum, undefined)
  const bytes = toHef(3, proto)
  bytes[40]! ^= 1
  assert.match(await messageOf(bytes), /^expected the XXH3-64 of the protobuf part to be /)
})

test('version 3: a padding of more than there is', async () => {
  const bytes = toHef(3, proto)
  bytes.writeUInt32BE(1000, 28)
  assert.match(await messageOf(bytes), /^at byte 28: expected a padding of at most 15 bytes, found 1000/)
})

const others: Record<string, [bytes: Buffer, message: string]> = {
  'an empty file': [Buffer.alloc(0), 'expected a HEF, found an empty file'],
  text: [
    Buffer.from('<html>Not found'),
    'expected a HEF, which starts with the bytes 01 48 45 46, found text: "<html>Not found"',
  ],
  'another format': [
    Buffer.from('504b0304aa', 'hex'),
    'expected a HEF, which starts with the bytes 01 48 45 46, found 50 4b 03 04',
  ],
  'a later version': [
    Buffer.from('014845460000000400000000', 'hex'),
    'at byte 4: expected header version 0, 1, 2 or 3, found 4; is it of a newer compiler?',
  ],
}
for (const [name, [bytes, message]] of Object.entries(others))
  test(`refused: ${name}`, async () => assert.is(await messageOf(bytes), message))

test('a protobuf part of 2 GB is not taken into memory', async () => {
  const file = join(folder, 'large.hef')
  const header = Buffer.alloc(32)
  header.writeUInt32BE(0x01_48_45_46, 0)
  header.writeUInt32BE(2 ** 31, 8)
  writeFileSync(file, header)
  truncateSync(file, 2 ** 31 + header.length)
  const error = await readHefFile(file).catch((error: Error) => error)
  assert.is((error as Error).message, 'at byte 8: expected a protobuf part of at most 94371840 bytes, found 2147483648')
})

test('a HEF that has become shorter while it is read', () => {
  const file = join(folder, 'short.hef')
  writeFileSync(file, toHef(1, proto))
  const fd = openSync(file, 'r')
  try {
    assert.throws(() => sourceOfFile(fd, 9999).read(9000, 9010), /expected 9999 bytes, found 9000: the file changes/)
  } finally {
    closeSync(fd)
  }
})

test('damage in the protobuf part says where', async () => {
  const cut = proto.slice(0, -3)
  assert.match(await messageOf(toHef(1, cut)), /^in the protobuf part, byte \d+: .* the file is damaged$/)
  const control = toHefProto({ groups: [{ name: 'a\u001b[2J', edges: [] }] })
  assert.match(await messageOf(toHef(1, control)), /expected text, found "a\\u001b\[2J"/)
})

test('which chips take it, and why others do not', async () => {
  const hailo8 = await readHef(toHef(2, toHefProto({ ...small, arch: 1 })))
  assert.is(refusalOn('hailo8', hailo8), undefined)
  assert.is(refusalOn('hailo8l', hailo8), 'it is compiled for hailo8 and does not run on hailo8l')
  assert.is(refusalOn('hailo10h', await withExtension(103, 33)), undefined)
  assert.match(
    refusalOn('hailo8', await withExtension(1, 33))!,
    /^HailoRT 4.23 does not know what it needs: EXTENSION_33;/,
  )
  assert.match(
    refusalOn('hailo10h', await withExtension(77, 3))!,
    /compiled for an architecture that is not known here \(77\)/,
  )
  const old: Hef = { ...hailo8, extensions: [], compiler: { ...hailo8.compiler, version: '3.14.0' } }
  assert.match(refusalOn('hailo8', old)!, /^it is of an old compiler \(3.14.0\), whose files HailoRT no longer takes/)
})

test('the installed HailoRT decides where it is known', async () => {
  const newer = await withExtension(1, 31)
  assert.is(refusalOn('hailo8', newer), undefined)
  assert.is(refusalOn('hailo8', newer, '4.21.0'), undefined)
  assert.is(
    refusalOn('hailo8', newer, '4.20.0'),
    'HailoRT 4.20.0 does not know what it needs: EXTENSION_31; take one that is compiled for it (Model Zoo v2.14), or use a newer HailoRT',
  )
  assert.is(refusalOn('hailo8', await withExtension(1, 40), '4.24.0'), undefined)
  assert.is(refusalOn('hailo8', newer, '5.2.0'), undefined, 'a HailoRT for another chip says nothing of this one')

  const strict = await withExtension(103, 35)
  const of51 = { ...strict, compiler: { version: '5.1.1' } }
  assert.is(refusalOn('hailo10h', of51), undefined)
  assert.is(refusalOn('hailo10h', of51, '5.1.0'), undefined)
  assert.is(
    refusalOn('hailo10h', of51, '5.2.0'),
    'it is for HailoRT 5.1 alone, and 5.2.0 is installed; take one that is compiled for it (Model Zoo v5.2)',
  )
})

test('500 mutations of HEFs end in an error or the right answer', async () => {
  const { results, slowestMs } = await mutateHefs({ count: 500, seed: 1 })
  assert.is(results.refused + results.same + results.other, 500)
  assert.ok(results.refused > 300 && results.other > 5, JSON.stringify(results))
  assert.ok(slowestMs < 5000, `the slowest took ${slowestMs} ms`)
})

test.run()

// --- internal ---

async function messageOf(bytes: Uint8Array): Promise<string> {
  const error = await readHef(bytes).catch((error: Error) => error)
  assert.is((error as Error).name, 'HefError')
  return (error as Error).message
}

async function withExtension(arch: number, id: number): Promise<Hef> {
  return readHef(toHef(3, toHefProto({ ...small, arch, extensions: [id] })))
}
