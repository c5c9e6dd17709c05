/** The spotlight: the page's first title, large. */

import { byId, element } from "./element.js";
import { icon } from "./icon.js";
import { poster } from "./poster.js";
import { facts, titleOf } from "./words.js";

/** @typedef {import("./poster.js").Entity} Entity */
/** @typedef {import("./page.js").PageRow} PageRow */

export class Hero {
  #section = byId("hero");

  /**
   * @param {{play: (row: PageRow) => void, list: (row: PageRow) => void,
   *   open: (row: PageRow, button: HTMLElement) => void}} actions
   */
  constructor(actions) {
    this.actions = actions;
  }

  /** The place is kept while the first row is on its way. */
  wait() {
    this.#section.classList.add("waiting");
  }

  hide() {
    this.#section.hidden = true;
  }

  /**
   * @param {PageRow} row the first row
   * @param {Promise<Entity | undefined>} whole its first title with synopsis and all
   */
  show(row, whole) {
    const [entity] = row.entities;
    const synopsis = element("p", { class: "synopsis" });
    const meta = element("p", { class: "meta", text: facts(entity).join(" · ") });
    const more = button("Details", null, () => this.actions.open(row, more), "quiet");
    this.#section.replaceChildren(
      element("div", { class: "hero-art", "aria-hidden": "true" }, poster(entity, "bare")),
      element(
        "div",
        { class: "hero-text" },
        element("p", { class: "eyebrow" }, "First on this page · ", titleOf(row.row)),
        element("h2", { text: entity.title }),
        meta,
        synopsis,
        element(
          "div",
          { class: "actions", data: { arrows: "" } },
          button("Play", "play", () => this.actions.play(row), "primary"),
          button("My list", "plus", () => this.actions.list(row), "quiet"),
          more,
        ),
      ),
    );
    this.#section.hidden = false;
    this.#section.classList.remove("waiting");
    whole
      .then((document) => {
        if (document === undefined) return;
        synopsis.textContent = document.synopsis ?? "";
        meta.textContent = facts({ ...entity, ...document }).join(" · ");
      })
      .catch(() => {
        // The spotlight does without its synopsis; the page itself came.
      });
  }
}

/**
 * @param {string} label
 * @param {"play" | "plus" | null} sign
 * @param {() => void} onClick
 * @param {string} look
 * @returns {HTMLButtonElement}
 */
function button(label, sign, onClick, look) {
  return element(
    "button",
    { type: "button", class: `button ${look}`, data: { stop: "" }, on: { click: onClick } },
    sign === null ? null : icon(sign),
    label,
  );
}
