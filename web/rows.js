/** The rows on the screen: skeletons while they are waited for, the old ones until replaced. */

import { rowSection, skeleton } from "./row.js";
import { tellWhy } from "./why.js";

/** @typedef {import("./page.js").PageRow} PageRow */
/** @typedef {import("./page.js").Change} Change */

export class Rows {
  /**
   * @param {HTMLElement} area
   * @param {(row: PageRow, column: number) => void} onOpen
   */
  constructor(area, onOpen) {
    this.area = area;
    this.onOpen = onOpen;
  }

  clear() {
    this.area.replaceChildren();
  }

  /**
   * Rows are on their way: what stands there fades, what does not is drawn as a skeleton.
   * @param {number} from the first place to come
   * @param {number} count
   */
  expect(from, count) {
    [...this.area.children].forEach((child, place) => {
      if (place >= from) child.classList.add("stale");
    });
    while (this.area.childElementCount < from + count) this.area.append(skeleton());
  }

  /**
   * @param {PageRow} row
   * @param {Change} change
   */
  put(row, change) {
    const section = rowSection(row, change, this.onOpen);
    const old = this.area.children[row.place];
    if (old === undefined) {
      this.area.append(section);
      return;
    }
    const focused = focusOf(old);
    const scrolled = old.querySelector(".cards")?.scrollLeft ?? 0;
    const same = old instanceof HTMLElement && old.dataset.row === row.row.id;
    old.replaceWith(section);
    if (same) section.querySelector(".cards")?.scrollTo({ left: scrolled, behavior: "instant" });
    if (focused !== null) refocus(section, focused);
  }

  /**
   * @param {PageRow} row as it was put
   * @param {import("./why.js").Why} why
   */
  tell(row, why) {
    const place = this.area.children[row.place]?.querySelector(".why");
    if (place) tellWhy(place, row, why);
  }

  /**
   * Takes away what no row came for.
   * @param {number} count
   */
  trim(count) {
    while (this.area.childElementCount > count) this.area.lastElementChild?.remove();
  }
}

/**
 * @param {Element} section
 * @returns {{entity: string | undefined, column: number} | null}
 */
function focusOf(section) {
  const card = document.activeElement;
  if (!(card instanceof HTMLElement) || !section.contains(card)) return null;
  // Whoever stood on the reason above the cards stands on the first of them.
  const column = Math.max(0, [...section.querySelectorAll(".card")].indexOf(card));
  return { entity: card.dataset.entity, column };
}

/**
 * Whoever stood in the old row stands in the new one: on the same title, else in the same place.
 * @param {HTMLElement} section
 * @param {{entity: string | undefined, column: number}} was
 */
function refocus(section, { entity, column }) {
  const cards = /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll(".card"));
  const same = [...cards].find((card) => card.dataset.entity === entity);
  (same ?? cards[Math.min(column, cards.length - 1)])?.focus({ preventScroll: true });
}
