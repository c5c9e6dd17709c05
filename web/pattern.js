/**
 * Motifs that are pure form: rays, arches, rings, tiles, shards.
 * Each takes the size, the palette and the seed, and returns shapes that fill the size.
 */

import { gradient, points, svg } from "./svg.js";

/** @typedef {import("./scenery.js").Motif} Motif */

/**
 * @param {number} w
 * @param {number} h
 * @param {string} fill
 * @returns {SVGElement}
 */
function ground(w, h, fill) {
  return svg("rect", { width: w, height: h, fill });
}

/** @type {Motif} Rays from a disc. */
export function sunburst(w, h, p, s) {
  const cx = w * s.between(0.4, 0.8);
  const cy = h * s.between(0.3, 0.6);
  const reach = w + h;
  const rays = s.pick([12, 16, 20]);
  const offset = s.between(0, 1);
  const shapes = [ground(w, h, p.bright ? p.tones[0] : p.tones[1])];
  for (let i = 0; i < rays; i += 1) {
    const from = ((i + offset) / rays) * Math.PI * 2;
    const to = ((i + 0.5 + offset) / rays) * Math.PI * 2;
    const triangle = [
      [cx, cy],
      [cx + Math.cos(from) * reach, cy + Math.sin(from) * reach],
      [cx + Math.cos(to) * reach, cy + Math.sin(to) * reach],
    ];
    shapes.push(svg("polygon", { points: points(triangle), fill: p.bright ? p.ground : p.shade }));
  }
  const r = Math.min(w, h) * s.between(0.2, 0.3);
  shapes.push(
    svg("circle", { cx, cy, r: r * 1.22, fill: p.bright ? p.ground : p.tones[0] }),
    svg("circle", { cx, cy, r, fill: p.tones[p.bright ? 1 : 2] }),
  );
  return shapes;
}

/** @type {Motif} A floor of quarter circles, dots and triangles. */
export function tiles(w, h, p, s) {
  const size = Math.min(w, h) / s.pick([3, 4]);
  const fills = [p.ground, ...p.tones, p.ink];
  const shapes = [ground(w, h, p.ground)];
  for (let y = 0; y < h; y += size) {
    for (let x = 0; x < w; x += size) {
      const back = s.pick(fills);
      const front = s.pick(fills.filter((fill) => fill !== back));
      const turn = `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${s.whole(0, 3) * 90} ${size / 2} ${size / 2})`;
      const half = size / 2;
      const quarter = `M0 0 H ${size} A ${size} ${size} 0 0 1 0 ${size} Z`;
      const d = s.pick([
        quarter,
        quarter,
        `M0 0 H ${size} A ${half} ${half} 0 0 1 0 0 Z`,
        `M${half} ${size * 0.2} a ${size * 0.3} ${size * 0.3} 0 1 0 0.01 0 Z`,
        `M0 0 H ${size} L 0 ${size} Z`,
        `M0 0 A ${size} ${size} 0 0 1 ${size} ${size} A ${size} ${size} 0 0 1 0 0 Z`,
      ]);
      shapes.push(
        svg("rect", { x, y, width: size + 0.5, height: size + 0.5, fill: back }),
        svg("path", { d, fill: front, transform: turn }),
      );
    }
  }
  return shapes;
}

/** @type {Motif} Arch within arch. */
export function arches(w, h, p, s) {
  const colours = [p.tones[1], p.tones[2], p.tones[0], p.ink, p.tones[1], p.shade];
  const shapes = [ground(w, h, p.bright ? p.ground : p.shade)];
  const count = w > h ? s.pick([2, 3]) : s.pick([1, 2]);
  const span = w / count;
  for (let arch = 0; arch < count; arch += 1) {
    const cx = span * (arch + 0.5);
    const top = h * s.between(0.14, 0.4);
    colours.forEach((fill, i) => {
      const r = (span / 2) * (1 - i * 0.17);
      const d = `M${cx - r} ${h} V ${top + span / 2} A ${r} ${r} 0 0 1 ${cx + r} ${top + span / 2} V ${h} Z`;
      shapes.push(svg("path", { d, fill }));
    });
  }
  return shapes;
}

/** @type {Motif} Fish-scale waves, row over row. */
export function scales(w, h, p, s) {
  const r = Math.min(w, h) / s.pick([4, 5, 6]);
  const rings = [p.tones[0], p.tones[1], p.tones[2], p.ground];
  const shapes = [ground(w, h, p.shade)];
  let odd = false;
  for (let y = h * 0.16; y < h + r * 1.5; y += r / 2) {
    for (let x = odd ? 0 : -r; x < w + r; x += r * 2) {
      rings.forEach((fill, i) => {
        shapes.push(svg("circle", { cx: x, cy: y + r * 0.5, r: r * (1 - i * 0.24), fill }));
      });
    }
    odd = !odd;
  }
  const glow = gradient([
    [0, p.ground, 0.85],
    [0.5, p.ground, 0],
  ]);
  shapes.push(glow.node, ground(w, h, glow.fill));
  return shapes;
}

/** @type {Motif} Rings about a point that wanders, as in a fall. */
export function vortex(w, h, p, s) {
  const shapes = [ground(w, h, p.ground)];
  const rings = 11;
  const dx = s.between(-0.16, 0.16) * w;
  const dy = s.between(-0.1, 0.1) * h;
  const cx = w * s.between(0.5, 0.72);
  const cy = h * s.between(0.4, 0.55);
  const eye = s.unit() < 0.4;
  for (let i = 0; i < rings; i += 1) {
    const t = i / rings;
    const r = Math.max(w, h) * 0.72 * (1 - t) ** 1.25;
    shapes.push(
      svg("ellipse", {
        cx: cx + dx * Math.sin(t * 4),
        cy: cy + dy * Math.sin(t * 5),
        rx: eye ? r * 1.25 : r,
        ry: eye ? r * 0.62 : r,
        fill: [p.shade, p.ground, p.tones[1], p.ground][i % 4],
      }),
    );
  }
  shapes.push(svg("circle", { cx, cy, r: Math.min(w, h) * 0.06, fill: p.tones[2] }));
  return shapes;
}

/** @type {Motif} Splinters from one point of impact. */
export function shards(w, h, p, s) {
  const cx = w * s.between(0.45, 0.75);
  const cy = h * s.between(0.25, 0.5);
  const shapes = [ground(w, h, p.ground)];
  const count = 17;
  const reach = w + h;
  let angle = s.between(0, 1);
  for (let i = 0; i < count; i += 1) {
    const width = ((Math.PI * 2) / count) * s.between(0.5, 1.3);
    const start = Math.min(w, h) * s.between(0.02, 0.22);
    const shape = [
      [cx + Math.cos(angle) * start, cy + Math.sin(angle) * start],
      [cx + Math.cos(angle - width / 2) * reach, cy + Math.sin(angle - width / 2) * reach],
      [cx + Math.cos(angle + width / 2) * reach, cy + Math.sin(angle + width / 2) * reach],
    ];
    const fill = [p.tones[0], p.tones[1], p.shade, p.tones[2]][i % 4];
    shapes.push(svg("polygon", { points: points(shape), fill, opacity: s.between(0.55, 1) }));
    angle += (Math.PI * 2) / count;
  }
  return shapes;
}

/** @type {Motif} Slanted bands, like speed. */
export function bands(w, h, p, s) {
  const shapes = [ground(w, h, p.ground)];
  const slant = h * s.between(0.35, 0.8);
  const colours = [p.tones[0], p.tones[1], p.tones[2], p.shade, p.ground, p.ink];
  let x = w * s.between(0.1, 0.3) - slant;
  while (x < w + slant) {
    const width = w * s.pick([0.012, 0.03, 0.05, 0.1, 0.15]);
    const band = [
      [x + slant, 0],
      [x + slant + width, 0],
      [x + width, h],
      [x, h],
    ];
    shapes.push(svg("polygon", { points: points(band), fill: s.pick(colours) }));
    x += width + w * s.pick([0, 0.008, 0.03]);
  }
  return shapes;
}

/** @type {Motif} Light through blinds. */
export function blinds(w, h, p, s) {
  const glow = gradient(
    [
      [0, p.tones[2]],
      [0.5, p.tones[1]],
      [1, p.ground],
    ],
    { radial: true, cx: s.between(0.45, 0.8), cy: s.between(0.2, 0.5), r: 0.75 },
  );
  const slats = Array.from({ length: 16 }, (_, i) =>
    svg("rect", { x: -w, y: (i / 13) * h * 1.5 - h * 0.4, width: w * 3, height: h * 0.055 }),
  );
  const angle = s.between(-16, 16).toFixed(1);
  const figure = w * s.between(0.3, 0.65);
  const head = Math.min(w, h) * 0.12;
  return [
    glow.node,
    ground(w, h, glow.fill),
    svg("g", { fill: p.ground, transform: `rotate(${angle} ${w / 2} ${h / 2})` }, ...slats),
    svg("circle", { cx: figure, cy: h * 0.42, r: head, fill: p.ground }),
    svg("ellipse", {
      cx: figure,
      cy: h * 0.92,
      rx: head * 2.5,
      ry: h * 0.4,
      fill: p.ground,
    }),
    svg("ellipse", { cx: figure, cy: h * 0.36, rx: head * 1.75, ry: head * 0.3, fill: p.ground }),
    svg("rect", {
      x: figure - head * 0.9,
      y: h * 0.36 - head * 1.15,
      width: head * 1.8,
      height: head * 1.15,
      rx: head * 0.35,
      fill: p.ground,
    }),
  ];
}

/** @type {Motif} Great circles that overlap. */
export function orbs(w, h, p, s) {
  const wash = gradient(
    [
      [0, p.bright ? p.ground : p.shade],
      [1, p.bright ? p.tones[0] : p.ground],
    ],
    { x2: 1 },
  );
  const shapes = [wash.node, ground(w, h, wash.fill)];
  const r = Math.min(w, h) * s.between(0.36, 0.46);
  const cx = w * s.between(0.42, 0.6);
  const cy = h * s.between(0.36, 0.5);
  const angle = s.between(0, Math.PI);
  [0, 1, 2].forEach((i) => {
    const turn = angle + (i * Math.PI * 2) / 3;
    shapes.push(
      svg("circle", {
        cx: cx + Math.cos(turn) * r * 0.72,
        cy: cy + Math.sin(turn) * r * 0.5,
        r: r * s.between(0.75, 1.1),
        fill: p.tones[2 - i],
        opacity: 0.72,
      }),
    );
  });
  return shapes;
}

/** @type {Motif} A flower of ellipses. */
export function petals(w, h, p, s) {
  const cx = w * s.between(0.5, 0.75);
  const cy = h * s.between(0.36, 0.5);
  const r = Math.min(w, h) * s.between(0.4, 0.52);
  const count = s.pick([7, 8, 10, 12]);
  const shapes = [ground(w, h, p.bright ? p.ground : p.shade)];
  [1.15, 0.8, 0.48].forEach((scale, layer) => {
    for (let i = 0; i < count; i += 1) {
      const angle = ((i + layer / 2) / count) * 360;
      shapes.push(
        svg("ellipse", {
          cx: cx + r * scale * 0.5,
          cy,
          rx: r * scale * 0.5,
          ry: r * scale * 0.17,
          fill: p.tones[(layer + (p.bright ? 0 : 1)) % 3],
          opacity: 0.8,
          transform: `rotate(${angle.toFixed(1)} ${cx.toFixed(1)} ${cy.toFixed(1)})`,
        }),
      );
    }
  });
  shapes.push(svg("circle", { cx, cy, r: r * 0.12, fill: p.ink }));
  return shapes;
}

/** @type {Motif} Lines of equal height, as on a map. */
export function contours(w, h, p, s) {
  const shapes = [ground(w, h, p.bright ? p.ground : p.shade)];
  const cx = w * s.between(0.45, 0.75);
  const cy = h * s.between(0.3, 0.6);
  const waves = Array.from({ length: 4 }, (_, i) => ({
    size: s.between(0.04, 0.15) / (1 + i * 0.4),
    phase: s.between(0, 6.28),
  }));
  const rings = 13;
  for (let ring = rings; ring > 0; ring -= 1) {
    const line = [];
    for (let step = 0; step < 40; step += 1) {
      const angle = (step / 40) * Math.PI * 2;
      let r = (ring / rings) * Math.max(w, h) * 0.78;
      waves.forEach(({ size, phase }, i) => {
        r *= 1 + size * Math.sin(angle * (i + 2) + phase + ring * 0.09);
      });
      line.push([cx + Math.cos(angle) * r, cy + Math.sin(angle) * r * 0.8]);
    }
    shapes.push(
      svg("polygon", {
        points: points(line),
        fill: ring === 2 ? p.tones[2] : "none",
        stroke: ring % 4 === 0 ? p.tones[2] : p.tones[1],
        "stroke-width": ring % 4 === 0 ? 2 : 1.1,
        opacity: 0.9,
      }),
    );
  }
  return shapes;
}

/** @type {Motif} Fields of colour with a seam of light. */
export function fields(w, h, p, s) {
  const shapes = [ground(w, h, p.bright ? p.tones[0] : p.shade)];
  const inset = Math.min(w, h) * 0.07;
  let y = inset;
  const parts = s.pick([
    [0.46, 0.12, 0.42],
    [0.2, 0.52, 0.28],
    [0.3, 0.3, 0.4],
  ]);
  const order = s.pick([
    [2, 1, 0],
    [1, 2, 0],
    [1, 0, 2],
  ]);
  parts.forEach((part, i) => {
    const height = (h - inset * 2) * part;
    const paint = gradient([
      [0, p.tones[order[i]], 0.75],
      [0.5, p.tones[order[i]]],
      [1, p.tones[order[i]], 0.7],
    ]);
    shapes.push(
      paint.node,
      svg("rect", {
        x: inset,
        y,
        width: w - inset * 2,
        height: height - 3,
        rx: 3,
        fill: paint.fill,
      }),
    );
    y += height;
  });
  return shapes;
}

/** @type {Motif} A horizon of stripes before a rising disc. */
export function stripes(w, h, p, s) {
  const cx = w * s.between(0.35, 0.7);
  const r = Math.min(w, h) * s.between(0.34, 0.44);
  const shapes = [ground(w, h, p.bright ? p.ground : p.shade)];
  shapes.push(svg("circle", { cx, cy: h * 0.5, r, fill: p.tones[2] }));
  const lines = 9;
  for (let i = 0; i < lines; i += 1) {
    const t = i / lines;
    const y = h * (0.42 + t * 0.58);
    shapes.push(
      svg("rect", {
        y,
        width: w,
        height: h * (0.012 + t * 0.05),
        fill: p.bright ? p.tones[i % 2] : [p.ground, p.tones[0], p.tones[1]][i % 3],
      }),
    );
  }
  return shapes;
}
