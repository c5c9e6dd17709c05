/**
 * Setting a title into a box: which lines, which size.
 */

import { svg } from "./svg.js";

/** @typedef {import("./genre.js").Face} Face */

/**
 * @typedef {object} Type
 * @property {string} family fonts that systems have; nothing is fetched
 * @property {number} weight
 * @property {boolean} capitals
 * @property {number} leading line height as a multiple of the size
 * @property {number} tracking letter spacing as a multiple of the size
 */

/** @type {Record<Face, Type>} */
export const TYPES = {
  condensed: {
    family: '"Oswald", "Avenir Next Condensed", "Roboto Condensed", "Arial Narrow", "Liberation Sans Narrow", sans-serif',
    weight: 700,
    capitals: true,
    leading: 1.0,
    tracking: 0.005,
  },
  serif: {
    family: '"Hoefler Text", "Iowan Old Style", "Palatino Linotype", "Times New Roman", serif',
    weight: 700,
    capitals: false,
    leading: 1.02,
    tracking: -0.012,
  },
  sans: {
    family: '"Avenir Next", "Futura", "Segoe UI", "Helvetica Neue", Arial, sans-serif',
    weight: 800,
    capitals: false,
    leading: 1.02,
    tracking: -0.022,
  },
  mono: {
    family: '"SF Mono", "Cascadia Code", "Consolas", "Liberation Mono", monospace',
    weight: 700,
    capitals: true,
    leading: 1.08,
    tracking: -0.03,
  },
};

const MEASURED_AT = 100;
const SMALLEST = 13;
const MOST_LINES = 5;

/** @type {CanvasRenderingContext2D | null} */
let ruler = null;
/** @type {Map<string, number>} */
const widths = new Map();

/**
 * @param {string} text
 * @param {Type} type
 * @returns {number} its width at a size of 1
 */
function widthOf(text, type) {
  const key = `${type.family}|${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    ruler ??= document.createElement("canvas").getContext("2d");
    if (ruler === null) return text.length * 0.6;
    ruler.font = `${type.weight} ${MEASURED_AT}px ${type.family}`;
    width = ruler.measureText(text).width / MEASURED_AT + text.length * type.tracking;
    widths.set(key, width);
  }
  return width;
}

/**
 * @param {string[]} words
 * @param {number} count
 * @param {Type} type
 * @returns {string[]} at most `count` lines of nearly equal width
 */
function balanced(words, count, type) {
  const total = widthOf(words.join(" "), type);
  const longest = Math.max(...words.map((word) => widthOf(word, type)));
  let limit = Math.max(longest, total / count);
  for (;;) {
    const lines = wrapped(words, limit, type);
    if (lines.length <= count) return lines;
    limit *= 1.06;
  }
}

/**
 * @param {string[]} words
 * @param {number} limit
 * @param {Type} type
 * @returns {string[]}
 */
function wrapped(words, limit, type) {
  const lines = [words[0]];
  for (const word of words.slice(1)) {
    const longer = `${lines[lines.length - 1]} ${word}`;
    if (widthOf(longer, type) <= limit) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/**
 * The lines and the size that fill the box best.
 * @param {string} title
 * @param {Type} type
 * @param {{width: number, height: number, largest: number}} box
 * @returns {{lines: string[], size: number}}
 */
export function fitted(title, type, { width, height, largest }) {
  const words = (type.capitals ? title.toUpperCase() : title).split(/\s+/).filter(Boolean);
  let best = { lines: words.length > 0 ? [words.join(" ")] : ["?"], size: 0 };
  for (let count = 1; count <= Math.min(MOST_LINES, Math.max(1, words.length)); count += 1) {
    const lines = words.length > 0 ? balanced(words, count, type) : best.lines;
    const widest = Math.max(...lines.map((line) => widthOf(line, type)));
    const size = Math.min(largest, width / widest, height / (lines.length * type.leading));
    if (size > best.size * 1.04) best = { lines, size };
  }
  if (best.size >= SMALLEST) return best;
  return { lines: clipped(best.lines, type, width), size: SMALLEST };
}

/**
 * @param {string[]} lines
 * @param {Type} type
 * @param {number} width
 * @returns {string[]} the lines, those too long ended by an ellipsis
 */
function clipped(lines, type, width) {
  return lines.slice(0, MOST_LINES).map((line) => {
    let text = line;
    while (text.length > 1 && widthOf(`${text}…`, type) * SMALLEST > width) text = text.slice(0, -1);
    return text === line ? line : `${text.trimEnd()}…`;
  });
}

/**
 * A title as SVG text.
 * @param {string} title
 * @param {Face} face
 * @param {{x: number, y: number, width: number, height: number, largest: number}} box
 * @param {{fill: string, align: "start" | "middle", from: "top" | "middle" | "bottom"}} style
 * @returns {SVGElement}
 */
export function lettering(title, face, box, { fill, align, from }) {
  const type = TYPES[face];
  const { lines, size } = fitted(title, type, box);
  const leading = size * type.leading;
  const block = lines.length * leading;
  const slack = { top: 0, middle: (box.height - block) / 2, bottom: box.height - block }[from];
  const x = align === "middle" ? box.x + box.width / 2 : box.x;
  return svg(
    "text",
    {
      "font-family": type.family,
      "font-size": size,
      "font-weight": type.weight,
      "letter-spacing": size * type.tracking,
      "text-anchor": align,
      fill,
    },
    ...lines.map((line, i) =>
      svg("tspan", { x, y: box.y + slack + leading * i + size * 0.82 }, line),
    ),
  );
}
