/**
 * What time it is for a member. A service in use lives now; an old data set (films rated in 2013)
 * lives at its own end, so that licences, "new" and ages make sense.
 */

const OLD_AFTER_S = 2 * 86400;
const STAMP = "genpage-last-stamp";

export class Clock {
  #offset = 0;
  /** Where the last stamp is kept; a server with other data starts anew. */
  #key = "";

  /**
   * @param {number | null} newest the newest time that the data knew at the server's start, Unix
   *   seconds; what this browser did since, in an earlier visit, lies behind it
   */
  constructor(newest) {
    const now = Date.now() / 1000;
    if (newest === null || now - newest <= OLD_AFTER_S) return;
    this.#offset = newest + 1 - now;
    this.#key = `${STAMP} ${newest}`;
    this.notBefore(Number(localStorage.getItem(this.#key)));
  }

  /** Whether this clock is not the world's. */
  get shifted() {
    return this.#offset !== 0;
  }

  /** @returns {number} Unix seconds */
  now() {
    return Date.now() / 1000 + this.#offset;
  }

  /** @returns {number} the time of something that happens now, remembered for the next visit */
  stamp() {
    const now = this.now();
    if (this.#key !== "") localStorage.setItem(this.#key, String(now));
    return now;
  }

  /**
   * A member's own events are never in the future: what was clicked elsewhere counts.
   * @param {number} ts
   */
  notBefore(ts) {
    if (this.shifted && ts >= this.now()) this.#offset += ts + 1 - this.now();
  }
}
