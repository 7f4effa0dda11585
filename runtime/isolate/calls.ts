/**
 * How isolates call other deployments: over HTTP, on a socket of main's that lies beside their own. Bodies are values as
 * `v8.serialize` writes them, so that pictures and tensors stay raw bytes; main passes them on unread.
 */
export const callsSocketName = 'calls.sock'

/** Main's number of the request that an isolate works on. */
export const exchangeHeader = 'x-pellet-exchange'
/**
 * Tells an isolate that a request is a call, and for which of its routes (`POST /v1/embed`). Main alone sets it: bytes
 * from outside must never be deserialised.
 */
export const callHeader = 'x-pellet-call'
/**
 * Of requests whose answer may be kept: the isolate asks main for it (`GET /results/DIGEST`, 200 or 204) before it works.
 * In its answer: `kept`, main has the answer; it has none itself.
 */
export const resultHeader = 'x-pellet-result'
/** Of bodies that hold values: a list of items, and the list of answers. */
export const valuesType = 'application/x-pellet-values'

/**
 * What the servers between Pellet's own processes, and within main, take of headers: main takes 16 KB from callers and adds
 * its own. Their number is not bounded there: node would leave out those beyond without a word, main's among them.
 */
export const innerHeaders = { maxHeaderSize: 64 * 1024, maxHeadersCount: 0 }
