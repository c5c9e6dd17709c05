/**
 * Motifs that are signs: a sprite, cubes, sound, a pitch, a signal.
 * Each takes the size, the palette and the seed, and returns shapes that fill the size.
 */

import { gradient, points, svg } from "./svg.js";

/** @typedef {import("./scenery.js").Motif} Motif */

/** @type {Motif} A mirrored sprite of squares, as on an old console. */
export function sprite(w, h, p, s) {
  const cell = Math.min(w, h) * 0.075;
  const left = w * s.between(0.52, 0.66) - cell * 5.5;
  const top = h * 0.12;
  const glow = gradient(
    [
      [0, p.tones[1], 0.9],
      [1, p.ground, 0],
    ],
    { radial: true },
  );
  const shapes = [
    glow.node,
    svg("rect", { width: w, height: h, fill: p.ground }),
    svg("circle", {
      cx: left + cell * 5.5,
      cy: top + cell * 4,
      r: Math.min(w, h) * 0.75,
      fill: glow.fill,
    }),
  ];
  for (let y = 0; y < h; y += 9) {
    shapes.push(svg("rect", { y, width: w, height: 1, fill: p.ink, opacity: 0.05 }));
  }
  for (let row = 0; row < 8; row += 1) {
    for (let column = 0; column < 6; column += 1) {
      const eye = row === 3 && column === 3;
      const filled = !eye && s.unit() < (column > 3 ? 0.78 : 0.5);
      if (!filled) continue;
      const fill = s.pick([p.tones[2], p.tones[2], p.tones[2], p.ink]);
      for (const x of new Set([column, 10 - column])) {
        shapes.push(
          svg("rect", { x: left + x * cell, y: top + row * cell, width: cell + 0.4, height: cell + 0.4, fill }),
        );
      }
    }
  }
  return shapes;
}

/** @type {Motif} Stacked cubes. */
export function cubes(w, h, p, s) {
  const size = Math.min(w, h) / s.pick([4, 5]);
  const dx = size * 0.866;
  const dy = size * 0.5;
  const shapes = [svg("rect", { width: w, height: h, fill: p.ground })];
  let odd = false;
  for (let y = -size; y < h + size; y += size + dy) {
    for (let x = odd ? -dx : 0; x < w + dx; x += dx * 2) {
      if (s.unit() < 0.14) continue;
      const top = [[x, y - size], [x + dx, y - dy], [x, y], [x - dx, y - dy]];
      const west = [[x - dx, y - dy], [x, y], [x, y + size], [x - dx, y + dy]];
      const east = [[x + dx, y - dy], [x, y], [x, y + size], [x + dx, y + dy]];
      shapes.push(
        svg("polygon", { points: points(top), fill: s.pick([p.tones[2], p.tones[2], p.ink]) }),
        svg("polygon", { points: points(west), fill: p.tones[1] }),
        svg("polygon", { points: points(east), fill: p.tones[0] }),
      );
    }
    odd = !odd;
  }
  return shapes;
}

/** @type {Motif} A wave of bars. */
export function waveform(w, h, p, s) {
  const paint = gradient([
    [0, p.tones[2]],
    [1, p.tones[1]],
  ]);
  const shapes = [paint.node, svg("rect", { width: w, height: h, fill: p.shade })];
  const step = w / s.pick([22, 30]);
  const phase = s.between(0, 6);
  for (let x = step * 0.5; x < w; x += step) {
    const envelope = Math.sin((x / w) * Math.PI) ** 0.7;
    const height =
      h * (0.08 + 0.62 * envelope * Math.abs(Math.sin(x * 0.045 + phase) * s.between(0.5, 1)));
    shapes.push(
      svg("rect", {
        x: x - step * 0.28,
        y: h * 0.44 - height / 2,
        width: step * 0.56,
        height,
        rx: step * 0.28,
        fill: paint.fill,
      }),
    );
  }
  return shapes;
}

/** @type {Motif} A record on the turntable. */
export function record(w, h, p, s) {
  const cx = w * s.between(0.6, 0.78);
  const cy = h * s.between(0.4, 0.55);
  const r = Math.min(w, h) * 0.56;
  const shapes = [
    svg("rect", { width: w, height: h, fill: p.tones[p.bright ? 0 : 1] }),
    svg("circle", { cx, cy, r, fill: p.bright ? p.ink : p.ground }),
  ];
  for (let i = 1; i < 7; i += 1) {
    shapes.push(
      svg("circle", {
        cx,
        cy,
        r: r * (1 - i * 0.085),
        fill: "none",
        stroke: p.bright ? p.ground : p.ink,
        "stroke-width": 0.8,
        opacity: 0.28,
      }),
    );
  }
  shapes.push(
    svg("circle", { cx, cy, r: r * 0.36, fill: p.tones[2] }),
    svg("circle", { cx, cy, r: r * 0.05, fill: p.ground }),
  );
  return shapes;
}

/** @type {Motif} A pitch from above. */
export function pitch(w, h, p, s) {
  const shapes = [];
  const stripes = 8;
  for (let i = 0; i < stripes; i += 1) {
    shapes.push(
      svg("rect", {
        x: (i * w) / stripes,
        width: w / stripes + 1,
        height: h,
        fill: i % 2 ? p.tones[0] : p.shade,
      }),
    );
  }
  const r = Math.min(w, h) * 0.26;
  const turn = `rotate(${s.between(-24, 24).toFixed(1)} ${w / 2} ${h / 2})`;
  shapes.push(
    svg("rect", { width: w, height: h, fill: p.tones[1], opacity: 0.35 }),
    svg(
      "g",
      { fill: "none", stroke: p.ink, "stroke-width": 2.6, opacity: 0.85, transform: turn },
      svg("line", { x1: w * 0.58, y1: -h, x2: w * 0.58, y2: h * 2 }),
      svg("circle", { cx: w * 0.58, cy: h * 0.42, r }),
      svg("rect", { x: w * 0.92, y: h * 0.08, width: w * 0.4, height: h * 0.68 }),
    ),
    svg("circle", { cx: w * 0.58, cy: h * 0.42, r: 5, fill: p.tones[2] }),
  );
  return shapes;
}

/** @type {Motif} A signal going out. */
export function signal(w, h, p, s) {
  const cx = w * s.pick([0.72, 0.82, 0.5]);
  const cy = h * s.between(0.5, 0.64);
  const shapes = [svg("rect", { width: w, height: h, fill: p.ground })];
  for (let i = 9; i > 0; i -= 1) {
    shapes.push(
      svg("circle", {
        cx,
        cy,
        r: i * Math.max(w, h) * 0.085,
        fill: [p.shade, p.tones[0], p.ground][i % 3],
        stroke: p.tones[1],
        "stroke-width": 1.4,
        opacity: 0.9,
      }),
    );
  }
  shapes.push(
    svg("circle", { cx, cy, r: Math.min(w, h) * 0.11, fill: p.tones[2] }),
    svg("circle", { cx, cy, r: Math.min(w, h) * 0.17, fill: "none", stroke: p.tones[2], "stroke-width": 2.5 }),
  );
  return shapes;
}
