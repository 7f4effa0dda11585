/** Bytes that suffice for `length` values, a multiple of 4: 12 bits for each of their bytes, and the blocks' own. */
export function deflatedBound(length: number): number {
  return Math.ceil((length * maxBits) / 8) * 4 + 256 * (1 + Math.ceil(length / blockLength))
}

/**
 * Raw deflate of float32 values by Huffman codes alone (RFC 1951, 3.2.7: dynamic blocks, no distances), which any inflate
 * reads. Floats hold hardly a repeated string: level 1 of zlib takes 38 ms for 640x480 to save 1 % more. zlib's own
 * Z_HUFFMAN_ONLY takes 11.5 ms of a core, this 6 for a size that is up to 5 % larger: it looks at a sample to choose the
 * codes, and writes two bytes at once from a table of all pairs.
 * @param into has room for `deflatedBound(values.length)` bytes from `start`, a multiple of 4
 * @returns how many bytes were written
 */
export function deflateFloats(values: Float32Array, into: ArrayBuffer, start: number): number {
  const words = new Int32Array(into, start, deflatedBound(values.length) / 4)
  const writer = { words, at: 0, hold: 0, bits: 0 }
  const table = new Int32Array(0x10000)
  let from = 0
  do {
    const end = from + blockLength
    putBlock(writer, values.subarray(from, end), end >= values.length, table)
    from = end
  } while (from < values.length)
  words[writer.at] = writer.hold
  return writer.at * 4 + Math.ceil(writer.bits / 8)
}

// --- internal ---

/** Values in a block. Smaller ones fit their codes more closely, but choosing codes takes 0.5 ms each time. */
const blockLength = 1 << 18
const samplesPerBlock = 1 << 13
const endOfBlock = 256
const symbols = 257
/** So that the codes of two bytes fit into 24 bits; deflate allows 15 for one. */
const maxBits = 12

interface Writer {
  words: Int32Array
  at: number
  hold: number
  bits: number
}

/** Appends up to 16 bits, lowest first. */
function put(writer: Writer, code: number, length: number): void {
  const rest = (code >>> (31 - writer.bits)) >>> 1
  writer.hold |= code << writer.bits
  writer.bits += length
  if (writer.bits < 32) return
  writer.words[writer.at++] = writer.hold
  writer.hold = rest
  writer.bits -= 32
}

function putBlock(writer: Writer, values: Float32Array, isLast: boolean, table: Int32Array): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const pairs = new Uint16Array(values.buffer, values.byteOffset, values.length * 2)
  const lengths = codeLengths(sampleCounts(bytes))
  const codes = canonicalCodes(lengths)
  putHeader(writer, lengths, isLast)
  fillPairTable(table, codes, lengths)
  putPairs(writer, pairs, table)
  put(writer, codes[endOfBlock]!, lengths[endOfBlock]!)
}

/** As `put`, without its branch: whether a word is full is as good as random, and a wrong guess costs several codes. */
function putPairs(writer: Writer, pairs: Uint16Array, table: Int32Array): void {
  const { words } = writer
  let at = writer.at
  let hold = writer.hold
  let bits = writer.bits
  for (let i = 0; i < pairs.length; i++) {
    const entry = table[pairs[i]!]!
    const code = entry & 0xffffff
    const word = hold | (code << bits)
    words[at] = word
    const rest = (code >>> (31 - bits)) >>> 1
    bits += entry >>> 24
    const full = bits >>> 5
    at += full
    hold = (word & (full - 1)) | (rest & -full)
    bits &= 31
  }
  writer.at = at
  writer.hold = hold
  writer.bits = bits
}

/**
 * How often each byte occurs, by a sample spread over all values. None counts as rarer than one in 4,096: every byte needs
 * a code, and so hardly one grows beyond `maxBits`.
 */
function sampleCounts(bytes: Uint8Array): Uint32Array {
  const step = Math.max(1, Math.floor(bytes.length / 4 / samplesPerBlock)) * 4
  const counts = new Uint32Array(symbols).fill(Math.max(1, Math.floor(bytes.length / step / 1024)))
  for (let i = 0; i + 3 < bytes.length; i += step) {
    counts[bytes[i]!]!++
    counts[bytes[i + 1]!]!++
    counts[bytes[i + 2]!]!++
    counts[bytes[i + 3]!]!++
  }
  return counts
}

/** Huffman's code lengths; rare symbols are made more frequent until none is longer than `maxBits`. */
function codeLengths(counts: Uint32Array): Uint8Array {
  for (;;) {
    const lengths = treeDepths(counts)
    if (lengths.every((length) => length <= maxBits)) return lengths
    counts = counts.map((count) => (count >> 1) + 1)
  }
}

/** Huffman's algorithm with two queues: leaves by rising count, and the nodes made of them, which rise by themselves. */
function treeDepths(counts: Uint32Array): Uint8Array {
  // Count and symbol in one number: sorting plain numbers needs no calls.
  const leaves = Float64Array.from(counts, (count, symbol) => count * 512 + symbol)
    .sort()
    .map((leaf) => leaf % 512)
  const nodeCounts: number[] = []
  const leafParents = new Uint16Array(symbols)
  const nodeParents = new Uint16Array(symbols)
  let leaf = 0
  let node = 0
  for (let made = 0; made < symbols - 1; made++) {
    nodeCounts[made] = 0
    for (let child = 0; child < 2; child++) {
      const isLeaf = leaf < symbols && (node >= made || counts[leaves[leaf]!]! <= nodeCounts[node]!)
      nodeCounts[made]! += isLeaf ? counts[leaves[leaf]!]! : nodeCounts[node]!
      if (isLeaf) leafParents[leaves[leaf++]!] = made
      else nodeParents[node++] = made
    }
  }
  const depths = new Uint8Array(symbols)
  for (let made = symbols - 3; made >= 0; made--) depths[made] = depths[nodeParents[made]!]! + 1
  return Uint8Array.from(leafParents, (parent) => depths[parent]! + 1)
}

/** Codes by length, then by symbol (RFC 1951, 3.2.2), their bits turned around since deflate writes the highest first. */
function canonicalCodes(lengths: Uint8Array): Uint16Array {
  const next = new Uint16Array(maxBits + 2)
  for (const length of lengths) next[length + 1]!++
  for (let length = 1; length <= maxBits; length++) next[length + 1] = (next[length]! + next[length + 1]!) << 1
  return Uint16Array.from(lengths, (length) => reversed(next[length]!++, length))
}

function reversed(code: number, length: number): number {
  let turned = 0
  for (let bit = 0; bit < length; bit++) turned |= ((code >> bit) & 1) << (length - 1 - bit)
  return turned
}

/** For two bytes as they lie in memory: the bits of both codes, and how many they are in the highest byte. */
function fillPairTable(table: Int32Array, codes: Uint16Array, lengths: Uint8Array): void {
  for (let second = 0, at = 0; second < 256; second++) {
    const code = codes[second]!
    const length = lengths[second]!
    for (let first = 0; first < 256; first++, at++) {
      const own = lengths[first]!
      table[at] = codes[first]! | (code << own) | ((own + length) << 24)
    }
  }
}

/**
 * The head of a dynamic block (RFC 1951, 3.2.7) with 257 literals and one unused distance. Lengths are written plainly: 0
 * to 15 have codes of 4 bits each, which are themselves.
 */
function putHeader(writer: Writer, lengths: Uint8Array, isLast: boolean): void {
  put(writer, Number(isLast) | (2 << 1), 3)
  put(writer, 0, 5)
  put(writer, 0, 5)
  put(writer, 15, 4)
  // In the order 16, 17, 18, 0, 8, 7, 9, ... : no codes for repeats.
  for (let i = 0; i < 19; i++) put(writer, i < 3 ? 0 : 4, 3)
  for (const length of lengths) put(writer, reversed(length, 4), 4)
  put(writer, 0, 4)
}
