import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { drawBox, drawPoint, drawText } from '../../runtime/steps/draw.ts'
import type { Pixels, Rgb } from '../../runtime/steps/picture.ts'
import { pixelAt } from './fixture-steps.ts'

const drawing = suite('draw')
const color: Rgb = [200, 100, 50]

const blank = (width: number, height: number): Pixels => ({ data: new Uint8Array(width * height * 3), width, height })

/** The picture as text: # where `color` is, o where another is, . where nothing was drawn. */
function seen(pixels: Pixels): string[] {
  return Array.from({ length: pixels.height }, (_, y) =>
    Array.from({ length: pixels.width }, (_, x) => {
      const found = pixelAt(pixels, x, y)
      return found.every((value, i) => value === color[i]) ? '#' : found.some((value) => value > 0) ? 'o' : '.'
    }).join(''),
  )
}

function drawn(width: number, height: number, draw: (pixels: Pixels) => void): string[] {
  const pixels = blank(width, height)
  draw(pixels)
  return seen(pixels)
}

drawing('a box is its outline, inside its bounds', () => {
  assert.equal(
    drawn(7, 6, (pixels) => drawBox(pixels, [1, 1, 6, 5], { color, thickness: 1 })),
    ['.......', '.#####.', '.#...#.', '.#...#.', '.#####.', '.......'],
  )
  assert.equal(
    drawn(8, 7, (pixels) => drawBox(pixels, [0.6, 0.4, 7.4, 7.4], { color, thickness: 2 })),
    ['.######.', '.######.', '.##..##.', '.##..##.', '.##..##.', '.######.', '.######.'],
  )
})

drawing('what lies outside is left out, and the picture’s other edge is not reached', () => {
  assert.equal(
    drawn(5, 4, (pixels) => drawBox(pixels, [-3, -2, 3, 2], { color, thickness: 1 })),
    ['..#..', '###..', '.....', '.....'],
  )
  assert.equal(
    drawn(5, 4, (pixels) => drawBox(pixels, [3, 2, 99, 99], { color, thickness: 1 })),
    ['.....', '.....', '...##', '...#.'],
  )
  for (const box of [
    [-9, -9, -1, -1],
    [9, 9, 20, 20],
    [NaN, 0, 3, 3],
    [3, 0, 1, 3],
    [2, 2, 2, 2],
  ])
    assert.equal(
      drawn(5, 4, (pixels) => drawBox(pixels, box, { color, thickness: 1 })),
      ['.....', '.....', '.....', '.....'],
      `${box}`,
    )
})

drawing('a line thicker than its box fills the box and no more', () => {
  assert.equal(
    drawn(5, 5, (pixels) => drawBox(pixels, [1, 1, 4, 4], { color, thickness: 9 })),
    ['.....', '.###.', '.###.', '.###.', '.....'],
  )
})

drawing('boxes without end stay within the picture', () => {
  assert.equal(
    drawn(4, 3, (pixels) => drawBox(pixels, [-Infinity, 1, Infinity, Infinity], { color, thickness: 1 })),
    ['....', '####', '....'],
  )
})

drawing('a point is the pixels whose centres are near, clipped', () => {
  assert.equal(
    drawn(7, 5, (pixels) => drawPoint(pixels, 2.5, 2.5, { color, radius: 1.5 })),
    ['.......', '.###...', '.###...', '.###...', '.......'],
  )
  assert.equal(
    drawn(4, 4, (pixels) => drawPoint(pixels, 0, 0, { color, radius: 2 })),
    ['##..', '#...', '....', '....'],
  )
  assert.equal(
    drawn(4, 2, (pixels) => drawPoint(pixels, 4, 1, { color, radius: 1 })),
    ['...#', '...#'],
  )
  assert.equal(
    drawn(2, 2, (pixels) => drawPoint(pixels, NaN, 1, { color, radius: 1 })),
    ['..', '..'],
  )
})

drawing('text is written in Pellet’s own letters, its corner where it was asked for', () => {
  assert.equal(
    drawn(14, 11, (pixels) => drawText(pixels, 0, 0, '1g', { color, scale: 1 })),
    [
      '..............',
      '...#..........',
      '..##..........',
      '...#....####..',
      '...#...#...#..',
      '...#...#...#..',
      '...#...#...#..',
      '..###...####..',
      '...........#..',
      '........###...',
      '..............',
    ],
  )
  const large = drawn(40, 40, (pixels) => drawText(pixels, 4, 2, 'k', { color, scale: 3 }))
  const small = drawn(40, 40, (pixels) => drawText(pixels, 4, 2, 'k', { color, scale: 1 }))
  const count = (rows: string[]) => rows.join('').replaceAll('.', '').length
  assert.is(count(large), 9 * count(small))
})

drawing('every printable ASCII character that a label needs has a shape of its own, others a box', () => {
  const shapes = new Map<string, string>()
  for (const character of "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz .,:;-_+=%/()[]#'!?<>*&@") {
    const shape = drawn(7, 11, (pixels) => drawText(pixels, 0, 0, character, { color, scale: 1 })).join('\n')
    assert.is(shapes.get(shape), undefined, `${character} looks like ${shapes.get(shape)}`)
    shapes.set(shape, character)
  }
  const box = drawn(7, 11, (pixels) => drawText(pixels, 0, 0, 'é', { color, scale: 1 }))
  assert.equal(box.slice(1, 8), ['.#####.', '.#...#.', '.#...#.', '.#...#.', '.#...#.', '.#...#.', '.#####.'])
  assert.equal(
    drawn(7, 11, (pixels) => drawText(pixels, 0, 0, '😀', { color, scale: 1 })),
    box,
  )
})

drawing('text is clipped on all sides, and stands on its background', () => {
  for (const [x, y] of [
    [-20, -3],
    [15, 6],
    [-100, 0],
    [3, -100],
    [99, 99],
  ] as const) {
    const wide = drawn(60, 40, (pixels) =>
      drawText(pixels, x + 20, y + 15, 'Abc 4%', { color, scale: 1, background: [1, 2, 3] }),
    )
    const clipped = drawn(20, 10, (pixels) =>
      drawText(pixels, x, y, 'Abc 4%', { color, scale: 1, background: [1, 2, 3] }),
    )
    assert.equal(
      clipped,
      wide.slice(15, 25).map((row) => row.slice(20, 40)),
    )
  }
  assert.equal(
    drawn(8, 12, (pixels) => drawText(pixels, 0, 0, '-', { color, scale: 1, background: [1, 1, 1] })).slice(3, 6),
    ['ooooooo.', 'oo####o.', 'ooooooo.'],
  )
})

drawing('a label stands above its box, inside where there is no room, and left of the edge', () => {
  const rowsOf = (box: number[]) => {
    const rows = drawn(60, 40, (pixels) => drawBox(pixels, box, { color, thickness: 1, label: 'cat' }))
    const marked = rows.flatMap((row, y) => (row.includes('###') ? [y] : []))
    return [marked[0], Math.max(...rows.map((row) => row.lastIndexOf('#')))]
  }
  assert.equal(rowsOf([5, 20, 40, 35]), [9, 39])
  assert.equal(rowsOf([5, 4, 40, 35]), [4, 39])
  assert.equal(rowsOf([55, 20, 99, 35]), [9, 59])
})

drawing('lines grow with the picture', () => {
  const thickness = (width: number, height: number) => {
    const pixels = blank(width, height)
    drawBox(pixels, [0, 0, width, height])
    let rows = 0
    while (pixelAt(pixels, width >> 1, rows).some((value) => value > 0)) rows++
    return rows
  }
  assert.equal([thickness(64, 48), thickness(640, 480), thickness(1920, 1080)], [1, 2, 5])
})

drawing.run()
