/** A metric as a query names it, e.g. `pellet_requests_total{code=~"5.."}`. */
export interface NamedMetric {
  name: string
  matchers: { label: string; operator: string; value: string }[]
}

export interface Query {
  metrics: NamedMetric[]
  /** Labels that it groups, joins or takes away by. */
  labels: string[]
}

const words = new Set(['and', 'or', 'unless', 'bool', 'offset'])
const aggregations = new Set(['sum', 'count', 'avg', 'min', 'max', 'topk'])
const lists = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])

/** What a query in PromQL names; not whether it makes sense (promtool says that). @throws Error on what it does not know */
export function readQuery(text: string): Query {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[a-zA-Z_:][\w:]*|\$\w+|[\d.]\w*|[=!]~|[=!<>]=|\S/g) ?? []
  const query: Query = { metrics: [], labels: [] }
  let at = 0
  const upTo = (end: string) => {
    const from = ++at
    while (tokens[at] !== end) if (++at > tokens.length) throw new Error(`${text}: expected ${end}`)
    return tokens.slice(from, at)
  }
  for (; at < tokens.length; at++) {
    const token = tokens[at]!
    if (token === '[') upTo(']')
    if (!/^[a-zA-Z_:]/.test(token) || words.has(token)) continue
    if (lists.has(token)) {
      if (tokens[at + 1] !== '(') continue
      at++
      query.labels.push(...upTo(')').filter((one) => one !== ','))
    } else if (tokens[at + 1] !== '(' && !aggregations.has(token)) {
      const matchers = tokens[at + 1] === '{' ? (at++, toMatchers(upTo('}'))) : []
      query.metrics.push({ name: token, matchers })
    }
  }
  return query
}

// --- internal ---

function toMatchers(tokens: string[]): NamedMetric['matchers'] {
  const matchers: NamedMetric['matchers'] = []
  for (let i = 0; i < tokens.length; i += 4) {
    const [label = '', operator = '', value = '""', comma = ','] = tokens.slice(i, i + 4)
    if (!/^(=|!=|=~|!~)$/.test(operator) || comma !== ',')
      throw new Error(`expected a matcher, found ${tokens.join('')}`)
    matchers.push({ label, operator, value: JSON.parse(value) as string })
  }
  return matchers
}
