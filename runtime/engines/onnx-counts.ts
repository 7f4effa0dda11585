import type { Field, Fields } from '../protobuf.ts'
import { onnxTypes, typeName } from './onnx-types.ts'
import { readEntry } from './onnx-value.ts'

/** What is kept of a file: no model has more names than this, and they would fill the memory. */
const maxNames = 100_000

/** Counts what is in a graph, and in the graphs of its branches and loops. */
export class GraphCounts {
  readonly operators = new Map<string, number>()
  readonly parameters = { count: 0, bytes: 0, byType: {} as Record<string, number> }
  readonly external = new Set<string>()
  #names = 0

  count(): void {
    if (++this.#names > maxNames) throw new Error(`more than ${maxNames} names are in it`)
  }

  keep<Item>(list: Item[], item: Item): void {
    this.count()
    list.push(item)
  }

  graphFields(): Fields {
    return { 1: this.node, 5: this.tensor, 15: (field) => field.message({ 1: this.tensor, 2: this.tensor }) }
  }

  node = (field: Field): void => {
    let [operator, domain] = ['', '']
    field.message({
      4: (inner) => (operator = inner.string()),
      5: (inner) =>
        inner.message({
          5: this.tensor,
          6: (graph) => graph.message(this.graphFields()),
          10: this.tensor,
          11: (graph) => graph.message(this.graphFields()),
        }),
      7: (inner) => (domain = inner.string()),
    })
    const name = domain === '' || domain === 'ai.onnx' ? operator : `${domain}.${operator}`
    if (!this.operators.has(name)) this.count()
    this.operators.set(name, (this.operators.get(name) ?? 0) + 1)
  }

  tensor = (field: Field): void => {
    let [elements, type] = [1, 0]
    field.message({
      1: (inner) => inner.ints((size) => (elements *= size)),
      2: (inner) => (type = inner.int()),
      13: (inner) => {
        const [key, value] = readEntry(inner)
        if (key === 'location' && !this.external.has(value)) {
          this.count()
          this.external.add(value)
        }
      },
    })
    if (!Number.isSafeInteger(elements)) throw new Error(`a tensor has ${elements} elements`)
    const name = typeName(type)
    this.parameters.count += elements
    this.parameters.bytes += Math.ceil((elements * (onnxTypes[type]?.bits ?? 0)) / 8)
    this.parameters.byType[name] = (this.parameters.byType[name] ?? 0) + elements
  }

  operatorsByCount(): Record<string, number> {
    return Object.fromEntries([...this.operators].sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1)))
  }
}
