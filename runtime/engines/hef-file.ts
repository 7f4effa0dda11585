import { HefError, readHefFile, type Hef } from '../../ffi/hef/hef.ts'
import { messageOf, PelletError } from '../errors.ts'
import { checkModelFile, describeOther, readHead } from './model-bytes.ts'

/** Whether a file is a HEF by its first bytes; false where there is no file. */
export async function isHefFile(path: string): Promise<boolean> {
  // Not of a pipe, which would wait for its writer.
  const head = await checkModelFile(path, 'a HEF').then(
    () => readHead(path),
    () => undefined,
  )
  return head?.subarray(0, 4).equals(magic) ?? false
}

/**
 * Reads a `.hef` file without HailoRT and verifies its checksums.
 * @throws PelletError `load_failed` where it is none, is damaged or ends too early
 */
export async function readHefModel(path: string): Promise<Hef> {
  await checkModelFile(path, 'a HEF')
  const other = describeOther(await readHead(path))
  if (other !== undefined) throw new PelletError('load_failed', `${path}: expected a HEF, found ${other}`)
  try {
    return await readHefFile(path)
  } catch (error) {
    if (!(error instanceof HefError)) throw error
    const what = `${path}: ${messageOf(error)}.`
    const advice = /(fetch|get) it again\.$/.test(what) ? '' : ' Check its sha256 and fetch it again.'
    throw new PelletError('load_failed', `${what}${advice}`, { cause: error })
  }
}

// --- internal ---

const magic = Buffer.from('01484546', 'hex')
