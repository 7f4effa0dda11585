import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PelletError } from '../../runtime/errors.ts'
import { fromBase64 } from '../../runtime/isolate/child/base64.ts'

const test = suite('base64 as clients write it')
const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0x00, 0x01, 0x7f, 0x80])
const plain = bytes.toString('base64')
const urlSafe = bytes.toString('base64url')
const long = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 37) & 255))

const readable: [what: string, text: string, expected: Buffer][] = [
  ['plain', plain, bytes],
  ['without padding', plain.replaceAll('=', ''), bytes],
  ['URL-safe', urlSafe, bytes],
  ['URL-safe with padding', `${urlSafe}==`, bytes],
  ['lines of 76 with LF', long.toString('base64').replaceAll(/(.{76})/g, '$1\n'), long],
  [
    'lines of 64 with CRLF, and one at the end',
    `${long.toString('base64').replaceAll(/(.{64})/g, '$1\r\n')}\r\n`,
    long,
  ],
  ['a data URI', `data:image/png;base64,${plain}`, bytes],
  ['a data URI with parameters', `data:image/png;name=a.png;base64,${plain}`, bytes],
  ['a data URI without a type', `data:;base64,${plain}`, bytes],
  ['a data URI in capitals', `DATA:image/PNG;BASE64,${plain}`, bytes],
  [
    'a data URI with line breaks',
    `data:image/png;base64,\n${long.toString('base64').replaceAll(/(.{60})/g, '$1\n')}`,
    long,
  ],
  ['one byte', 'AA==', Buffer.from([0])],
]
for (const [what, text, expected] of readable)
  test(`${what} is read`, () => {
    assert.ok(Buffer.from(fromBase64(text, 'image')).equals(expected))
  })

const broken: [what: string, text: string, code: string][] = [
  ['other characters', 'abc$def!', 'invalid_request'],
  ['a path', '/home/me/photo.jpg', 'invalid_request'],
  ['words', 'this is a picture of a cat.', 'invalid_request'],
  ['one character', 'A', 'invalid_request'],
  ['one character too many', `${plain.replaceAll('=', '')}A`.slice(0, 9), 'invalid_request'],
  ['padding in the middle', 'AA==BBBB', 'invalid_request'],
  ['a data URI that is not base64', 'data:image/png,hello', 'invalid_request'],
  ['a data URI without a comma', 'data:image/png;base64', 'invalid_request'],
  ['a broken data URI', 'data:image/png;base64,@@@@', 'invalid_request'],
  ['nothing', '', 'missing_input'],
  ['white space', ' \n', 'missing_input'],
  ['an empty data URI', 'data:image/png;base64,', 'missing_input'],
]
for (const [what, text, code] of broken)
  test(`${what} is ${code}, and the message names the field`, () => {
    try {
      fromBase64(text, 'photo')
      assert.unreachable()
    } catch (error) {
      assert.instance(error, PelletError)
      assert.is((error as PelletError).code, code)
      assert.match((error as PelletError).message, 'photo: expected')
    }
  })

test.run()
