/**
 * What time it is for a member. A service in use lives now; an old data set (films rated in 2013)
 * lives at its own end, so that licences, "new" and ages make sense.
 */

const OLD_AFTER_S = 2 * 86400;

export class Clock {
  #offset = 0;

  /**
   * @param {number | null} newest the newest time that the data knows, Unix seconds
   */
  constructor(newest) {
    const now = Date.now() / 1000;
    if (newest !== null && now - newest > OLD_AFTER_S) this.#offset = newest + 1 - now;
  }

  /** Whether this clock is not the world's. */
  get shifted() {
    return this.#offset !== 0;
  }

  /** @returns {number} Unix seconds */
  now() {
    return Date.now() / 1000 + this.#offset;
  }

  /**
   * A member's own events are never in the future: what was clicked in an earlier visit counts.
   * @param {number} ts
   */
  notBefore(ts) {
    if (this.shifted && ts >= this.now()) this.#offset += ts + 1 - this.now();
  }
}
