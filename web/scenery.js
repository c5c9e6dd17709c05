/**
 * Motifs that are places: skies, mountains, streets, woods.
 * Each takes the size, the palette and the seed, and returns shapes that fill the size.
 */

import { gradient, points, svg } from "./svg.js";

/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {import("./seed.js").Seed} Seed */
/** @typedef {(w: number, h: number, p: Palette, s: Seed) => SVGElement[]} Motif */

/**
 * @param {number} w
 * @param {number} h
 * @param {string} from
 * @param {string} to
 * @returns {SVGElement[]} a sky from top to bottom
 */
function sky(w, h, from, to) {
  const paint = gradient([
    [0, from],
    [1, to],
  ]);
  return [paint.node, svg("rect", { width: w, height: h, fill: paint.fill })];
}

/**
 * @param {number} w
 * @param {number} h
 * @param {string} colour
 * @param {Seed} s
 * @param {number} count
 * @returns {SVGElement[]}
 */
function stars(w, h, colour, s, count) {
  return Array.from({ length: count }, () =>
    svg("circle", {
      cx: s.between(0, w),
      cy: s.between(0, h),
      r: s.between(0.4, 1.3),
      fill: colour,
      opacity: s.between(0.25, 0.9),
    }),
  );
}

/** @type {Motif} A great planet, its ring, a moon. */
export function planets(w, h, p, s) {
  const r = Math.min(w, h) * s.between(0.34, 0.52);
  const cx = w * s.between(0.55, 0.82);
  const cy = h * s.between(0.3, 0.52);
  const ball = gradient(
    [
      [0, p.tones[2]],
      [0.55, p.tones[1]],
      [1, p.tones[0]],
    ],
    { x1: 0.1, y1: 0, x2: 0.9, y2: 1 },
  );
  const tilt = `rotate(${s.between(-28, -12).toFixed(1)} ${cx.toFixed(1)} ${cy.toFixed(1)})`;
  const ring = { cx, cy, rx: r * 1.75, ry: r * 0.42, fill: "none", stroke: p.ink, transform: tilt };
  const left = w * s.between(0.08, 0.3);
  return [
    ...sky(w, h, p.ground, p.shade),
    ...stars(w, h, p.ink, s, 34),
    ball.node,
    svg("ellipse", { ...ring, "stroke-width": 2.2, opacity: 0.55 }),
    svg("circle", { cx, cy, r, fill: ball.fill }),
    svg("path", {
      d: `M ${cx - r * 1.75} ${cy} A ${r * 1.75} ${r * 0.42} 0 0 0 ${cx + r * 1.75} ${cy}`,
      fill: "none",
      stroke: p.ink,
      "stroke-width": 2.6,
      opacity: 0.85,
      transform: tilt,
    }),
    svg("circle", { cx: left, cy: h * s.between(0.16, 0.4), r: r * 0.16, fill: p.tones[2] }),
  ];
}

/** @type {Motif} A low sun cut by bars over a grid that runs to the horizon. */
export function horizon(w, h, p, s) {
  const line = h * s.between(0.5, 0.6);
  const r = Math.min(w, h) * 0.36;
  const cx = w * s.between(0.4, 0.7);
  const sun = gradient([
    [0, p.tones[2]],
    [1, p.tones[1]],
  ]);
  const bars = Array.from({ length: 5 }, (_, i) => {
    const y = line - r * 0.12 - i * r * 0.2;
    return svg("rect", { x: cx - r, y, width: r * 2, height: 5.4 - i * 0.9, fill: p.tones[0] });
  });
  const rails = Array.from({ length: 19 }, (_, i) =>
    svg("line", { x1: cx, y1: line, x2: cx + (i - 9) * w * 0.22, y2: h * 1.1 }),
  );
  const sleepers = Array.from({ length: 7 }, (_, i) => {
    const y = line + (h - line) * ((i + 0.3) / 6.6) ** 2;
    return svg("line", { x1: 0, y1: y, x2: w, y2: y });
  });
  return [
    ...sky(w, h, p.ground, p.tones[0]),
    ...stars(w, line * 0.8, p.ink, s, 22),
    sun.node,
    svg("circle", { cx, cy: line - r * 0.35, r, fill: sun.fill }),
    ...bars,
    svg("rect", { y: line, width: w, height: h - line, fill: p.ground }),
    svg("g", { stroke: p.tones[2], "stroke-width": 0.9, opacity: 0.6 }, ...rails, ...sleepers),
  ];
}

/** @type {Motif} Ridge behind ridge, a disc above. */
export function ridges(w, h, p, s) {
  const layers = 4;
  const shapes = [...sky(w, h, p.shade, p.tones[2])];
  const disc = Math.min(w, h) * s.between(0.13, 0.22);
  shapes.push(
    svg("circle", {
      cx: w * s.between(0.25, 0.8),
      cy: h * s.between(0.18, 0.34),
      r: disc,
      fill: p.ink,
      opacity: 0.92,
    }),
  );
  const colours = [p.tones[2], p.tones[1], p.tones[0], p.ground];
  for (let layer = 0; layer < layers; layer += 1) {
    const base = h * (0.42 + layer * 0.15);
    const height = h * (0.26 - layer * 0.03);
    const steps = 5 + layer * 3;
    const line = [[0, h]];
    for (let i = 0; i <= steps; i += 1) {
      const peak = i % 2 === layer % 2 ? s.between(0.55, 1) : s.between(0, 0.35);
      line.push([((i + s.between(-0.25, 0.25)) / steps) * w, base - peak * height]);
    }
    line[1][0] = 0;
    line[line.length - 1][0] = w;
    line.push([w, h]);
    shapes.push(
      svg("polygon", {
        points: points(line),
        fill: colours[layer],
        opacity: layer === 0 ? 0.75 : 1,
      }),
    );
  }
  return shapes;
}

/** @type {Motif} Soft dunes under a wide sun. */
export function dunes(w, h, p, s) {
  const shapes = [...sky(w, h, p.tones[1], p.tones[2])];
  const cx = w * s.between(0.3, 0.75);
  const cy = h * s.between(0.32, 0.42);
  const r = Math.min(w, h) * s.between(0.24, 0.34);
  for (const [scale, opacity] of [
    [1.7, 0.12],
    [1.34, 0.18],
    [1, 0.95],
  ]) {
    shapes.push(svg("circle", { cx, cy, r: r * scale, fill: p.ink, opacity }));
  }
  const colours = [p.tones[1], p.tones[0], p.ground];
  colours.forEach((fill, layer) => {
    const base = h * (0.52 + layer * 0.16);
    const swing = h * 0.13;
    const a = s.between(-1, 1) * swing;
    const b = s.between(-1, 1) * swing;
    const d = `M0 ${base + a} C ${w * 0.3} ${base - swing - b}, ${w * 0.55} ${base + swing + b}, ${w} ${base - a} V ${h} H 0 Z`;
    shapes.push(svg("path", { d, fill }));
  });
  return shapes;
}

/** @type {Motif} A street of towers at night, some windows lit. */
export function skyline(w, h, p, s) {
  const shapes = [...sky(w, h, p.ground, p.tones[1])];
  shapes.push(
    svg("circle", {
      cx: w * s.between(0.2, 0.8),
      cy: h * 0.3,
      r: Math.min(w, h) * 0.2,
      fill: p.tones[2],
      opacity: 0.95,
    }),
  );
  for (let layer = 0; layer < 2; layer += 1) {
    const fill = layer === 0 ? p.tones[0] : p.ground;
    for (let x = -8; x < w; ) {
      const width = s.between(w * 0.06, w * 0.13);
      const top = h * s.between(0.3 + layer * 0.14, 0.62 + layer * 0.12);
      shapes.push(svg("rect", { x, y: top, width, height: h - top, fill }));
      if (layer === 1) {
        for (let i = 0; i < 4; i += 1) {
          shapes.push(
            svg("rect", {
              x: x + width * s.pick([0.2, 0.45, 0.7]),
              y: top + 6 + s.whole(0, 5) * 8,
              width: 2.6,
              height: 4,
              fill: p.tones[2],
              opacity: s.between(0.4, 1),
            }),
          );
        }
      }
      x += width + (layer === 0 ? 0 : s.between(0, 4));
    }
  }
  return shapes;
}

/** @type {Motif} Bare trunks in the fog before a pale moon. */
export function woods(w, h, p, s) {
  const shapes = [...sky(w, h, p.ground, p.tones[1])];
  const moon = gradient(
    [
      [0, p.tones[2]],
      [0.7, p.tones[2]],
      [1, p.tones[1], 0.2],
    ],
    { radial: true },
  );
  shapes.push(
    moon.node,
    svg("circle", {
      cx: w * s.between(0.35, 0.7),
      cy: h * s.between(0.36, 0.46),
      r: Math.min(w, h) * s.between(0.28, 0.36),
      fill: moon.fill,
    }),
  );
  for (let layer = 0; layer < 3; layer += 1) {
    const count = 6 + layer;
    for (let i = 0; i < count; i += 1) {
      const x = ((i + s.between(-0.3, 0.3)) / (count - 1)) * w;
      const half = s.between(1.2, 2.4) * (1 + layer * 0.9);
      const lean = s.between(-9, 9);
      const trunk = [
        [x - half * 0.5 + lean, 0],
        [x + half * 0.5 + lean, 0],
        [x + half, h],
        [x - half, h],
      ];
      const branch = h * s.between(0.12, 0.5);
      const reach = s.pick([-1, 1]) * s.between(14, 34);
      const fill = layer === 2 ? p.ground : p.tones[0];
      shapes.push(svg("polygon", { points: points(trunk), fill, opacity: 0.45 + layer * 0.27 }));
      shapes.push(
        svg("line", {
          x1: x + lean * 0.6,
          y1: branch,
          x2: x + reach,
          y2: branch - Math.abs(reach) * 0.9,
          stroke: fill,
          "stroke-width": half * 0.8,
          opacity: 0.45 + layer * 0.27,
        }),
      );
    }
  }
  return shapes;
}

/** @type {Motif} Hills, a rainbow, round clouds. */
export function meadow(w, h, p, s) {
  const shapes = [...sky(w, h, p.shade, p.ground)];
  const cx = w * s.between(0.3, 0.7);
  [p.tones[2], p.tones[1], p.tones[0], p.ink].forEach((stroke, i) => {
    const r = Math.min(w, h) * (0.62 - i * 0.08);
    shapes.push(
      svg("circle", { cx, cy: h * 0.82, r, fill: "none", stroke, "stroke-width": h * 0.05 }),
    );
  });
  for (let cloud = 0; cloud < 3; cloud += 1) {
    const x = w * s.between(0.05, 0.95);
    const y = h * s.between(0.12, 0.4);
    const r = h * s.between(0.06, 0.1);
    for (const [dx, dy, scale] of [
      [-1.1, 0.25, 0.75],
      [0, 0, 1],
      [1.1, 0.25, 0.8],
    ]) {
      shapes.push(
        svg("circle", {
          cx: x + dx * r,
          cy: y + dy * r,
          r: r * scale,
          fill: p.bright ? "#fff" : p.ink,
          opacity: 0.9,
        }),
      );
    }
  }
  shapes.push(
    svg("ellipse", { cx: w * 0.2, cy: h * 1.06, rx: w * 0.6, ry: h * 0.34, fill: p.tones[1] }),
    svg("ellipse", { cx: w * 0.85, cy: h * 1.1, rx: w * 0.6, ry: h * 0.36, fill: p.tones[2] }),
  );
  return shapes;
}
