import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  formatBytes,
  formatDuration,
  maxDurationMs,
  parseBytes,
  parseCount,
  parseDuration,
} from '../../runtime/units.ts'
import { projectRoot } from '../support/root.ts'

const units = suite('units')

units('durations are milliseconds, bare numbers are seconds', () => {
  const rows: [string | number, number][] = [
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['300', 300_000],
    [300, 300_000],
    ['250ms', 250],
    ['1d', 86_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['1h500ms', 3_600_500],
    ['1.5h', 5_400_000],
    ['1.1m', 66_000],
    [0.25, 250],
    [' 5m ', 300_000],
    ['0', 0],
    [0, 0],
    [-0, 0],
    ['0s', 0],
    ['0.1ms', 1],
    [-1, -1],
    ['-1', -1],
    ['36525d', maxDurationMs],
  ]
  for (const [written, ms] of rows) assert.is(parseDuration(written), ms, String(written))
})

units('what is no duration is refused with the forms that are', () => {
  const rows = [
    '',
    ' ',
    'm',
    '5 parsecs',
    '5M',
    '5 m',
    '30m1h',
    '1m1m',
    '-5m',
    '-2',
    -2,
    '1e3',
    '.5',
    '5.',
    '0x10',
    '++1',
    'Infinity',
  ]
  for (const written of rows) {
    assert.throws(
      () => parseDuration(written),
      (error: Error) => error instanceof RangeError && error.message.includes('"1h30m"'),
      String(written),
    )
  }
  for (const written of [NaN, Infinity, -Infinity, 1e21, 1e-7, null, undefined, true, [5], {}]) {
    assert.throws(
      () => parseDuration(written as number),
      (error: Error) => error instanceof RangeError,
      String(written),
    )
  }
})

units('a duration of more than a hundred years is refused, and -1 offered', () => {
  assert.throws(() => parseDuration('36526d'), /at most a hundred years.*-1 for ever.*"36526d"/)
  assert.throws(() => parseDuration('9'.repeat(400)), /at most a hundred years/)
})

units('sizes are powers of 1024', () => {
  const rows: [string | number, number][] = [
    ['50MB', 52_428_800],
    ['256MB', 268_435_456],
    ['1.5GB', 1_610_612_736],
    ['64KiB', 65_536],
    ['64 KiB', 65_536],
    ['1k', 1024],
    ['1g', 1_073_741_824],
    ['1T', 1_099_511_627_776],
    ['10B', 10],
    ['1024', 1024],
    [1024, 1024],
    [0, 0],
    ['0.3KB', 307],
  ]
  for (const [written, bytes] of rows) assert.is(parseBytes(written), bytes, String(written))
})

units('counts are powers of 1000', () => {
  const rows: [string | number, number][] = [
    ['50M', 50_000_000],
    ['4k', 4000],
    ['4K', 4000],
    ['1.5M', 1_500_000],
    ['2G', 2_000_000_000],
    ['7', 7],
    [7, 7],
  ]
  for (const [written, count] of rows) assert.is(parseCount(written), count, String(written))
})

units('sizes and counts refuse nonsense, signs, fractions of one and what a double cannot hold', () => {
  for (const written of [
    '',
    'MB',
    '-1',
    -1,
    '1.5',
    1.5,
    '5 MBs',
    '1e3',
    '5XB',
    NaN,
    Infinity,
    '99999999TB',
    2 ** 53,
    null,
  ]) {
    assert.throws(
      () => parseBytes(written as number),
      (error: Error) => error instanceof RangeError,
      `bytes ${written}`,
    )
  }
  for (const written of ['', 'M', '-1', '1.5', '50MB', '5 M', '1e9', Infinity, '99999999999G']) {
    assert.throws(
      () => parseCount(written),
      (error: Error) => error instanceof RangeError,
      `count ${written}`,
    )
  }
  assert.throws(
    () => parseBytes('lots'),
    /^expected a size \("512KB", "50MB", "1.5GB" \(powers of 1024\) or a number of bytes\), found "lots"$/,
  )
})

units('durations for listings show the two largest units and never 60 of one', () => {
  const rows: [number, string][] = [
    [-1, 'for ever'],
    [0, '0ms'],
    [250, '250ms'],
    [999.6, '1s'],
    [1500, '1.5s'],
    [9_949, '9.9s'],
    [9_950, '10s'],
    [30_000, '30s'],
    [59_499, '59s'],
    [59_500, '1m'],
    [300_000, '5m'],
    [305_000, '5m5s'],
    [3_599_499, '59m59s'],
    [3_599_500, '1h'],
    [5_400_000, '1h30m'],
    [86_369_999, '23h59m'],
    [86_370_000, '1d'],
    [187_200_000, '2d4h'],
  ]
  for (const [ms, text] of rows) assert.is(formatDuration(ms), text)
})

units('sizes for listings have one decimal below a hundred, and are read back', () => {
  const rows: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KB'],
    [12_700, '12.4 KB'],
    [52_428_800, '50 MB'],
    [1_048_575, '1 MB'],
    [1_610_612_736, '1.5 GB'],
    [300 * 1024 ** 2, '300 MB'],
  ]
  for (const [bytes, text] of rows) assert.is(formatBytes(bytes), text)
  assert.is(parseBytes(formatBytes(1_610_612_736)), 1_610_612_736)
})

units('imports nothing, because every process has it', () => {
  assert.not.match(readFileSync(join(projectRoot, 'runtime/units.ts'), 'utf8'), /^import/m)
})

units.run()
