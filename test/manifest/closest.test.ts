import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { closest, didYouMean } from '../../runtime/manifest/closest.ts'

const words = suite('did you mean')
const candidates = ['keep_alive', 'preload', 'pre', 'post', 'pin', 'image.decode', 'image.resize']

words('finds the word behind a slip', () => {
  const rows = [
    ['keepAlive', 'keep_alive'],
    ['KEEP-ALIVE', 'keep_alive'],
    ['keep_alvie', 'keep_alive'],
    ['prelaod', 'preload'],
    ['imagedecode', 'image.decode'],
    ['image.rezise', 'image.resize'],
    ['pots', 'post'],
  ]
  for (const [word, meant] of rows) assert.is(closest(word!, candidates), meant)
  assert.is(didYouMean('keepalive', candidates), 'did you mean keep_alive?')
})

words('says nothing rather than something far off', () => {
  for (const word of ['', '_', 'x', 'zebra', 'timeout', 'k'.repeat(1000)])
    assert.is(didYouMean(word, candidates), undefined, word)
  assert.is(closest('keep_alive', []), undefined)
})

words.run()
