/** A refusal, as the server's problem document (RFC 9457) tells it, in words for a person. */

/**
 * @typedef {object} ProblemDocument
 * @property {string} [title]
 * @property {number} [status]
 * @property {string} [detail]
 * @property {string} [code]
 * @property {boolean} [retryable]
 * @property {string} [request_id]
 */

export class Problem extends Error {
  /**
   * @param {ProblemDocument} document
   * @param {number} [retryAfter] seconds, where the server named them
   */
  constructor(document, retryAfter) {
    super(document.detail ?? document.title ?? "The server refused.");
    this.name = "Problem";
    this.status = document.status ?? 0;
    this.code = document.code ?? "";
    this.retryable = document.retryable ?? false;
    this.requestId = document.request_id ?? "";
    this.retryAfter = retryAfter;
  }

  /**
   * @param {Response} response one that is not ok
   * @returns {Promise<Problem>}
   */
  static async from(response) {
    /** @type {ProblemDocument} */
    let document = {};
    try {
      document = await response.json();
    } catch {
      // A proxy in between may answer with a page of its own: the status must do.
    }
    const after = Number.parseFloat(response.headers.get("Retry-After") ?? "");
    return new Problem(
      { title: response.statusText, ...document, status: response.status },
      Number.isFinite(after) ? after : undefined,
    );
  }
}

/**
 * What to show of an error: a headline, and what it means for the reader.
 * @param {unknown} error
 * @returns {{headline: string, detail: string}}
 */
export function inWords(error) {
  if (!(error instanceof Problem)) {
    return {
      headline: "The server cannot be reached",
      detail: "Check that it is running, then try again.",
    };
  }
  const reference = error.requestId ? ` (request ${error.requestId})` : "";
  const headlines = /** @type {Record<number, string>} */ ({
    401: "This server asks for a key",
    403: "This key may not do that",
    404: "That is not here any more",
    409: "Not just now",
    413: "That was too much at once",
    422: "The server did not understand the request",
    429: "Every seat is taken",
    503: "The server is not ready",
  });
  return {
    headline: headlines[error.status] ?? "Something went wrong on the server",
    detail: `${error.message}${reference}`,
  };
}
