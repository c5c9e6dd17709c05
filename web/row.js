/** A row on the screen: its title, its cards, when it came and what became of it. */

import { card } from "./card.js";
import { element } from "./element.js";
import { icon } from "./icon.js";
import { whyPlace } from "./why.js";
import { ms, titleOf } from "./words.js";

/** @typedef {import("./page.js").PageRow} PageRow */
/** @typedef {import("./page.js").Change} Change */

const SKELETON_CARDS = 8;
const TOP = 10;

/**
 * @param {PageRow} row
 * @param {Change} change
 * @param {(row: PageRow, column: number, card: HTMLElement) => void} onOpen
 * @returns {HTMLElement}
 */
export function rowSection(row, change, onOpen) {
  const headingId = `row-${row.place}`;
  const ranked = row.row.kind === "trending";
  const list = element(
    "ul",
    { class: `cards ${ranked ? "tall" : "wide"}`, role: "list" },
    ...row.entities.map((entity, column) =>
      card(entity, {
        shape: ranked ? "tall" : "wide",
        isNew: change.newEntities.has(entity.id),
        rank: ranked && column < TOP ? column + 1 : null,
        onOpen: (button) => onOpen(row, column, button),
      }),
    ),
  );
  list.querySelector(".card")?.setAttribute("tabindex", "0");
  return element(
    "section",
    {
      class: "row arrived",
      "aria-labelledby": headingId,
      data: { arrows: "", row: row.row.id, place: row.place },
    },
    element(
      "div",
      { class: "row-head" },
      element("h2", { id: headingId, text: titleOf(row.row) }),
      moved(change),
      element("span", {
        class: "at",
        title: "when this row left the model, counted from the request",
        text: ms(row.atMs),
      }),
    ),
    whyPlace(),
    element("div", { class: "rail" }, list, scroller(list, -1), scroller(list, 1)),
  );
}

/**
 * @param {Change} change
 * @returns {HTMLElement | null}
 */
function moved({ newRow, moved }) {
  if (newRow) return element("span", { class: "moved fresh", text: "new row" });
  if (moved === 0) return null;
  const word = moved > 0 ? "up" : "down";
  return element(
    "span",
    { class: `moved ${word}` },
    element("span", { "aria-hidden": "true", text: moved > 0 ? "↑" : "↓" }),
    ` ${Math.abs(moved)}`,
    element("span", { class: "unseen", text: ` places ${word}` }),
  );
}

/**
 * A button for the mouse; keys and fingers scroll by themselves.
 * @param {HTMLElement} list
 * @param {-1 | 1} direction
 * @returns {HTMLElement}
 */
function scroller(list, direction) {
  return element(
    "button",
    {
      type: "button",
      class: `scroller ${direction < 0 ? "back" : "on"}`,
      tabindex: "-1",
      "aria-hidden": "true",
      on: { click: () => list.scrollBy({ left: direction * list.clientWidth * 0.85 }) },
    },
    icon(direction < 0 ? "left" : "right"),
  );
}

/** @returns {HTMLElement} a row's place while it is waited for */
export function skeleton() {
  return element(
    "section",
    { class: "row skeleton", "aria-hidden": "true" },
    element("div", { class: "row-head" }, element("span", { class: "bone" })),
    whyPlace(),
    element(
      "div",
      { class: "rail" },
      element(
        "ul",
        { class: "cards wide" },
        ...Array.from({ length: SKELETON_CARDS }, () =>
          element("li", {}, element("span", { class: "card wide bone" })),
        ),
      ),
    ),
  );
}
