/** By the beginning of a URL, what stands in its place elsewhere, in the order in which it is tried. */
export type Mirrors = Record<string, string[]>

/** Where a file may be had: mirrors first, those of the longest beginning before others, and at last where it is from. */
export function placesOf(url: string, mirrors: Mirrors): string[] {
  const matching = Object.keys(mirrors)
    .filter((prefix) => url.startsWith(prefix))
    .sort((a, b) => b.length - a.length)
  const places = matching.flatMap((prefix) => mirrors[prefix]!.map((mirror) => mirror + url.slice(prefix.length)))
  return [...new Set([...places, url])]
}
