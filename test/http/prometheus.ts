/** One metric with its samples, by the sample's name and labels as written, e.g. `x_bucket{le="1"}`. */
export interface Family {
  type: string
  help: string
  samples: Map<string, number>
}

/**
 * Reads Prometheus' text format 0.0.4, strictly: HELP and TYPE once and before the samples, every sample of the family
 * that is open, no series twice, histograms whole and rising. @throws Error with the line that is wrong
 */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>()
  let open: { name: string; family: Family } | undefined
  if (!text.endsWith('\n')) throw new Error('expected a line feed at the end')
  for (const line of text.split('\n').slice(0, -1)) {
    if (line === '') continue
    const [, keyword, name, rest] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      if (families.has(name!)) throw new Error(`${line}: a second time`)
      open = { name: name!, family: { type: '', help: rest!, samples: new Map() } }
      families.set(name!, open.family)
    } else if (keyword === 'TYPE') {
      if (open?.name !== name || open!.family.type !== '') throw new Error(`${line}: expected after its HELP`)
      if (!['counter', 'gauge', 'histogram'].includes(rest!)) throw new Error(`${line}: unknown type`)
      open!.family.type = rest!
    } else addSample(line, open)
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family)
  return families
}

/** Values of a family's samples that have all these labels. */
export function valuesOf(family: Family | undefined, labels: Record<string, string>, suffix = ''): number[] {
  const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  return [...(family?.samples ?? [])]
    .filter(([key]) => key.split('{')[0]!.endsWith(suffix) && wanted.every((label) => key.includes(label)))
    .map(([, value]) => value)
}

// --- internal ---

const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/

function addSample(line: string, open: { name: string; family: Family } | undefined): void {
  const [, name, labels = '', value] = sample.exec(line) ?? []
  if (!name || !open) throw new Error(`${line}: expected a sample below its HELP and TYPE`)
  const suffixes = open.family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  if (!suffixes.some((suffix) => name === open.name + suffix)) throw new Error(`${line}: not of ${open.name}`)
  const number = { '+Inf': Infinity, '-Inf': -Infinity, NaN }[value!] ?? Number(value)
  if (Number.isNaN(number) && value !== 'NaN') throw new Error(`${line}: no number`)
  if (open.family.type === 'counter' && !(number >= 0)) throw new Error(`${line}: a counter below zero`)
  if (open.family.samples.has(name + labels)) throw new Error(`${line}: a second time`)
  open.family.samples.set(name + labels, number)
}

function checkHistogram(name: string, { samples }: Family): void {
  const series = new Map<string, { le: number; value: number }[]>()
  for (const [key, value] of samples) {
    const [, le, rest] = /^\w+_bucket\{le="([^"]+)",?(.*)\}$/.exec(key) ?? []
    if (le === undefined) continue
    const list = series.get(rest!) ?? []
    list.push({ le: le === '+Inf' ? Infinity : Number(le), value })
    series.set(rest!, list)
  }
  for (const [labels, list] of series) {
    const isRising = list.every(({ le, value }, i) => i === 0 || (le > list[i - 1]!.le && value >= list[i - 1]!.value))
    const own = labels === '' ? '' : `{${labels}}`
    const count = samples.get(`${name}_count${own}`)
    if (!isRising || list.at(-1)!.le !== Infinity || list.at(-1)!.value !== count)
      throw new Error(`${name}${own}: expected rising buckets up to +Inf, whose value is the count`)
    if (!samples.has(`${name}_sum${own}`)) throw new Error(`${name}${own}: expected a sum`)
  }
}
