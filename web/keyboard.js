/**
 * Moving about with arrow keys, as on a television: left and right in a row, up and down between
 * rows to the card nearest above or below. Each row is one tab stop (roving tabindex).
 */

const CARD = ".card";

/**
 * Makes `card` its row's tab stop.
 * @param {HTMLElement} card
 */
export function rove(card) {
  const row = card.closest(".row");
  for (const other of row?.querySelectorAll(`${CARD}[tabindex="0"]`) ?? []) {
    other.setAttribute("tabindex", "-1");
  }
  card.setAttribute("tabindex", "0");
}

/**
 * @param {HTMLElement} area holds the rows and, above them, whatever else can be reached by Up
 */
export function arrows(area) {
  area.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement && target.matches(CARD)) rove(target);
  });
  area.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!(event.target instanceof HTMLElement)) return;
    const next = destination(area, event.target, event.key);
    if (next === null) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    next.scrollIntoView({
      behavior: still ? "auto" : "smooth",
      block: "nearest",
      inline: "nearest",
    });
  });
}

/**
 * @param {HTMLElement} area
 * @param {HTMLElement} from
 * @param {string} key
 * @returns {HTMLElement | null} null when the key does not move
 */
function destination(area, from, key) {
  const rows = [...area.querySelectorAll("[data-arrows]")];
  const row = from.closest("[data-arrows]");
  if (row === null) return null;
  const stops = stopsOf(row);
  const at = stops.indexOf(from);
  switch (key) {
    case "ArrowRight":
      return stops[at + 1] ?? null;
    case "ArrowLeft":
      return stops[at - 1] ?? null;
    case "Home":
      return stops[0] ?? null;
    case "End":
      return stops[stops.length - 1] ?? null;
    case "ArrowDown":
    case "ArrowUp": {
      const step = key === "ArrowDown" ? 1 : -1;
      for (let i = rows.indexOf(row) + step; i >= 0 && i < rows.length; i += step) {
        const near = nearest(stopsOf(rows[i]), from);
        if (near !== null) return near;
      }
      return null;
    }
    default:
      return null;
  }
}

/**
 * @param {Element} row
 * @returns {HTMLElement[]}
 */
function stopsOf(row) {
  return [...row.querySelectorAll(`${CARD}, [data-stop]`)].map(
    (node) => /** @type {HTMLElement} */ (node),
  );
}

/**
 * @param {HTMLElement[]} stops
 * @param {HTMLElement} from
 * @returns {HTMLElement | null} the stop whose middle is nearest across
 */
function nearest(stops, from) {
  const middle = centre(from);
  let best = null;
  let distance = Infinity;
  for (const stop of stops) {
    const away = Math.abs(centre(stop) - middle);
    if (away < distance) [best, distance] = [stop, away];
  }
  return best;
}

/**
 * @param {HTMLElement} node
 * @returns {number}
 */
function centre(node) {
  const box = node.getBoundingClientRect();
  return box.left + box.width / 2;
}
