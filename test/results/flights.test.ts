import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Flights, type Passenger } from '../../runtime/results/flights.ts'

const test = suite('single flight')

/** Passengers who say what befalls them. */
function crew() {
  const said: string[] = []
  const passenger = (name: string): Passenger<string> => ({
    lead: () => void said.push(`${name} leads`),
    land: (result) => void said.push(`${name} has ${result}`),
  })
  return { flights: new Flights<string>(), passenger, said: () => said.splice(0) }
}

test('the first leads, the others have what he makes; then it begins anew', () => {
  const { flights, passenger, said } = crew()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(passenger) as [Passenger<string>, ...Passenger<string>[]]
  flights.join('x', a)
  flights.join('x', b!)
  flights.join('y', c!)
  assert.equal(said(), ['a leads', 'c leads'])
  flights.land('x', a, 'it')
  assert.equal(said(), ['b has it'])
  flights.join('x', d!)
  assert.equal(said(), ['d leads'])
})

test('the next leads when the leader leaves; who leaves earlier gets nothing', () => {
  const { flights, passenger, said } = crew()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(passenger) as [Passenger<string>, ...Passenger<string>[]]
  for (const one of [a, b, c, d]) flights.join('x', one!)
  flights.leave('x', b!)
  assert.equal(said(), ['a leads'])
  flights.leave('x', a)
  flights.leave('x', a)
  assert.equal(said(), ['c leads'])
  flights.land('x', c!, 'it')
  assert.equal(said(), ['d has it'])
})

test('where the answer is for nobody else, everybody makes his own', () => {
  const { flights, passenger, said } = crew()
  const [a, b, c] = ['a', 'b', 'c'].map(passenger) as [Passenger<string>, ...Passenger<string>[]]
  for (const one of [a, b, c]) flights.join('x', one!)
  said()
  flights.disband('x', a)
  assert.equal(said(), ['b leads', 'c leads'])
  flights.leave('x', b!)
  flights.land('x', c!, 'it')
  assert.equal(said(), [])
})

test('only the leader lands; a flight that is over is not his to end again', () => {
  const { flights, passenger, said } = crew()
  const [a, b, c] = ['a', 'b', 'c'].map(passenger) as [Passenger<string>, ...Passenger<string>[]]
  flights.join('x', a)
  flights.join('x', b!)
  flights.land('x', b!, 'wrong')
  flights.land('x', a, 'it')
  flights.join('x', c!)
  flights.land('x', a, 'late')
  flights.leave('x', a)
  assert.equal(said(), ['a leads', 'b has it', 'c leads'])
})

test.run()
