/** Speaks to screen readers, politely: what comes within half a second is said as one. */

const GATHER_MS = 500;

export class Announcer {
  /** @type {string[]} */
  #waiting = [];

  /** @param {HTMLElement} region an aria-live region */
  constructor(region) {
    this.region = region;
  }

  /** @param {string} text */
  say(text) {
    this.#waiting.push(text);
    if (this.#waiting.length === 1) {
      setTimeout(() => {
        this.region.textContent = this.#waiting.join(". ");
        this.#waiting = [];
      }, GATHER_MS);
    }
  }
}
