/** Pixels: row-major, interleaved RGB, 8 bit. `data.length === width * height * 3`. */
export interface Pixels {
  data: Uint8Array
  width: number
  height: number
}

/** Formats that are read. */
export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'tiff'

/**
 * A picture and what is to be done with it. Nothing is decoded until `pixels()`, so that decoding, turning, resizing and
 * padding are one pass of libvips at the size needed. Pictures are immutable: each step makes a new one.
 */
export interface Picture {
  /** Size in pixels as shown: EXIF orientation and all steps so far applied. */
  readonly width: number
  readonly height: number
  readonly format: PictureFormat
  /** The encoded bytes as they came. */
  readonly bytes: Uint8Array
  /** A picture of `width` x `height`; the aspect ratio is not kept. */
  resize(width: number, height: number, options?: ResizeOptions): Picture
  /** Scaled to fit, aspect kept; the rest is filled with `background`. */
  letterbox(width: number, height: number, options?: LetterboxOptions): Picture
  /** A part; pixels of this picture. */
  crop(left: number, top: number, width: number, height: number): Picture
  /** Maps a point of this picture to the source's, in pixels; unclipped. */
  toSource(x: number, y: number): [x: number, y: number]
  /** The picture before all steps, as shown. */
  readonly source: Picture
  /** Decodes. @throws PelletError `invalid_image` */
  pixels(): Promise<Pixels>
}

export interface ResizeOptions {
  /** @default 'linear' */
  kernel?: 'nearest' | 'linear' | 'cubic' | 'mitchell' | 'lanczos2' | 'lanczos3'
}

export interface LetterboxOptions extends ResizeOptions {
  /** Where the picture goes. @default 'center' */
  position?: 'center' | 'top-left'
  /** Grey level, or RGB, 0 to 255. @default 0 */
  background?: number | [number, number, number]
}
