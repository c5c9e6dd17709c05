/**
 * Server-sent events over fetch: a parser of the wire format, and a reader that survives a broken
 * connection. (EventSource can neither POST nor send an API key, so it is not used.)
 */

/**
 * @typedef {object} Message
 * @property {string} event
 * @property {string} data
 * @property {string} id the last id seen, as the specification has it
 */

const DEFAULT_RETRY_MS = 1000;
const MOST_ATTEMPTS = 6;

/**
 * Messages of an event stream (WHATWG HTML, "Server-sent events": any line end, comments, several
 * data lines, an id that persists). A message that the stream's end cuts off is dropped.
 * @param {ReadableStream<Uint8Array>} body
 * @param {(ms: number) => void} [onRetry] called with the server's wish for the reconnection time
 * @returns {AsyncGenerator<Message>}
 */
export async function* messages(body, onRetry = () => {}) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let id = "";
  let event = "";
  /** @type {string[]} */
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      for (;;) {
        const end = rest.search(/[\r\n]/);
        // A carriage return at the very end may be half of a CRLF: wait for what follows.
        if (end === -1 || (rest[end] === "\r" && end === rest.length - 1)) break;
        const line = rest.slice(0, end);
        rest = rest.slice(end + (rest.startsWith("\r\n", end) ? 2 : 1));
        if (line === "") {
          if (data.length > 0) yield { event: event || "message", data: data.join("\n"), id };
          event = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        const field = colon === -1 ? line : line.slice(0, colon);
        const text = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "data") data.push(text);
        else if (field === "event") event = text;
        else if (field === "id" && !text.includes("\0")) id = text;
        else if (field === "retry" && /^\d+$/.test(text)) onRetry(Number(text));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * All messages of one page, across reconnections: nothing missed, nothing repeated.
 * @param {(lastId: string) => Promise<Response>} open the first time with "", then with the id to
 *   go on after; a refusal rejects
 * @param {{signal: AbortSignal, isLast: (message: Message) => boolean, onBroken?: () => void}} how
 * @returns {AsyncGenerator<Message>}
 */
export async function* lasting(open, { signal, isLast, onBroken = () => {} }) {
  let lastId = "";
  let retry = DEFAULT_RETRY_MS;
  let failures = 0;
  for (;;) {
    try {
      const response = await open(lastId);
      if (response.status === 204 || response.body === null) return;
      const stream = messages(response.body, (ms) => {
        retry = ms;
      });
      for await (const message of stream) {
        failures = 0;
        if (message.id !== "") lastId = message.id;
        yield message;
        if (isLast(message)) return;
      }
    } catch (error) {
      // fetch and its body tell a broken connection by a TypeError; all else is an answer.
      if (signal.aborted || lastId === "" || !(error instanceof TypeError)) throw error;
    }
    failures += 1;
    if (lastId === "" || failures > MOST_ATTEMPTS) {
      throw new TypeError("the stream ended before its page did");
    }
    onBroken();
    await pause(retry * Math.min(failures, 3), signal);
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} rejected when the signal fires
 */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(done, ms);
    function done() {
      signal.removeEventListener("abort", stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal.addEventListener("abort", stop, { once: true });
  });
}
