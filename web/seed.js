/**
 * Determinism for the artwork: the same words always give the same picture, on every machine.
 */

/**
 * A 32-bit hash of a text (FNV-1a with a final avalanche).
 * @param {string} text
 * @returns {number}
 */
export function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seeded source of choices (mulberry32). */
export class Seed {
  /** @param {string} text */
  constructor(text) {
    this.state = hash(text);
  }

  /** @returns {number} uniform in [0, 1) */
  unit() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /**
   * @param {number} low
   * @param {number} high
   * @returns {number} uniform in [low, high)
   */
  between(low, high) {
    return low + this.unit() * (high - low);
  }

  /**
   * @param {number} low
   * @param {number} high
   * @returns {number} a whole number in [low, high]
   */
  whole(low, high) {
    return Math.floor(this.between(low, high + 1));
  }

  /**
   * @template T
   * @param {readonly T[]} choices not empty
   * @returns {T}
   */
  pick(choices) {
    return choices[Math.floor(this.unit() * choices.length)];
  }
}
