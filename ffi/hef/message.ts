import { readMessage, type Field, type Fields } from '../../runtime/protobuf.ts'

/** A protobuf message as a table of the fields that are wanted; all others are stepped over unread. */
export interface Message<T> {
  fields(): { [K in keyof T]: Property<T[K]> }
}

/** One field: its number, its value where a message has none, and how it is read (`previous`: the value so far). */
export interface Property<T> {
  number: number
  initial(): T
  read(field: Field, previous: T, budget: Budget): T
}

/** What `message` describes. */
export type Decoded<M> = M extends Message<infer T> ? T : never

/** The fields are given by a function, so that a message may hold itself. */
export function message<F extends Record<string, Property<any>>>(
  fields: () => F,
): Message<{ [K in keyof F]: F[K] extends Property<infer T> ? T : never }> {
  let table: F | undefined
  return { fields: () => (table ??= fields()) as never }
}

export const uint32 = (number: number) => scalar(number, 0, (field) => within(field.int(), 2 ** 32))
export const uint64 = (number: number) => scalar(number, 0, (field) => within(field.int(), 2 ** 53))
export const bool = (number: number) => scalar(number, false, (field) => field.bool())
export const float = (number: number) => scalar(number, 0, (field) => field.float())
export const double = (number: number) => scalar(number, 0, (field) => field.double())
export const text = (number: number) => scalar(number, '', toText)
export const uint32s = (number: number) => numbers(number, (field, each) => field.ints(each))
export const doubles = (number: number) => numbers(number, (field, each) => field.doubles(each))

/** A field that says whether it is there. */
export const optional = <T>(property: Property<T>): Property<T | undefined> => ({
  number: property.number,
  initial: () => undefined,
  read: (field, _, budget) => property.read(field, property.initial(), budget),
})

/** A field that may stand there any number of times. */
export const many = <T>(property: Property<T>): Property<T[]> => ({
  number: property.number,
  initial: () => [],
  read: (field, previous, budget) => {
    previous.push(property.read(field, property.initial(), budget))
    return previous
  },
})

/** A message inside a message; undefined where there is none. Two of it are one, as protobuf wants it. */
export const one = <T>(number: number, type: Message<T>): Property<T | undefined> => ({
  number,
  initial: () => undefined,
  read: (field, previous, budget) => {
    budget.spend(messageCost)
    const value = previous ?? emptyOf(type)
    field.message(fieldsInto(type, value, budget))
    return value
  },
})

/** Messages inside a message. */
export const list = <T>(number: number, type: Message<T>): Property<T[]> => many(one(number, type) as Property<T>)

/** @throws RangeError with the offset in `bytes` where they are no such message */
export function decode<T>(type: Message<T>, bytes: Uint8Array): T {
  const value = emptyOf(type)
  readMessage(bytes, fieldsInto(type, value, new Budget()))
  return value
}

// --- internal ---

const messageCost = 32
const longestText = 4096

/** Bounds what a file can make of memory, at about 16 bytes each; real HEFs spend a few hundred thousand at the very most. */
class Budget {
  #left = 1_500_000

  spend(cost: number): void {
    this.#left -= cost
    if (this.#left < 0) throw new Error('expected as many entries as a HEF has, found millions')
  }
}

function emptyOf<T>(type: Message<T>): T {
  const entries = Object.entries<Property<unknown>>(type.fields())
  return Object.fromEntries(entries.map(([key, property]) => [key, property.initial()])) as T
}

function fieldsInto<T>(type: Message<T>, value: T, budget: Budget): Fields {
  const table = type.fields()
  const fields: Fields = {}
  for (const key in table) {
    const property = table[key]
    fields[property.number] = (field) => (value[key] = property.read(field, value[key], budget))
  }
  return fields
}

function scalar<T>(number: number, initial: T, read: (field: Field) => T): Property<T> {
  return {
    number,
    initial: () => initial,
    read: (field, _, budget) => {
      const value = read(field)
      budget.spend(typeof value === 'string' ? 2 + value.length / 8 : 1)
      return value
    },
  }
}

function numbers(number: number, read: (field: Field, each: (value: number) => void) => void): Property<number[]> {
  return {
    number,
    initial: () => [],
    read: (field, previous, budget) => {
      read(field, (value) => {
        budget.spend(1)
        previous.push(value)
      })
      return previous
    },
  }
}

function within(value: number, limit: number): number {
  if (value < 0 || value >= limit) throw new Error(`expected a number from 0 to ${limit - 1}, found ${value}`)
  return value
}

/** Names are shown on terminals, which obey control characters. */
function toText(field: Field): string {
  const bytes = field.bytes()
  if (bytes.length > longestText)
    throw new Error(`expected text of at most ${longestText} bytes, found ${bytes.length}`)
  const found = Buffer.from(bytes).toString('utf8')
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001F\u007F-\u009F\uFFFD]/.test(found))
    throw new Error(`expected text, found ${JSON.stringify(found.slice(0, 40))}`)
  return found
}
