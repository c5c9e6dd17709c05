/** A card: one title in a row, a button that opens its details. */

import { element } from "./element.js";
import { poster } from "./poster.js";
import { facts } from "./words.js";

/** @typedef {import("./poster.js").Entity} Entity */
/** @typedef {import("./poster.js").Shape} Shape */

/**
 * Pictures are drawn when they come near the window: a page of 20 x 40 titles costs no more to
 * show than what one sees of it.
 */
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      waiting.get(target)?.();
      waiting.delete(target);
    }
  },
  /** @type {IntersectionObserverInit} */ ({ rootMargin: "300px", scrollMargin: "300px" }),
);

/** @type {WeakMap<Element, () => void>} */
const waiting = new WeakMap();

/**
 * @param {Entity} entity
 * @param {{shape: Shape, isNew: boolean, rank: number | null, onOpen: (card: HTMLElement) => void}}
 *   how
 * @returns {HTMLLIElement}
 */
export function card(entity, { shape, isNew, rank, onOpen }) {
  const about = [entity.title, ...facts(entity)];
  if (rank !== null) about.unshift(`Number ${rank}`);
  if (isNew) about.push("new on this page");
  const art = element("span", { class: "art" });
  const button = element(
    "button",
    {
      type: "button",
      class: `card ${shape}`,
      tabindex: "-1",
      "aria-label": about.join(", "),
      data: { entity: entity.id },
      on: { click: () => onOpen(button) },
    },
    art,
    element("span", { class: "caption" }, facts(entity).slice(0, 3).join(" · ")),
    element(
      "span",
      { class: "badges" },
      entity.kind === "live" ? element("span", { class: "badge live", text: "Live" }) : null,
      isNew ? element("span", { class: "badge new", text: "New" }) : null,
    ),
  );
  waiting.set(art, () => art.append(poster(entity, shape)));
  near.observe(art);
  const item = element("li", { class: rank === null ? "" : "ranked" });
  if (rank !== null) {
    item.append(element("span", { class: "rank", "aria-hidden": "true", text: rank }));
  }
  item.append(button);
  return item;
}
