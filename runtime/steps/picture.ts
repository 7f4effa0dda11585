/** Pixels: row-major, interleaved RGB, 8 bit. `data.length === width * height * 3`; the caller's to keep and to change. */
export interface Pixels {
  data: Uint8Array
  width: number
  height: number
}

/** Red, green and blue, 0 to 255. */
export type Rgb = [red: number, green: number, blue: number]

/** Formats that are read. */
export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'tiff'

/**
 * A picture and what is to be done with it. Nothing is decoded until `pixels()`, so that only the pixels of the size needed
 * are ever made; turning and cropping cost nothing. Pictures are immutable: each step makes a new one.
 *
 * Values are those that PIL's convert('RGB') and cv2.imread give, since models were trained on them: 16 bit is scaled to 8,
 * grey becomes RGB, alpha is dropped (not blended), colour profiles of RGB pictures are not applied. CMYK goes through its
 * own profile, of animations the first frame counts.
 */
export interface Picture {
  /** Size in pixels as shown: EXIF orientation and all steps so far applied. */
  readonly width: number
  readonly height: number
  /** `rgb` where another deployment sent pixels. */
  readonly format: PictureFormat | 'rgb'
  /** The bytes as they came, encoded in `format`; of `rgb` the pixels themselves. To be read, not changed. */
  readonly bytes: Uint8Array
  /** A picture of `width` x `height`; the aspect ratio is not kept. */
  resize(width: number, height: number, options?: ResizeOptions): Picture
  /** Scaled to fit, aspect kept; the rest is filled with `background`. */
  letterbox(width: number, height: number, options?: LetterboxOptions): Picture
  /** A part; whole pixels of this picture. @throws RangeError outside of it */
  crop(left: number, top: number, width: number, height: number): Picture
  /**
   * Maps a point of this picture to the source's, in pixels; unclipped. Points are continuous: (0, 0) is the upper left corner
   * of the first pixel, (width, height) the lower right corner of the last. Exact for any chain of steps.
   */
  readonly toSource: (x: number, y: number) => [x: number, y: number]
  /** The picture before all steps, as shown. */
  readonly source: Picture
  /** Decodes; the pixels are the caller's own. @throws PelletError `invalid_image` */
  pixels(): Promise<Pixels>
}

export interface ResizeOptions {
  /**
   * `linear` samples the picture at the centres of the new pixels, without anti-aliasing, as cv2.resize(INTER_LINEAR) does, to
   * the bit; `nearest` takes the pixel at the centre. The others are libvips's, anti-aliased, and decode JPEG and WebP at a
   * smaller size where that suffices; enlarging is cubic with all of them.
   *
   * Why `linear`: models notice. PyDNet++'s mean depth of three photos at 256 x 320 is that of the reference within 0.001 %
   * with `linear`; with libvips's kernels 1 to 9 % (99th percentile up to 15 %) away from it. It costs the full decoding: a
   * 1920 x 1080 JPEG to 320 x 256 in 15 ms (`mitchell` 12 ms), 4000 x 3000 in 51 ms (23 ms). Where a picture is at least 9 times
   * as large as needed (6 times above 16 million pixels), libvips shrinks it first, to 3 (2) times the size or more.
   * @default 'linear'
   */
  kernel?: 'nearest' | 'linear' | 'cubic' | 'mitchell' | 'lanczos2' | 'lanczos3'
}

export interface LetterboxOptions extends ResizeOptions {
  /** Where the picture goes. @default 'center' */
  position?: 'center' | 'top-left'
  /** Grey level, or RGB, 0 to 255. @default 0 */
  background?: number | Rgb
}
