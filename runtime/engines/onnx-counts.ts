import type { Field, Fields } from '../protobuf.ts'
import { onnxTypes, typeName } from './onnx-types.ts'
import { readEntry } from './onnx-value.ts'

/** What is kept of a file: names and metadata of no model are longer together, and they would fill the memory. */
const maxTextBytes = 32 * 1024 * 1024
/** What a short text takes besides its characters. */
const textBytes = 64

/** Counts what is in a graph, and in the graphs of its branches and loops. */
export class GraphCounts {
  readonly operators = new Map<string, number>()
  readonly parameters = { count: 0, bytes: 0, byType: {} as Record<string, number> }
  readonly external = new Set<string>()
  #textBytes = 0

  /** Counts a text that is kept. */
  count(text: string): void {
    this.#textBytes += textBytes + text.length
    if (this.#textBytes > maxTextBytes) throw new Error(`its names and metadata are longer than ${maxTextBytes} bytes`)
  }

  keep<Item>(list: Item[], item: Item): void {
    this.count(JSON.stringify(item))
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
    if (!this.operators.has(name)) this.count(name)
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
          this.count(value)
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
