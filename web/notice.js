/** What the page has to say for itself: standing notes above the rows, and passing ones. */

import { byId, element } from "./element.js";
import { inWords, Problem } from "./problem.js";

const PASSING_MS = 5000;

export class Notices {
  #standing = byId("notices");
  #passing = byId("toast");
  /** @type {number | undefined} */
  #timer;

  clear() {
    this.#standing.replaceChildren();
  }

  /**
   * @param {string} headline
   * @param {string} detail
   */
  note(headline, detail) {
    this.#standing.append(this.#box("note", headline, detail));
  }

  /**
   * @param {unknown} error
   * @param {{again: () => void, useKey: (key: string) => void}} ways out of it
   */
  fail(error, { again, useKey }) {
    const { headline, detail } = inWords(error);
    const box = this.#box("failure", headline, detail);
    box.setAttribute("role", "alert");
    if (error instanceof Problem && error.status === 401) {
      box.append(keyForm(useKey));
    } else {
      box.append(
        element("button", {
          type: "button",
          class: "button quiet",
          text: "Try again",
          on: { click: again },
        }),
      );
    }
    this.#standing.append(box);
  }

  /** @param {string} text gone after a few seconds */
  pass(text) {
    clearTimeout(this.#timer);
    this.#passing.textContent = text;
    // Hidden and shown again, it stands above a dialog that was opened since.
    this.#passing.hidePopover();
    this.#passing.showPopover();
    this.#timer = setTimeout(() => this.#passing.hidePopover(), PASSING_MS);
  }

  /**
   * @param {string} look
   * @param {string} headline
   * @param {string} detail
   * @returns {HTMLElement}
   */
  #box(look, headline, detail) {
    return element(
      "div",
      { class: `notice ${look}` },
      element("p", {}, element("strong", { text: headline }), " ", detail),
    );
  }
}

/**
 * @param {(key: string) => void} useKey
 * @returns {HTMLFormElement}
 */
function keyForm(useKey) {
  const input = element("input", {
    type: "password",
    name: "key",
    required: true,
    autocomplete: "off",
    "aria-label": "API key",
  });
  return element(
    "form",
    {
      on: {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          useKey(input.value);
        },
      },
    },
    input,
    element("button", { class: "button quiet", text: "Use this key" }),
  );
}
