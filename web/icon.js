/** Small line icons, drawn on a grid of 24. */

import { svg } from "./svg.js";

const PATHS = {
  play: "M7 4.5v15l12.5-7.5z",
  half: "M8 5v14M16 5v14",
  trailer: "M4 6h16v12H4zM10 9.5v5l4.5-2.5z",
  plus: "M12 5v14M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  up: "M8 21V10l4.5-7c1.4 0 2.2 1 2 2.4L14 9h5.2c1.2 0 2 1.1 1.7 2.3l-1.8 7.6c-.3 1.3-1.2 2.1-2.4 2.1zM8 21H4V10h4",
  down: "M16 3v11l-4.5 7c-1.4 0-2.2-1-2-2.4L10 15H4.8c-1.2 0-2-1.1-1.7-2.3l1.8-7.6C5.2 3.8 6.1 3 7.3 3zM16 3h4v11h-4",
  leave: "M14 4h5v16h-5M4 12h10M10 8l4 4-4 4",
  close: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
};

/**
 * @param {keyof typeof PATHS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] }),
  );
}
