/** A title's details, and what one can do with it. Every action is an event. */

import { byId, element } from "./element.js";
import { icon } from "./icon.js";
import { poster } from "./poster.js";
import { facts, titleOf } from "./words.js";

/** @typedef {import("./poster.js").Entity} Entity */
/** @typedef {import("./page.js").PageRow} PageRow */

/**
 * @typedef {object} Act
 * @property {string} action
 * @property {string} label
 * @property {Parameters<typeof icon>[0]} sign
 * @property {(entity: Entity) => number | undefined} [seconds] how long it is taken to last
 * @property {boolean} [closes]
 */

const A_FILM_S = 5400;
const A_LOOK_S = 300;
const A_TRAILER_S = 120;

/** @type {Act[]} */
const ACTS = [
  {
    action: "play",
    label: "Play",
    sign: "play",
    seconds: (entity) => entity.duration_s ?? A_FILM_S,
    closes: true,
  },
  {
    action: "play",
    label: "Half of it",
    sign: "half",
    seconds: (entity) => (entity.duration_s ?? A_FILM_S) / 2,
    closes: true,
  },
  { action: "add_to_list", label: "My list", sign: "plus" },
  { action: "thumbs_up", label: "I like this", sign: "up" },
  { action: "thumbs_down", label: "Not for me", sign: "down" },
  { action: "trailer", label: "Trailer", sign: "trailer", seconds: () => A_TRAILER_S },
  { action: "abandon", label: "Gave up", sign: "leave", seconds: () => A_LOOK_S, closes: true },
];

/**
 * @typedef {object} Place where on the page the title stood
 * @property {PageRow} row
 * @property {number} column
 */

export class Details {
  #dialog = /** @type {HTMLDialogElement} */ (byId("details"));
  #acted = false;
  /** What the catalog says of the title shown, once it came. @type {Partial<Entity>} */
  #document = {};

  /**
   * @param {object} how
   * @param {(action: string, place: Place, seconds?: number) => Promise<boolean>} how.act posts
   *   the event; false when it could not be
   * @param {(entityId: string) => Promise<Entity | undefined>} how.whole the entity's document
   * @param {(entityId: string) => boolean} how.isListed
   * @param {(acted: boolean) => void} how.onClosed
   */
  constructor({ act, whole, isListed, onClosed }) {
    this.act = act;
    this.whole = whole;
    this.isListed = isListed;
    this.#dialog.addEventListener("close", () => onClosed(this.#acted));
    this.#dialog.addEventListener("click", ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
  }

  /** @param {Place} place */
  async open(place) {
    this.#acted = false;
    this.#document = {};
    this.#draw(place, place.row.entities[place.column]);
    this.#dialog.showModal();
    this.act("details", place);
    const known = place.row.entities[place.column];
    try {
      const document = await this.whole(known.id);
      if (document === undefined || this.#dialog.dataset.entity !== known.id) return;
      this.#document = document;
      this.#describe({ ...known, ...document });
    } catch {
      // The dialog does without the synopsis; its actions work all the same.
    }
  }

  /**
   * @param {Place} place
   * @param {Entity} entity
   */
  #draw(place, entity) {
    const { row, column } = place;
    this.#dialog.dataset.entity = entity.id;
    this.#dialog.replaceChildren(
      element("div", { class: "details-art", "aria-hidden": "true" }, poster(entity, "bare")),
      element(
        "button",
        {
          type: "button",
          class: "close",
          "aria-label": "Close",
          on: { click: () => this.#dialog.close() },
        },
        icon("close"),
      ),
      element(
        "div",
        { class: "details-text" },
        element("h2", { id: "details-title", text: entity.title }),
        element("p", { class: "meta" }),
        element("div", { class: "actions" }, ...ACTS.map((act) => this.#button(act, place))),
        element("p", { class: "synopsis" }),
        element("p", { class: "cast" }),
        element("p", {
          class: "place",
          text: `Row ${row.place + 1}, “${titleOf(row.row)}”, place ${column + 1}`,
        }),
      ),
    );
    this.#describe(entity);
  }

  /** @param {Entity} entity */
  #describe(entity) {
    const text = (/** @type {string} */ name, /** @type {string} */ value) => {
      const node = this.#dialog.querySelector(name);
      if (node !== null) node.textContent = value;
    };
    text(".meta", facts(entity).join(" · "));
    text(".synopsis", entity.synopsis ?? "");
    text(".cast", entity.cast?.length ? `With ${entity.cast.slice(0, 5).join(", ")}` : "");
  }

  /**
   * @param {Act} act
   * @param {Place} place
   * @returns {HTMLButtonElement}
   */
  #button(act, place) {
    const entity = place.row.entities[place.column];
    const listed = act.action === "add_to_list" && this.isListed(entity.id);
    const action = listed ? "remove_from_list" : act.action;
    const button = element(
      "button",
      {
        type: "button",
        class: `button ${act.sign === "play" ? "primary" : "quiet"}`,
        "aria-pressed": listed ? "true" : null,
        data: { act: act.sign, action },
      },
      icon(listed ? "check" : act.sign),
      act.label,
    );
    button.addEventListener("click", async () => {
      button.disabled = true;
      const done = await this.act(action, place, act.seconds?.({ ...entity, ...this.#document }));
      this.#acted ||= done;
      button.disabled = false;
      if (!done) return;
      button.setAttribute("aria-pressed", String(action !== "remove_from_list"));
      if (act.closes) this.#dialog.close();
    });
    return button;
  }
}
