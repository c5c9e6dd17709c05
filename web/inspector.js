/** Behind the page: the member's history, and what the model saw of it. */

import { byId } from "./element.js";
import { History } from "./history.js";
import { inWords, Problem } from "./problem.js";
import { PromptPanel } from "./prompt.js";

/** @typedef {import("./server.js").Server} Server */
/** @typedef {import("./clock.js").Clock} Clock */

export class Inspector {
  #panel = byId("inspector");
  #toggle = byId("behind");
  #tabs = [byId("history-tab"), byId("prompt-tab")];
  #history = new History();
  #prompt = new PromptPanel();
  #userId = "";
  /** Whose history is on the screen, or on its way to it. */
  #historyOf = "";
  #pageId = "";
  #shownPrompt = "";
  /** @type {Set<string>} */
  #listed = new Set();
  /** @type {Clock | null} */
  #clock = null;

  /**
   * @param {Server} server
   * @param {() => number} now
   */
  constructor(server, now) {
    this.server = server;
    this.now = now;
    this.#toggle.addEventListener("click", () => this.#open(this.#panel.hidden));
    byId("inspector-close").addEventListener("click", () => {
      this.#open(false);
      this.#toggle.focus();
    });
    for (const tab of this.#tabs) {
      tab.addEventListener("click", () => this.#select(tab));
      tab.addEventListener("keydown", ({ key }) => {
        if (key !== "ArrowLeft" && key !== "ArrowRight") return;
        const other = this.#tabs[1 - this.#tabs.indexOf(tab)];
        this.#select(other);
        other.focus();
      });
    }
  }

  /**
   * @param {string} userId
   * @param {Clock} clock moved on past the member's newest event
   */
  watch(userId, clock) {
    this.#userId = userId;
    this.#clock = clock;
    this.#pageId = "";
    this.#historyOf = "";
  }

  /**
   * A page has begun: the history of a member somebody knows is worth reading.
   * @param {boolean} known
   */
  pageStarted(known) {
    if (known && this.#historyOf !== this.#userId) this.historyChanged();
    else if (!known) this.#history.show([], new Map(), this.now());
  }

  /** @param {string} pageId */
  pageChanged(pageId) {
    this.#pageId = pageId;
    this.#loadPrompt();
  }

  /**
   * @param {string} entityId
   * @returns {boolean} whether it is on the member's list
   */
  isListed(entityId) {
    return this.#listed.has(entityId);
  }

  /** Reads the history again. */
  async historyChanged() {
    const userId = this.#userId;
    this.#historyOf = userId;
    try {
      const events = (await this.server.context(userId))?.events ?? [];
      const entities = await this.server.entities(events.map(({ entity_id: id }) => id));
      if (userId !== this.#userId) return;
      this.#listed = onList(events);
      if (events.length > 0) this.#clock?.notBefore(events[events.length - 1].ts);
      this.#history.show(events, entities, this.now());
    } catch (error) {
      if (userId === this.#userId) this.#history.fail(inWords(error).headline);
    }
  }

  /** @param {boolean} open */
  #open(open) {
    this.#panel.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("inspecting", open);
    if (open) {
      this.#loadPrompt();
      this.#tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.focus();
    }
  }

  /** @param {HTMLElement} tab */
  #select(tab) {
    for (const each of this.#tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.setAttribute("tabindex", chosen ? "0" : "-1");
      byId(each.getAttribute("aria-controls") ?? "").hidden = !chosen;
    }
    this.#loadPrompt();
  }

  /** The prompt is only fetched for somebody who looks. */
  async #loadPrompt() {
    const pageId = this.#pageId;
    const looking = !this.#panel.hidden && !byId("prompt").hidden;
    if (!looking || pageId === "" || pageId === this.#shownPrompt) return;
    try {
      const prompt = await this.server.prompt(pageId);
      if (pageId !== this.#pageId) return;
      this.#shownPrompt = pageId;
      this.#prompt.show(prompt);
    } catch (error) {
      const off = error instanceof Problem && error.code === "console-off";
      this.#prompt.fail(
        off ? "This server keeps its prompts to itself." : inWords(error).headline,
      );
    }
  }
}

/**
 * @param {import("./server.js").HistoryEvent[]} events oldest first
 * @returns {Set<string>}
 */
function onList(events) {
  const listed = new Set();
  for (const { action, entity_id: id } of events) {
    if (action === "add_to_list") listed.add(id);
    else if (action === "remove_from_list") listed.delete(id);
  }
  return listed;
}
