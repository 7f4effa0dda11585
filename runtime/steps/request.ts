import type { Pixels } from './picture.ts'

/** One file of a multipart body, or the raw body. */
export interface UploadedFile {
  name: string
  type: string
  bytes: Uint8Array
}

/** A request as steps see it, whichever way it came: JSON, form, multipart, raw bytes or query. */
export interface RequestInput {
  /** Fields of the JSON object or of the form. JSON values keep their types, form values are strings. */
  fields: Record<string, unknown>
  /** Files of a multipart body by field name. A raw picture is the file `image`. */
  files: Record<string, UploadedFile>
  /** The picture as pixels, when another deployment calls; `image()` then gives it encoded as PNG. */
  pixels?: Pixels
  /**
   * The bytes of the picture: `pixels` encoded as PNG where there are such, else the file `image`, or the field `image` (base64 or data URI), or `image_url` when URLs are allowed.
   * @throws PelletError `missing_input`, `invalid_request`, `url_input_disabled`, `url_input_refused`
   */
  image(): Promise<Uint8Array>
}
