/** What the member did, newest first, in words. */

import { byId, element } from "./element.js";
import { poster } from "./poster.js";
import { ago, counted, sentence } from "./words.js";

/** @typedef {import("./server.js").HistoryEvent} HistoryEvent */
/** @typedef {import("./poster.js").Entity} Entity */

const AT_ONCE = 40;

export class History {
  #panel = byId("history");

  /**
   * @param {HistoryEvent[]} events oldest first
   * @param {Map<string, Entity>} entities
   * @param {number} now
   */
  show(events, entities, now) {
    if (events.length === 0) {
      this.#panel.replaceChildren(
        element("p", {
          class: "empty",
          text: "Nothing yet. Open a title and play it: the next page will know.",
        }),
      );
      return;
    }
    const newestFirst = [...events].reverse();
    const list = element("ol", { class: "events", role: "list" });
    const more = element("button", { type: "button", class: "button quiet", text: "Earlier" });
    const page = () => {
      const from = list.childElementCount;
      list.append(
        ...newestFirst.slice(from, from + AT_ONCE).map((event) => line(event, entities, now)),
      );
      more.hidden = list.childElementCount >= newestFirst.length;
    };
    more.addEventListener("click", page);
    page();
    this.#panel.replaceChildren(
      element("p", { class: "lead", text: `${counted(events.length, "event")}, newest first.` }),
      list,
      more,
    );
  }

  /** @param {string} reason */
  fail(reason) {
    this.#panel.replaceChildren(element("p", { class: "empty", text: reason }));
  }
}

/**
 * @param {HistoryEvent} event
 * @param {Map<string, Entity>} entities
 * @param {number} now
 * @returns {HTMLLIElement}
 */
function line(event, entities, now) {
  const entity = entities.get(event.entity_id) ?? {
    id: event.entity_id,
    title: event.entity_id,
    kind: "film",
  };
  return element(
    "li",
    { data: { action: event.action } },
    element("span", { class: "thumb", "aria-hidden": "true" }, poster(entity, "bare")),
    element("span", { class: "did", text: sentence(event, entity.title) }),
    element("time", {
      datetime: new Date(event.ts * 1000).toISOString(),
      text: ago(event.ts, now),
    }),
  );
}
