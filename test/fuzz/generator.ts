import { batchKinds } from './batches.ts'
import { bomb } from './bombs.ts'
import { formKinds } from './forms.ts'
import { headerKinds } from './headers.ts'
import { jsonKinds } from './json.ts'
import { bitmap, flipped, seedPictures, shuffled, spliced, strangers, truncated } from './pictures.ts'
import { protocolKinds } from './protocol.ts'
import { connectionKinds } from './connections.ts'
import { Random } from '../support/random.ts'
import { plain, type FuzzRequest, type Kind, type Target } from './request.ts'

/** Makes the same requests for the same seed, each without the others. */
export interface Generator {
  /** So many requests in a row to a route are of all kinds. */
  kinds: readonly Kind[]
  make(target: Target, number: number): FuzzRequest & { kind: string }
}

export async function createGenerator(seed: number): Promise<Generator> {
  const pictures = await seedPictures()
  const kinds = interleave([
    pictureKinds([...pictures.values()]),
    jsonKinds(pictures.get('jpeg')!),
    formKinds(pictures.get('png')!),
    headerKinds,
    [...protocolKinds, ...connectionKinds],
    batchKinds(pictures.get('jpeg')!),
  ])
  const light = kinds.filter(({ name }) => !heavy.test(name))
  return {
    kinds,
    make(target, number) {
      const random = Random.of(`${seed}/${target.name}/${number}`)
      // Each route begins elsewhere: so few requests to each are of many kinds together.
      const first = Random.of(target.name).integer(0, kinds.length - 1)
      const turn = first + number
      const due = kinds[turn % kinds.length]!
      // Of those that move megabytes each comes once in four turns: else the rest would wait for them all the time.
      const isOut = heavy.test(due.name) && Math.floor(turn / kinds.length) % 4 !== turn % 4
      const kind = isOut ? random.pick(light) : due
      const request = kind.make(random, target)
      return { ...request, kind: kind.name, isHeavy: request.isHeavy || heavy.test(kind.name) }
    },
  }
}

// --- internal ---

/** The names of kinds that move megabytes say so. */
const heavy = /\d MB|million|as it comes/

function pictureKinds(files: Buffer[]): Kind[] {
  const kinds: [name: string, make: (random: Random) => Uint8Array][] = [
    ['whole', (random) => random.pick(files)],
    ['cut off', (random) => truncated(random, random.pick(files))],
    ['cut off', (random) => truncated(random, random.pick(files))],
    ['bits flipped', (random) => flipped(random, random.pick(files))],
    ['bits flipped', (random) => flipped(random, random.pick(files))],
    ['bits flipped', (random) => flipped(random, random.pick(files))],
    ['a part changed', (random) => shuffled(random, random.pick(files))],
    ['a part changed', (random) => shuffled(random, random.pick(files))],
    ['two in one', (random) => spliced(random, random.pick(files), random.pick(files))],
    ['none of ours', strangers],
    ['none of ours', strangers],
    ['BMP', bitmap],
    ['bomb', bomb],
    ['bomb', bomb],
    ['bytes', (random) => random.bytes(random.integer(0, 200))],
    ['nothing', () => Buffer.alloc(0)],
  ]
  return kinds.map(([name, make]) => ({
    name: `picture: ${name}`,
    make: (random, target) => ({ ...withPicture(random, target, make(random)), isHeavy: name === 'bomb' }),
  }))
}

/** A picture in any of the ways in which one may come. */
function withPicture(random: Random, target: Target, file: Uint8Array): FuzzRequest {
  const way = random.pick(['raw', 'raw', 'form', 'JSON'])
  if (way === 'JSON') {
    const body = Buffer.from(JSON.stringify({ image: Buffer.from(file).toString('base64') }))
    return plain(target, { headers: ['content-type: application/json'], body })
  }
  if (way === 'raw') {
    const type = random.pick(['image/jpeg', 'image/png', 'image/svg+xml', 'application/octet-stream', 'image/*'])
    return plain(target, { headers: [`content-type: ${type}`], body: file })
  }
  const start = '--b\r\ncontent-disposition: form-data; name="image"; filename="x"\r\n\r\n'
  const body = Buffer.concat([Buffer.from(start), file, Buffer.from('\r\n--b--\r\n')])
  return plain(target, { headers: ['content-type: multipart/form-data; boundary=b'], body })
}

/** One of each in turn, so that a few in a row are of many kinds. */
function interleave(lists: readonly (readonly Kind[])[]): Kind[] {
  const longest = Math.max(...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat()
}
