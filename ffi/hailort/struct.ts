import type { StructLayout } from './layouts.ts'

/**
 * A struct of C in a Buffer. Parameters of koffi that are objects end the process where a type is wrong, so structs are
 * written and read here.
 */
export class Struct {
  readonly bytes: Buffer
  readonly #layout: StructLayout

  /** @param bytes Zeros where none are given */
  constructor(layout: StructLayout, bytes: Buffer = Buffer.alloc(layout.size)) {
    this.#layout = layout
    this.bytes = bytes
  }

  /** An unsigned integer of the field's own size. */
  number(field: string): number {
    const [offset, size] = this.#placeOf(field)
    return this.bytes.readUIntLE(offset, size)
  }

  float(field: string): number {
    return this.bytes.readFloatLE(this.#placeOf(field)[0])
  }

  /** A text that ends with the field, at a zero byte, or after as many bytes as the field `{field}_length` says. */
  text(field: string): string {
    const bytes = this.part(field)
    const lengthField = `${field}_length`
    const length = lengthField in this.#layout.fields ? this.number(lengthField) : bytes.length
    return bytes.toString('utf8', 0, Math.min(length, endOf(bytes))).trim()
  }

  /** @throws RangeError where it does not fit with the zero that ends it */
  setText(field: string, text: string): void {
    const [offset, size] = this.#placeOf(field)
    if (Buffer.byteLength(text) >= size)
      throw new RangeError(`${field}: expected fewer than ${size} bytes, found ${text}`)
    this.bytes.fill(0, offset, offset + size)
    this.bytes.write(text, offset)
  }

  /** The bytes of a field, e.g. of a struct inside. */
  part(field: string): Buffer {
    const [offset, size] = this.#placeOf(field)
    return this.bytes.subarray(offset, offset + size)
  }

  #placeOf(field: string) {
    const place = this.#layout.fields[field]
    if (!place) throw new RangeError(`expected a field of the struct, found ${field}`)
    return place
  }
}

// --- internal ---

function endOf(bytes: Buffer): number {
  const end = bytes.indexOf(0)
  return end === -1 ? bytes.length : end
}
