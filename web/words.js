/** Events, times and numbers in words. */

/** @type {Record<string, (title: string, time: string) => string>} */
const SENTENCES = {
  play: (title, time) => `Watched ${title}${time && ` for ${time}`}`,
  abandon: (title, time) => `Gave up on ${title}${time && ` after ${time}`}`,
  add_to_list: (title) => `Put ${title} on the list`,
  remove_from_list: (title) => `Took ${title} off the list`,
  thumbs_up: (title) => `Liked ${title}`,
  thumbs_down: (title) => `Did not like ${title}`,
  trailer: (title) => `Watched the trailer of ${title}`,
  details: (title) => `Looked at ${title}`,
  search: (title) => `Searched for ${title}`,
};

/**
 * @param {{action: string, duration_s?: number | null}} event
 * @param {string} title
 * @returns {string} "Watched Rocky for 2 h"
 */
export function sentence({ action, duration_s }, title) {
  const say = SENTENCES[action] ?? (() => `${action}: ${title}`);
  return say(title, duration_s ? duration(duration_s) : "");
}

/**
 * @param {number} seconds
 * @returns {string} "1 h 40 min"
 */
export function duration(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""}`;
}

const UNITS = /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([
  ["year", 365 * 86400],
  ["month", 30 * 86400],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
]);
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/**
 * @param {number} ts
 * @param {number} now
 * @returns {string} "3 days ago"
 */
export function ago(ts, now) {
  const passed = now - ts;
  for (const [unit, seconds] of UNITS) {
    if (passed >= seconds) return relative.format(-Math.floor(passed / seconds), unit);
  }
  return "just now";
}

/**
 * @param {number} value
 * @returns {string} milliseconds, whole from ten on
 */
export function ms(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/**
 * @param {number} count
 * @param {string} noun
 * @param {string} [many]
 * @returns {string} "1 row", "2 rows"
 */
export function counted(count, noun, many = `${noun}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : many}`;
}

/**
 * @param {import("./page.js").PageRow["row"]} row
 * @returns {string} "Because You Watched Rocky"
 */
export function titleOf({ title, because }) {
  return because ? `${title} ${because.title}` : title;
}

/**
 * @param {import("./poster.js").Entity} entity
 * @returns {string[]} year, kind, genres, age, length: what is known of it
 */
export function facts(entity) {
  return [
    entity.year ? String(entity.year) : "",
    { show: "Series", film: "Film", game: "Game", live: "Live" }[entity.kind] ?? entity.kind,
    (entity.genres ?? []).slice(0, 3).join(", "),
    entity.maturity ? `${entity.maturity}+` : "",
    entity.duration_s ? duration(entity.duration_s) : "",
  ].filter(Boolean);
}
