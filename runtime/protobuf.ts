import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** What to do with the fields of a message, by number. Fields that are not named are skipped. */
export type Fields = Record<number, (field: Field) => void>

/**
 * Reads the fields of one message in their order; nothing but views of `bytes` is made. A model file is a protobuf message,
 * whatever the engine: ONNX as a whole, a HEF behind its header.
 * @throws RangeError with the offset in `bytes` where they are no such message, or end too early
 */
export function readMessage(bytes: Uint8Array, fields: Fields): void {
  readFields(new BinaryReader(bytes), fields, { offset: 0, depth: 0, whole: { fields: 0 } })
}

/** One field as it comes by. Read it once, by the method that suits its type, or not at all. */
export class Field {
  readonly number: number
  readonly #wireType: number
  readonly #reader: BinaryReader
  readonly #place: Place

  constructor(number: number, wireType: number, reader: BinaryReader, place: Place) {
    this.number = number
    this.#wireType = wireType
    this.#reader = reader
    this.#place = place
  }

  /** Any integer or enum that a double holds exactly, negative ones too. */
  int(): number {
    this.#expect(WireType.Varint)
    return toSafeNumber(this.#reader)
  }

  /** A repeated integer, packed or not: calls with each. */
  ints(each: (value: number) => void): void {
    this.#repeated(WireType.Varint, (reader) => each(toSafeNumber(reader)))
  }

  bool(): boolean {
    return this.int() !== 0
  }

  float(): number {
    this.#expect(WireType.Bit32)
    return this.#reader.float()
  }

  /** A repeated float, packed or not: calls with each. */
  floats(each: (value: number) => void): void {
    this.#repeated(WireType.Bit32, (reader) => each(reader.float()))
  }

  double(): number {
    this.#expect(WireType.Bit64)
    return this.#reader.double()
  }

  /** A repeated double, packed or not: calls with each. */
  doubles(each: (value: number) => void): void {
    this.#repeated(WireType.Bit64, (reader) => each(reader.double()))
  }

  string(): string {
    return decoder.decode(this.bytes())
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    this.#expect(WireType.LengthDelimited)
    const start = this.#reader.pos
    const sizeBytes = this.#reader.uint32()
    const leftBytes = this.#reader.len - this.#reader.pos
    if (sizeBytes > leftBytes)
      throw new Error(`field ${this.number} says that it has ${sizeBytes} bytes, and ${leftBytes} are left`)
    this.#reader.pos = start
    return this.#reader.bytes()
  }

  message(fields: Fields): void {
    const bytes = this.bytes()
    const offset = this.#place.offset + this.#reader.pos - bytes.length
    readFields(new BinaryReader(bytes), fields, { offset, depth: this.#place.depth + 1, whole: this.#place.whole })
  }

  #repeated(wireType: number, one: (reader: BinaryReader) => void): void {
    if (this.#wireType !== WireType.LengthDelimited) {
      this.#expect(wireType)
      return one(this.#reader)
    }
    const packed = new BinaryReader(this.bytes())
    while (packed.pos < packed.len) {
      count(this.#place)
      one(packed)
    }
  }

  #expect(wireType: number): void {
    if (this.#wireType === wireType) return
    const found = wireNames[this.#wireType] ?? 'a group'
    throw new Error(`field ${this.number}: expected ${wireNames[wireType]}, found ${found}`)
  }
}

// --- internal ---

/** Deeper than any model nests; what is deeper is damage, and would exhaust the stack. */
const maxDepth = 64
/** More than any model has; each costs about a microsecond, and a file of 2 GB has room for a thousand million. */
const maxFields = 10_000_000

/** Where a message begins in the whole, and inside how many others it is. */
interface Place {
  offset: number
  depth: number
  /** How many fields and repeated numbers were read so far, in all messages together. */
  whole: { fields: number }
}

class DamageError extends RangeError {}

const decoder = new TextDecoder()

const wireNames: Record<number, string> = {
  [WireType.Varint]: 'a varint',
  [WireType.Bit64]: '8 bytes',
  [WireType.LengthDelimited]: 'a length and bytes',
  [WireType.Bit32]: '4 bytes',
}

function readFields(reader: BinaryReader, fields: Fields, place: Place): void {
  try {
    if (place.depth > maxDepth) throw new Error(`messages are nested more than ${maxDepth} deep`)
    while (reader.pos < reader.len) {
      count(place)
      const [number, wireType] = reader.tag()
      const valueAt = reader.pos
      fields[number]?.(new Field(number, wireType, reader, place))
      if (reader.pos === valueAt) reader.skip(wireType, number)
    }
  } catch (error) {
    if (error instanceof DamageError || !(error instanceof Error)) throw error
    throw new DamageError(`byte ${place.offset + Math.min(reader.pos, reader.len)}: ${error.message}`)
  }
}

function count({ whole }: Place): void {
  if (++whole.fields > maxFields) throw new Error(`the file has more than ${maxFields / 1e6} million fields`)
}

function toSafeNumber(reader: BinaryReader): number {
  const value = reader.int64()
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new Error(`expected a number below 2^53, found ${value}`)
  return number
}
