/** A member's face: drawn from the name, as everything is. */

import { Seed } from "./seed.js";
import { gradient, svg } from "./svg.js";

/**
 * @param {string} userId
 * @returns {SVGElement}
 */
export function avatar(userId) {
  const seed = new Seed(`member ${userId}`);
  const hue = seed.whole(0, 359);
  const paint = gradient(
    [
      [0, `hsl(${hue} 75% 62%)`],
      [1, `hsl(${(hue + 50) % 360} 70% 42%)`],
    ],
    { x2: 1 },
  );
  const eyes = seed.between(15, 18);
  const apart = seed.between(5.5, 8);
  const ink = `hsl(${hue} 60% 12%)`;
  const smile = seed.between(1.5, 6);
  return svg(
    "svg",
    { viewBox: "0 0 40 40", class: "avatar", "aria-hidden": "true", focusable: "false" },
    paint.node,
    svg("rect", { width: 40, height: 40, fill: paint.fill }),
    svg("circle", { cx: 20 - apart, cy: eyes, r: 2.3, fill: ink }),
    svg("circle", { cx: 20 + apart, cy: eyes, r: 2.3, fill: ink }),
    svg("path", {
      d: `M${20 - apart} ${eyes + 8} q ${apart} ${smile} ${apart * 2} 0`,
      fill: "none",
      stroke: ink,
      "stroke-width": 2.2,
      "stroke-linecap": "round",
    }),
  );
}
