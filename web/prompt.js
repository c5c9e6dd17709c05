/** What the model saw: the prompt's tokens in words, by segment. */

import { byId, element } from "./element.js";
import { counted } from "./words.js";

/**
 * @typedef {object} Word
 * @property {string} segment
 * @property {number} token
 * @property {string} text
 */

/**
 * @typedef {object} Prompt
 * @property {number} tokens
 * @property {Word[]} words
 * @property {number | null} [cached_prompt_tokens]
 */

/** An event is exactly four tokens: what, how, when, how long. */
const EVENT_TOKENS = 4;

/** What a segment is called on the screen; another one goes by its name.
 * @type {Record<string, string>}
 */
const HEADINGS = {
  profile: "Who watches",
  summary: "Engaged with most, before",
  history: "The history",
  new: "New titles",
  live: "Live now",
  trending: "Trending now",
  request: "The request",
  next: "What is watched next",
  page: "The page begins",
  "page so far": "The page so far",
};

export class PromptPanel {
  #panel = byId("prompt");

  /** @param {Prompt} prompt */
  show(prompt) {
    const cached = prompt.cached_prompt_tokens ?? 0;
    this.#panel.replaceChildren(
      element("p", {
        class: "lead",
        text: `${counted(prompt.tokens, "token")} in, one page out. ${cached} of them were still in the KV cache.`,
      }),
      ...segments(prompt.words, cached),
    );
  }

  /** @param {string} reason */
  fail(reason) {
    this.#panel.replaceChildren(element("p", { class: "empty", text: reason }));
  }
}

/**
 * @param {Word[]} words
 * @param {number} cached how many of the first tokens were cached
 * @returns {HTMLElement[]} one section a segment, in the prompt's order
 */
function segments(words, cached) {
  const sections = [];
  for (let start = 0; start < words.length; ) {
    const name = words[start].segment;
    let end = start;
    while (end < words.length && words[end].segment === name) end += 1;
    const chips = words
      .slice(start, end)
      .map((word, i) => chip(word, start + i < cached, start + i));
    sections.push(
      element(
        "section",
        { class: "segment", data: { segment: name } },
        element(
          "h3",
          {},
          HEADINGS[name] ?? name,
          element("span", { class: "count", text: counted(end - start, "token") }),
        ),
        name === "history" ? events(chips) : element("p", { class: "tokens" }, ...chips),
      ),
    );
    start = end;
  }
  return sections;
}

/**
 * @param {HTMLElement[]} chips perhaps an opening token, then four an event
 * @returns {HTMLElement}
 */
function events(chips) {
  const opening = chips.length % EVENT_TOKENS;
  const lines = [];
  if (opening > 0) lines.push(element("p", { class: "tokens" }, ...chips.slice(0, opening)));
  for (let at = opening; at < chips.length; at += EVENT_TOKENS) {
    lines.push(element("p", { class: "tokens event" }, ...chips.slice(at, at + EVENT_TOKENS)));
  }
  return element("div", {}, ...lines);
}

/**
 * @param {Word} word
 * @param {boolean} cached
 * @param {number} position
 * @returns {HTMLElement}
 */
function chip({ token, text }, cached, position) {
  return element("span", {
    class: cached ? "token cached" : "token",
    title: `token ${token} at position ${position}${cached ? ", from the KV cache" : ""}`,
    text,
  });
}
