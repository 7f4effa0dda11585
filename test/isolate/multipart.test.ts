import { randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseMultipart } from '../../runtime/isolate/child/multipart.ts'

const test = suite('multipart forms')
const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x0d, 0x0a, 0x2d, 0x2d, 0x0d, 0x0a])
const plain = 'multipart/form-data; boundary=XX'

function part(head: string, body: string | Buffer = jpeg): Buffer {
  return Buffer.concat([Buffer.from(`--XX\r\n${head}\r\n\r\n`), Buffer.from(body as string), Buffer.from('\r\n')])
}

function closed(...parts: Buffer[]): Buffer {
  return Buffer.concat([...parts, Buffer.from('--XX--\r\n')])
}

const file = part('Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg')
const asWritten: [who: string, body: Buffer, name: string, type?: string][] = [
  ['curl and browsers', closed(file), 'a.jpg'],
  [
    '.NET',
    closed(part("Content-Disposition: form-data; name=image; filename=a.jpg; filename*=utf-8''%C3%A4.jpg")),
    'ä.jpg',
  ],
  [
    'older urllib3',
    closed(part('Content-Disposition: form-data; name="image"; filename*=utf-8\'\'T%C3%BCr%20.jpg')),
    'Tür .jpg',
  ],
  ['one without blanks', closed(part('content-disposition:form-data;name="image";filename="a.jpg"')), 'a.jpg'],
  [
    'one with blanks',
    closed(part('CONTENT-DISPOSITION :  form-data ;  NAME = "image" ; filename = "a b;c=d.jpg"')),
    'a b;c=d.jpg',
  ],
  [
    'one with quotes in the name',
    closed(part('Content-Disposition: form-data; name="image"; filename="a\\"b.jpg"')),
    'a"b.jpg',
  ],
  [
    'one that puts more headers in',
    closed(
      part(
        'Content-Length: 12\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"',
      ),
    ),
    'a.jpg',
  ],
  [
    'one that names no file',
    closed(part('Content-Disposition: form-data; name="image"\r\nContent-Type: image/jpeg')),
    '',
  ],
  ['one that ends without a line break', closed(file).subarray(0, -2), 'a.jpg'],
  ['one that begins with a line break', Buffer.concat([Buffer.from('\r\n'), closed(file)]), 'a.jpg'],
  [
    'one that puts text around',
    Buffer.concat([Buffer.from('Hello --XX \r\n'), closed(file), Buffer.from('bye')]),
    'a.jpg',
  ],
  [
    'one that pads the boundary',
    Buffer.from(closed(file).toString('latin1').replace('--XX\r\n', '--XX \t\r\n'), 'latin1'),
    'a.jpg',
  ],
  ['a boundary in quotes', closed(file), 'a.jpg', 'Multipart/Form-Data; charset=utf-8; Boundary="XX"'],
]
for (const [who, body, name, type = plain] of asWritten)
  test(`as written by ${who}`, () => {
    const { fields, files } = parseMultipart(body, type)
    assert.equal(fields, [])
    assert.equal(
      files.map(([field, one]) => [field, one.name]),
      [['image', name]],
    )
    assert.ok(Buffer.from(files[0]![1].bytes).equals(jpeg))
  })

test('what looks like a boundary inside a part is content', () => {
  for (const text of ['a--XX', '\r\n--XXY', '\r\n--XX-', '\r\n-XX--', 'a\r\n--XX \tb', '\r\n\r\n', '']) {
    const { fields } = parseMultipart(closed(part('Content-Disposition: form-data; name="a"', text)), plain)
    assert.equal(fields, [['a', text]])
  }
})

test('what Node writes is read as Node reads it, any bytes included', async () => {
  for (let round = 0; round < 50; round++) {
    const data = new FormData()
    data.append('text', 'é\r\nline')
    data.append('empty', '')
    data.append('image', new Blob([randomBytes(round * 7)], { type: 'image/png' }), `name ${round}.png`)
    data.append('image', new Blob([]), 'none')
    const written = new Response(data)
    const type = written.headers.get('content-type')!
    const body = Buffer.from(await written.arrayBuffer())
    const { fields, files } = parseMultipart(body, type)
    assert.equal(fields, [
      ['text', 'é\r\nline'],
      ['empty', ''],
    ])
    const again = await new Response(body, { headers: { 'content-type': type } }).formData()
    const expected = again.getAll('image') as File[]
    assert.equal(
      files.map(([, one]) => [one.name, one.type]),
      expected.map((one) => [one.name, one.type || 'application/octet-stream']),
    )
    for (const [i, one] of expected.entries())
      assert.ok(Buffer.from(files[i]![1].bytes).equals(Buffer.from(await one.arrayBuffer())))
  }
})

test('files are views: a picture is not copied', () => {
  const body = closed(file)
  assert.is(parseMultipart(body, plain).files[0]![1].bytes.buffer, body.buffer)
})

test('a body that ends early is refused wherever it ends', () => {
  const whole = closed(part('Content-Disposition: form-data; name="a"', '1'), file)
  const complete = whole.length - '\r\n'.length
  for (let length = 0; length < complete; length++)
    assert.throws(() => parseMultipart(whole.subarray(0, length), plain), /expected/, `${length} of ${whole.length}`)
})

test('what is missing is said', () => {
  const disposition = 'Content-Disposition: form-data; name="a"'
  for (const [body, type, message] of [
    [closed(file), 'multipart/form-data', 'a boundary in the content type'],
    [closed(file), 'multipart/form-data; boundary=YY', 'the boundary "YY"'],
    [part(disposition), plain, 'an early end'],
    [closed(part('Content-Type: text/plain')), plain, 'name="..."'],
    [closed(Buffer.from(`--XX\r\n${disposition}\r\n`)), plain, 'a blank line'],
    [closed(part(`X: ${'x'.repeat(20_000)}\r\n${disposition}`)), plain, 'a blank line'],
  ] as [Buffer, string, string][])
    assert.throws(
      () => parseMultipart(body, type),
      (error: Error) => error.message.includes(message),
      message,
    )
})

test.run()
