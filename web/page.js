/** The page as it grows: rows as they came, over all continuations. */

/** @typedef {import("./poster.js").Entity} Entity */

/**
 * @typedef {object} PageRow
 * @property {string} pageId the page it came with: a continuation is a page of its own
 * @property {number} index its place on that page
 * @property {number} place its place on the whole homepage
 * @property {{id: string, title: string, kind: string, because?: {id: string, title: string}}} row
 * @property {Entity[]} entities
 * @property {number} atMs since the request was admitted
 */

/**
 * @typedef {object} Change what a row is, compared with the page before
 * @property {boolean} newRow
 * @property {number} moved places up (positive) or down
 * @property {Set<string>} newEntities
 */

export class Page {
  /** @type {PageRow[]} */
  rows = [];
  /** The id of the newest part: what a continuation continues. */
  id = "";
  /** Whether more rows can follow. */
  exhausted = false;

  /** @returns {Set<string>} every title on the page */
  get entities() {
    return new Set(this.rows.flatMap(({ entities }) => entities.map(({ id }) => id)));
  }
}

/**
 * Rows further down than the page before went are no news: nobody knows what stood there.
 * @param {PageRow} row
 * @param {Page | null} before the page that the member saw last; null when there was none
 * @returns {Change}
 */
export function change(row, before) {
  const nothing = { newRow: false, moved: 0, newEntities: /** @type {Set<string>} */ (new Set()) };
  if (before === null || row.place >= before.rows.length) return nothing;
  const known = before.entities;
  const place = before.rows.findIndex((old) => old.row.id === row.row.id);
  return {
    newRow: place === -1,
    moved: place === -1 ? 0 : place - row.place,
    newEntities: new Set(row.entities.map(({ id }) => id).filter((id) => !known.has(id))),
  };
}
