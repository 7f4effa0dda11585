/** A file that is no HEF, or a damaged one. The message says where, what was expected and what was found. */
export class HefError extends Error {
  override readonly name = 'HefError'
}
