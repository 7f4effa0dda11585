import { open, type FileHandle } from 'node:fs/promises'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/**
 * That a file is an ONNX model, and whole, as far as the lengths of its fields tell. For files that are too large to be
 * read into memory for a look: of each field the head is read, and no weights.
 * @throws Error that says what is wrong
 */
export async function checkOnnxFrame(path: string): Promise<void> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const graph = (await walk(file, { from: 0, end: size })).get(graphField)
    if (!graph) throw new Error('it has no graph')
    await walk(file, graph)
  } finally {
    await file.close()
  }
}

// --- internal ---

/** Of ModelProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 */
const graphField = 7
/** The longest tag and the longest number. */
const headBytes = 20

interface Span {
  from: number
  end: number
}

/** Where the fields of a message lie that have a length, by their numbers; the last of each. */
async function walk(file: FileHandle, { from, end }: Span): Promise<Map<number, Span>> {
  const spans = new Map<number, Span>()
  const head = Buffer.alloc(headBytes)
  for (let at = from; at < end;) {
    const { bytesRead } = await file.read(head, 0, Math.min(headBytes, end - at), at)
    const reader = new BinaryReader(head.subarray(0, bytesRead))
    const [number, wireType] = reader.tag()
    const length = wireType === WireType.LengthDelimited ? reader.uint32() : 0
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, number)
    at += reader.pos
    if (at + length > end)
      throw new RangeError(`byte ${at}: field ${number} says that it has ${length} bytes, and ${end - at} are left`)
    spans.set(number, { from: at, end: at + length })
    at += length
  }
  return spans
}
