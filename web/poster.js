/**
 * A poster: artwork drawn from the data alone (title, kind, genres, year). The same title gets the
 * same picture everywhere; there is no image file.
 */

import { lookOf } from "./genre.js";
import { fitted, lettering, TYPES } from "./lettering.js";
import { palette } from "./palette.js";
import { Seed } from "./seed.js";
import { gradient, svg } from "./svg.js";

/**
 * @typedef {object} Entity
 * @property {string} id
 * @property {string} title
 * @property {string} kind
 * @property {string[]} [genres]
 * @property {number | null} [year]
 * @property {string} [synopsis]
 * @property {string[]} [cast]
 * @property {number} [maturity]
 * @property {number | null} [duration_s]
 */

/** @typedef {"wide" | "tall" | "bare"} Shape bare: wide, without its title */

const SIZES = { wide: [320, 180], tall: [240, 360], bare: [320, 180] };
const COLOUR_FILM = 1965;
/** The least size of a title, as a share of the width, for a layout that leaves it little room. */
const LEGIBLE = 0.075;

/**
 * @param {Entity} entity
 * @param {Shape} shape
 * @returns {SVGElement}
 */
export function poster(entity, shape) {
  const seed = new Seed(`${entity.title}|${entity.year ?? ""}`);
  const [w, h] = SIZES[shape];
  const look = lookOf(entity.kind, entity.genres ?? [], seed);
  const year = entity.year ?? 2000;
  const fade = year < COLOUR_FILM ? Math.min(0.75, 0.35 + (COLOUR_FILM - year) / 90) : 0;
  const colours = palette(look.mood, seed, seed.unit() < look.bright, fade);
  const motif = seed.pick(look.motifs);
  const face = seed.pick(look.faces);
  const layout = colours.bright ? seed.pick(["split", "split", "foot"]) : seed.pick(["foot", "foot", "foot", "middle", "split"]);
  const picture = svg("svg", {
    viewBox: `0 0 ${w} ${h}`,
    preserveAspectRatio: "xMidYMid slice",
    "aria-hidden": "true",
    focusable: "false",
    class: "poster",
  });
  if (shape === "bare") {
    picture.append(...motif(w, h, colours, seed));
  } else {
    picture.append(...LAYOUTS[layout]({ w, h, colours, motif, face, seed, title: entity.title }));
  }
  return picture;
}

/**
 * @typedef {object} Plan
 * @property {number} w
 * @property {number} h
 * @property {import("./palette.js").Palette} colours
 * @property {import("./scenery.js").Motif} motif
 * @property {import("./genre.js").Face} face
 * @property {Seed} seed
 * @property {string} title
 */

/** @type {Record<string, (plan: Plan) => SVGElement[]>} */
const LAYOUTS = {
  foot({ w, h, colours, motif, face, seed, title }) {
    const veil = gradient([
      [0.22, colours.ground, 0],
      [0.62, colours.ground, 0.78],
      [1, colours.ground, 0.96],
    ]);
    const margin = w * 0.06;
    const top = h * (w > h ? 0.4 : 0.56);
    const box = { x: margin, y: top, width: w - margin * 2, height: h - top - margin, largest: w * 0.16 };
    return [
      ...motif(w, h, colours, seed),
      veil.node,
      svg("rect", { x: -2, y: -2, width: w + 4, height: h + 4, fill: veil.fill }),
      lettering(title, face, box, { fill: colours.ink, align: "start", from: "bottom" }),
    ];
  },
  middle({ w, h, colours, motif, face, seed, title }) {
    const veil = gradient(
      [
        [0, colours.ground, 0.88],
        [0.6, colours.ground, 0.6],
        [1, colours.ground, 0.15],
      ],
      { radial: true, r: 0.7 },
    );
    const box = { x: w * 0.09, y: h * 0.2, width: w * 0.82, height: h * 0.6, largest: w * 0.17 };
    return [
      ...motif(w, h, colours, seed),
      veil.node,
      svg("rect", { x: -2, y: -2, width: w + 4, height: h + 4, fill: veil.fill }),
      lettering(title, face, box, { fill: colours.ink, align: "middle", from: "middle" }),
    ];
  },
  split(plan) {
    const { w, h, colours, motif, face, seed, title } = plan;
    const wide = w > h;
    const cut = wide ? w * 0.5 : h * 0.56;
    const window = wide
      ? { x: cut, y: 0, width: w - cut, height: h }
      : { x: 0, y: 0, width: w, height: cut };
    const margin = w * 0.055;
    const box = wide
      ? { x: margin, y: h * 0.13, width: cut - margin * 2, height: h * 0.74, largest: w * 0.13 }
      : { x: margin, y: cut + margin, width: w - margin * 2, height: h - cut - margin * 2, largest: w * 0.17 };
    // A long word would shrink to fit beside the picture: it has more room below.
    if (fitted(title, TYPES[face], box).size < w * LEGIBLE) return LAYOUTS.foot(plan);
    return [
      svg("rect", { width: w, height: h, fill: colours.ground }),
      svg(
        "svg",
        { ...window, viewBox: `0 0 ${window.width} ${window.height}`, overflow: "hidden" },
        ...motif(window.width, window.height, colours, seed),
      ),
      lettering(title, face, box, {
        fill: colours.ink,
        align: "start",
        from: wide ? "middle" : "top",
      }),
    ];
  },
};
