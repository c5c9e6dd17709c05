/** How the page came about: one line of time, a dot for each row, and the numbers in words. */

import { byId, element } from "./element.js";
import { ms } from "./words.js";

/**
 * @typedef {object} PageEnd
 * @property {number} rows
 * @property {string} finish_reason
 * @property {{queue_ms: number, prefill_ms: number, decode_ms: number, total_ms: number}} timing
 * @property {number} prompt_tokens
 * @property {number} cached_prompt_tokens
 * @property {number} forward_passes
 */

const PHASES = /** @type {const} */ (["queue", "prefill", "decode"]);

export class Timing {
  #section = byId("timing");
  /** @type {number[]} */
  #rows = [];

  start() {
    this.#rows = [];
    this.#section.hidden = false;
    this.#section.classList.add("running");
    this.#draw(null);
  }

  /** @param {number} atMs when a row came */
  row(atMs) {
    this.#rows.push(atMs);
    this.#draw(null);
  }

  /** @param {PageEnd} end */
  finish(end) {
    this.#section.classList.remove("running");
    this.#draw(end);
  }

  /** Nothing more comes: the stream failed or was left. */
  stop() {
    this.#section.classList.remove("running");
    if (this.#rows.length === 0) this.#section.hidden = true;
  }

  /** @param {PageEnd | null} end null while the page is being decoded */
  #draw(end) {
    const last = this.#rows[this.#rows.length - 1] ?? 0;
    const whole = Math.max(end?.timing.total_ms ?? last * 1.15, last, 0.001);
    const line = element("div", { class: "line", "aria-hidden": "true" });
    for (const phase of PHASES) {
      const length = end?.timing[`${phase}_ms`] ?? 0;
      const band = element("span", { class: `band ${phase}` });
      band.style.flexBasis = `${(length / whole) * 100}%`;
      line.append(band);
    }
    for (const at of this.#rows) {
      const dot = element("span", { class: "dot" });
      dot.style.left = `${(Math.min(at, whole) / whole) * 100}%`;
      line.append(dot);
    }
    const count = this.#rows.length;
    const headline = end === null ? ms(last) : ms(end.timing.total_ms);
    this.#section.replaceChildren(
      element(
        "p",
        { class: "total" },
        element("strong", { text: count === 0 ? "…" : headline }),
        ` ${count} ${count === 1 ? "row" : "rows"}`,
      ),
      line,
      element("dl", {}, ...(end === null ? [] : numbers(end))),
    );
  }
}

/**
 * @param {PageEnd} end
 * @returns {HTMLElement[]}
 */
function numbers(end) {
  return [
    ...PHASES.map((phase) => pair(phase, ms(end.timing[`${phase}_ms`]), phase)),
    pair("forward passes", String(end.forward_passes), ""),
    pair("prompt tokens", `${end.cached_prompt_tokens} of ${end.prompt_tokens} cached`, ""),
  ];
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} look
 * @returns {HTMLElement}
 */
function pair(name, value, look) {
  return element(
    "div",
    { class: look },
    element("dt", { text: name }),
    element("dd", { text: value }),
  );
}
