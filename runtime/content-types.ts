import { extname } from 'node:path'

const types: Record<string, string> = {
  '.json': 'application/json',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
  '.avif': 'image/avif',
  '.tif': 'image/tiff',
  '.tiff': 'image/tiff',
}

/** Content type of a file that is sent as it is, by its name; undefined where Pellet is to look at the bytes. */
export function contentTypeOf(file: string): string | undefined {
  return types[extname(file).toLowerCase()]
}
