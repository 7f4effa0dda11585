/**
 * The candidate that was probably meant, for "did you mean": the same word but for capitals, `_`, `-` and `.`, else the
 * one at the smallest edit distance (insert, delete, replace, swap neighbours) of at most a third of the word.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const plain = bare(word)
  if (plain === '' || word.length > 64) return undefined
  let best: string | undefined
  let bestDistance = Math.floor(Math.max(plain.length, 3) / 3) + 1
  for (const candidate of candidates) {
    const distance = editDistance(plain, bare(candidate))
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** `did you mean keep_alive?`, or undefined. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const meant = closest(word, candidates)
  return meant === undefined ? undefined : `did you mean ${meant}?`
}

// --- internal ---

function bare(word: string): string {
  return word.toLowerCase().replaceAll(/[-_. ]/g, '')
}

/** Optimal string alignment; words are short. */
function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array.from({ length: b.length }, () => 0)])
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, replaced)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, rows[i - 2]![j - 2]! + 1)
      rows[i]![j] = least
    }
  }
  return rows[a.length]![b.length]!
}
