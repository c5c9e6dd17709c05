/** Building SVG by nodes, never by markup: a title cannot become code. */

const NAMESPACE = "http://www.w3.org/2000/svg";
let lastId = 0;

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(SVGElement | string)} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, typeof value === "number" ? short(value) : value);
  }
  node.append(...children);
  return node;
}

/**
 * An id that no other picture on the page has (gradients are referred to by id).
 * @returns {string}
 */
export function freshId() {
  lastId += 1;
  return `paint-${lastId}`;
}

/**
 * Coordinates with one decimal: pictures are small, and so should their markup be.
 * @param {number} value
 * @returns {string}
 */
export function short(value) {
  return String(Math.round(value * 100) / 100);
}

/**
 * @param {number[][]} points
 * @returns {string} the `points` attribute of a polygon
 */
export function points(points) {
  return points.map(([x, y]) => `${short(x)},${short(y)}`).join(" ");
}

/**
 * A gradient and the way to refer to it.
 * @param {[number, string, number?][]} stops offset 0..1, colour, opacity
 * @param {{x1?: number, y1?: number, x2?: number, y2?: number, radial?: boolean,
 *   cx?: number, cy?: number, r?: number}} [shape]
 * @returns {{node: SVGElement, fill: string}}
 */
export function gradient(stops, { radial = false, ...shape } = {}) {
  const id = freshId();
  const line = radial ? shape : { x1: 0, y1: 0, x2: 0, y2: 1, ...shape };
  const node = svg(
    radial ? "radialGradient" : "linearGradient",
    { id, ...line },
    ...stops.map(([offset, colour, opacity = 1]) =>
      svg("stop", { offset, "stop-color": colour, "stop-opacity": opacity }),
    ),
  );
  return { node, fill: `url(#${id})` };
}
