import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { extractMember } from '../../runtime/models/archive.ts'
import { PartFile } from '../../runtime/models/part-file.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { toZip, type ZipMember } from './zip-writer.ts'

const test = suite('members of zip archives')
const model = randomBytes(5000)
const noise: ZipMember[] = [
  { name: 'readme.txt', bytes: Buffer.from('read me') },
  { name: '__MACOSX/._m.onnx', bytes: Buffer.from('noise') },
]

/** What comes out, or the message of the error. */
async function extract(members: ZipMember[] | Buffer, member?: string): Promise<Buffer | string> {
  const folder = temporaryFolder()
  const archive = join(folder, 'a.zip')
  writeFileSync(archive, Buffer.isBuffer(members) ? members : toZip(members))
  const part = await PartFile.open(join(folder, 'm.onnx'))
  await part.restart()
  try {
    await extractMember(archive, { member, ending: '.onnx', shown: 'a.zip', part })
    await part.moveTo(join(folder, 'm.onnx'))
    assert.equal(readdirSync(folder).sort(), ['a.zip', 'm.onnx'])
    return readFileSync(join(folder, 'm.onnx'))
  } catch (error) {
    await part.discard()
    return (error as Error).message
  }
}

test('come out by their path, its end, or as the one that there is', async () => {
  const members = [...noise, { name: 'v2/m.onnx', bytes: model }]
  for (const member of ['v2/m.onnx', 'm.onnx', undefined]) assert.equal(await extract(members, member), model)
  // A path is more exact than its end.
  assert.equal(
    await extract(
      [
        { name: 'old/m.onnx', bytes: Buffer.from('old') },
        { name: 'm.onnx', bytes: model },
      ],
      'm.onnx',
    ),
    model,
  )
})

test('that are not there, or not the only ones, are told with what there is', async () => {
  const two = [...noise, { name: 'a.onnx', bytes: model }, { name: 'b/m.onnx', bytes: model }]
  assert.is(
    await extract(two),
    'a.zip: expected one file that ends in .onnx in the archive, found readme.txt, a.onnx, b/m.onnx; name it as member: in the manifest',
  )
  assert.match(
    String(await extract(two, 'c.onnx')),
    /expected c\.onnx in the archive, found readme\.txt, a\.onnx, b\/m\.onnx;/,
  )
  assert.match(String(await extract(two, 'onnx')), /expected onnx in the archive/)
  assert.match(String(await extract([])), /found nothing;/)
})

test('that are encrypted, damaged or bombs are refused', async () => {
  const says = (lie: ZipMember['says'], bytes: Uint8Array = model) => extract([{ name: 'm.onnx', bytes, says: lie! }])
  assert.match(String(await says({ isEncrypted: true })), /m\.onnx: it is encrypted; unpack it by hand/)
  assert.match(String(await says({ crc32: 1 })), /m\.onnx: it is damaged: its checksum does not match/)
  assert.match(String(await says({ sizeBytes: 4000 })), /m\.onnx: it is damaged: too many bytes/)
  assert.match(String(await says({ sizeBytes: 6000 })), /m\.onnx: it is damaged: not enough bytes/)
  const zeros = Buffer.alloc(3 * 1024 * 1024)
  assert.match(String(await says({}, zeros)), /that unpack to 3 MB: no model does that/)
  // One that says less than it is unpacks to so much only.
  assert.match(String(await says({ sizeBytes: 1000 }, zeros)), /it is damaged: too many bytes/)
  const whole = toZip([{ name: 'm.onnx', bytes: model }])
  assert.match(
    String(await extract(whole.subarray(0, 4000))),
    /expected a zip archive, found a damaged one or another file/,
  )
  assert.match(String(await extract(Buffer.from('<html>'))), /expected a zip archive/)
})

test.run()
