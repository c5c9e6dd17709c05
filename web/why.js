/** Why a row is there: a line in words under its title, and behind it the numbers. */

import { element } from "./element.js";
import { counted } from "./words.js";

/** @typedef {import("./page.js").PageRow} PageRow */

/**
 * @typedef {object} Facts how many of the row's titles are what
 * @property {number} titles
 * @property {number} begun
 * @property {number} listed
 * @property {number} played
 * @property {number} trending
 * @property {number} new
 * @property {{genre: string, yours: number, of: number} | null} genre
 */

/**
 * @typedef {object} Choice in logits
 * @property {number} score
 * @property {number} promise the part of the score that the titles brought
 * @property {number} candidates
 * @property {{id: string, title: string, score: number} | null} next_best
 */

/**
 * @typedef {object} Why as `GET /v1/pages/{id}/why` has it of each row
 * @property {number} index
 * @property {Choice | null} choice
 * @property {{ground: string, logits: number}[]} grounds the strongest first
 * @property {Facts} facts
 */

/** What the line has room for. */
const MOST_REASONS = 2;

/** @type {Record<string, string>} */
const NAMES = {
  own: "What you did with them",
  taste: "Your taste",
  trending: "Watched now",
  new: "Release date",
  kind: "Kind and length",
  fit: "Language and age",
  moment: "Hour and device",
  quality: "Did well before",
  other: "Other signs",
};

/** @returns {HTMLElement} the line's place, so that nothing moves when it is told */
export function whyPlace() {
  return element("div", { class: "why" });
}

/**
 * @param {Element} place as `whyPlace` made it
 * @param {PageRow} row
 * @param {Why} why
 */
export function tellWhy(place, row, why) {
  place.replaceChildren(
    element(
      "details",
      {},
      element(
        "summary",
        { "aria-label": `Why ${row.row.title} is here: ${inWords(row, why)}` },
        inWords(row, why),
      ),
      element(
        "div",
        { class: "why-more" },
        grounds(why),
        element("p", { text: chosen(why.choice) }),
        element("p", { text: counts(why.facts) }),
      ),
    ),
  );
}

/**
 * @param {PageRow} row
 * @param {Why} why
 * @returns {string} "6 of your last 20 were Crime · Much watched now"
 */
function inWords({ row }, { choice, grounds: told, facts }) {
  const said = [
    ofKind(row),
    choice?.candidates === 1 ? "Its place is fixed" : "",
    ...told.map(({ ground }) => because(ground, facts)),
  ].filter(Boolean);
  if (said.length === 0) return "The model’s choice for this moment";
  return [...new Set(said)].slice(0, MOST_REASONS).join(" · ");
}

/**
 * @param {PageRow["row"]} row
 * @returns {string} what puts titles into a row of this kind
 */
function ofKind({ kind, because: watched }) {
  if (watched) return `Shares genres with ${watched.title}`;
  return { continue: "Begun, not finished", my_list: "You put them there" }[kind] ?? "";
}

/**
 * @param {string} ground
 * @param {Facts} facts
 * @returns {string}
 */
function because(ground, { begun, listed, played, trending, new: fresh, genre }) {
  switch (ground) {
    case "own":
      if (listed > 0) return `${listed} on your list`;
      if (begun > 0) return `${begun} begun by you`;
      return played > 0 ? `${played} played by you` : "You had to do with them";
    case "taste":
      return genre
        ? `${genre.yours} of your last ${genre.of} were ${genre.genre}`
        : "Close to what you watch";
    case "trending":
      return trending > 0 ? "Much watched now" : "Watched more than most";
    case "new":
      return fresh > 0 ? `${fresh} new` : "By release date";
    case "kind":
      return "Their kind and length";
    case "fit":
      return "Language and age rating";
    case "moment":
      return "Hour and device";
    case "quality":
      return "Did well with members";
    default:
      return "";
  }
}

/**
 * @param {Why} why
 * @returns {HTMLElement | null} what each ground gives a title, as bars
 */
function grounds({ grounds: told }) {
  if (told.length === 0) return null;
  const most = told[0].logits;
  return element(
    "dl",
    { title: "logits that a title owes to it, above an average title" },
    ...told.flatMap(({ ground, logits }) => {
      const bar = element("span", { class: "bar" });
      bar.style.width = `${(40 * logits) / most}%`;
      return [
        element("dt", { text: NAMES[ground] ?? ground }),
        element("dd", {}, bar, `+${logits.toFixed(2)}`),
      ];
    }),
  );
}

/**
 * @param {Choice | null} choice
 * @returns {string} what the row was chosen over
 */
function chosen(choice) {
  if (choice === null) return "";
  const { score, promise, candidates, next_best: next } = choice;
  if (next === null) return "The rules left no other row for this place.";
  const lead = score - next.score;
  const beside = `${Math.abs(lead).toFixed(2)} ${lead < 0 ? "below" : "above"} “${next.title}”`;
  return (
    `Scored ${score.toFixed(2)}, of which its titles brought ${promise.toFixed(2)}: ` +
    `${beside}, next of ${counted(candidates, "row")}.`
  );
}

/**
 * @param {Facts} facts
 * @returns {string} "20 titles: 2 begun, 5 among the most watched"
 */
function counts({ titles, begun, listed, played, trending, new: fresh }) {
  const parts = [
    [played, "played"],
    [begun, "begun"],
    [listed, "on your list"],
    [trending, "among the most watched"],
    [fresh, "new"],
  ].filter(([count]) => count);
  const all = counted(titles, "title");
  return parts.length > 0
    ? `${all}: ${parts.map(([count, what]) => `${count} ${what}`).join(", ")}.`
    : `${all}, none of them known to you.`;
}
