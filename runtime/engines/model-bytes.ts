import { access, constants, open, readFile, stat } from 'node:fs/promises'
import { PelletError } from '../errors.ts'

/** More than a protobuf message can be, and Node can read. What is larger keeps its weights in files beside it. */
const maxSizeBytes = 2 ** 31 - 1

/**
 * That `path` is a file that can be read, before an engine tries and says something less clear.
 * @param what as in `expected an ONNX model`
 * @returns its size in bytes
 * @throws PelletError `load_failed`
 */
export async function checkModelFile(path: string, what: string): Promise<number> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new PelletError('load_failed', `${path}: expected ${what}, ${why}`, { cause })
  }
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 'found no file' : `it cannot be reached (${error.code})`
    return refuse(`${why}. Check the path, or put the file there.`, error)
  })
  if (found.isFile() === false) refuse('found a folder or device. Name the file of the model itself.')
  if (found.size === 0) refuse('found an empty file. Fetch it again.')
  await access(path, constants.R_OK).catch((error: NodeJS.ErrnoException) =>
    refuse(`it cannot be read (${error.code}). Check its permissions.`, error),
  )
  return found.size
}

/**
 * The whole file, unless its beginning shows that it is something else.
 * @param what as in `expected an ONNX model`
 * @throws PelletError `load_failed` that says what it is instead
 */
export async function readModelFile(path: string, what: string): Promise<Buffer> {
  const sizeBytes = await checkModelFile(path, what)
  const other = describeOther(await readHead(path))
  if (other !== undefined) throw new PelletError('load_failed', `${path}: expected ${what}, found ${other}`)
  if (sizeBytes > maxSizeBytes)
    throw new PelletError('load_failed', `${path}: expected ${what} of at most 2 GB, found ${sizeBytes} bytes.`)
  return readFile(path)
}

/** The first bytes of a file: enough to know its format by. */
export async function readHead(path: string): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** What people have in their folders under the name of a model, by its first bytes; undefined: none of it. */
export function describeOther(head: Buffer): string | undefined {
  const text = head.toString('latin1')
  if (text.startsWith('version https://git-lfs'))
    return 'a pointer of Git LFS, not the file itself. Fetch it with git lfs pull.'
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return 'a web page. Fetch the file itself.'
  if (text.startsWith('PK\x03\x04')) return 'a ZIP archive (PyTorch’s .pt is one). Unpack it, or export the model.'
  if (text.startsWith('\x1f\x8b')) return 'a gzip archive. Unpack it.'
  if (text.startsWith('\x89HDF')) return 'an HDF5 file (Keras). Export the model.'
  if (text.slice(4, 8) === 'TFL3') return 'a TensorFlow Lite model. Export it anew.'
  // oxlint-disable-next-line no-control-regex
  if (head.length > 0 && /^[\t\n\r\x20-\x7e]+$/.test(text)) return 'a text file. Check what was downloaded.'
  return undefined
}
