/** The float32 value of float16 bits (IEEE 754 binary16). */
export function fromFloat16(bits: number): number {
  const sign = (bits & 0x8000) << 16
  const magnitude = bits & 0x7fff
  // Shifted into float32's fields, the exponent is short by 112: a product restores it, subnormal values included.
  words[0] = magnitude >= 0x7c00 ? sign | 0x7f800000 | ((magnitude & 0x3ff) << 13) : sign | (magnitude << 13)
  return magnitude >= 0x7c00 ? floats[0]! : floats[0]! * 2 ** 112
}

/** The float16 bits nearest to a value, ties to even; beyond 65504 infinity. */
export function toFloat16(value: number): number {
  floats[0] = value
  const word = words[0]!
  const sign = (word >>> 16) & 0x8000
  const magnitude = word & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(floats[0]!) * 2 ** 24)
  // The upper 10 bits of the mantissa, rounded by the 13 that go; a carry runs into the exponent as it should.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
}

/** To the nearest whole number, halves to the even one (IEEE 754, C's rint). */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

// --- internal ---

const floats = new Float32Array(1)
const words = new Uint32Array(floats.buffer)
