/**
 * Colours of a poster. A palette is five colours from the deepest to the lightest, chosen by hand;
 * the seed turns its hue a little, so that neighbours of one genre are kin and not twins.
 */

/** @typedef {import("./seed.js").Seed} Seed */

/**
 * @typedef {object} Palette
 * @property {string} ground the background, and what lies behind the title
 * @property {string} shade where the background fades to
 * @property {string[]} tones three colours for shapes, from near the ground to the brightest
 * @property {string} ink the title
 * @property {boolean} bright dark ink on a light ground
 */

/** @type {Record<string, string[][]>} */
const COLOURS = {
  space: [
    ["#0b1026", "#1b2a5c", "#3d5bd9", "#ff6b8b", "#e8efff"],
    ["#071a1f", "#0d3b46", "#129490", "#f2c14e", "#eafff6"],
    ["#140b2e", "#3a1772", "#8d3fd1", "#ff9e4f", "#ffeedd"],
  ],
  myth: [
    ["#10201c", "#1e4d40", "#4fa37f", "#f3d27a", "#fdf6df"],
    ["#1a1633", "#43357a", "#8b6fc9", "#f2b5d4", "#fff3fb"],
    ["#0f1d33", "#22466f", "#5a9bc4", "#f5d08a", "#fdf8ea"],
  ],
  dread: [
    ["#0c0708", "#2a0a10", "#7d0f1c", "#e0342f", "#f7e6dc"],
    ["#0a0d0b", "#17221c", "#39513d", "#a7c36b", "#eef3dc"],
    ["#0d0a14", "#241a33", "#56336e", "#d94f70", "#f6e9f0"],
  ],
  tension: [
    ["#0b1217", "#14303b", "#2d6a78", "#f0803c", "#f4efe6"],
    ["#101011", "#2b2b2f", "#6b6f76", "#f4d35e", "#f5f3ec"],
    ["#0d1020", "#20264d", "#4a5699", "#ef476f", "#f2f2fb"],
  ],
  noir: [
    ["#11100e", "#33291e", "#80613b", "#e6b566", "#faf1dc"],
    ["#0c1416", "#1c3438", "#52777a", "#d9604c", "#f1ece0"],
    ["#0b0b0c", "#242427", "#66676b", "#b9b8b2", "#f4f1e8"],
  ],
  human: [
    ["#1d1320", "#4a2545", "#a14a76", "#f29e7a", "#fdeadb"],
    ["#14212b", "#2c4a5e", "#6a93a8", "#e8c39e", "#faf3ea"],
    ["#241712", "#5a3323", "#b5653a", "#f0b86c", "#fcefdc"],
    ["#16241d", "#345246", "#7c9c82", "#e3c78f", "#f8f3e4"],
    ["#1a1a2e", "#3c3766", "#7a6fb0", "#f0a6a6", "#fbeff1"],
  ],
  heart: [
    ["#3a0f2a", "#8e2657", "#e0568a", "#ffa9a0", "#fff0ea"],
    ["#2d1533", "#6b3575", "#c274b8", "#f9b9c4", "#fff2f4"],
    ["#401a1a", "#93403a", "#e2816a", "#f9c6a0", "#fff4e8"],
  ],
  mirth: [
    ["#2b1a4a", "#5b3fb0", "#ff7a59", "#ffd23f", "#fff8e1"],
    ["#0f3d3e", "#1f8a83", "#ff6f61", "#ffd166", "#fdf6e3"],
    ["#3b1f2b", "#b0365d", "#ff8552", "#ffd6a5", "#fff7ec"],
    ["#12355b", "#2274a5", "#f75c03", "#f1c40f", "#fffbea"],
  ],
  force: [
    ["#12080a", "#4a0f14", "#c1272d", "#ff8c1a", "#fff0d9"],
    ["#0a0f1a", "#16304f", "#2a6fb0", "#ffb000", "#f3f7fb"],
    ["#111112", "#333336", "#8a8a8d", "#ff4d00", "#f7f3ee"],
  ],
  journey: [
    ["#10232a", "#1f5560", "#38a3a5", "#f6ae2d", "#fdf5e0"],
    ["#2a1a0e", "#6b3e1d", "#c97b3a", "#f4c95d", "#fdf3dc"],
    ["#0f2417", "#27593a", "#5fa35f", "#f0d264", "#f9f6df"],
  ],
  frontier: [
    ["#2b130c", "#7a3417", "#cf6a2b", "#f4b860", "#fdf0d5"],
    ["#231a1a", "#5e3b33", "#a9694a", "#e6c08a", "#faf0df"],
  ],
  world: [
    ["#10201f", "#21514f", "#4f908a", "#c9dc9a", "#f5f8e8"],
    ["#1c1c1d", "#414243", "#87888a", "#e0c34f", "#f6f4ed"],
    ["#0f1f33", "#2a5078", "#6b9ac4", "#eec584", "#f6f2e9"],
  ],
  play: [
    ["#132a4e", "#2d6cdf", "#35c2c1", "#ffcf3f", "#fffbe8"],
    ["#3a1550", "#8a3fc9", "#ff6fae", "#ffd36e", "#fff5fb"],
    ["#0d3b2e", "#1f9d6b", "#8fd14f", "#ffb33f", "#fbffe9"],
  ],
  sound: [
    ["#160f29", "#4b1d6f", "#c2378f", "#ff9a3c", "#fff1e0"],
    ["#0c1b2a", "#164e70", "#1fb5c9", "#f25f8e", "#f0fbff"],
  ],
  past: [
    ["#1a1b14", "#40422c", "#84845a", "#d8b56a", "#f5efdb"],
    ["#231512", "#57302a", "#9a5b45", "#dba57a", "#f8ecdd"],
    ["#14202a", "#34495a", "#70889a", "#d5b483", "#f3eee3"],
  ],
  arena: [
    ["#062317", "#0d5c3a", "#1fa463", "#e8f25a", "#f6ffe9"],
    ["#081a33", "#0f4c9c", "#2f8ef4", "#ff5a36", "#f1f7ff"],
    ["#2a0d12", "#8c1c2c", "#e63946", "#ffd166", "#fff3ea"],
  ],
  arcade: [
    ["#0b0f1f", "#25235e", "#6a3df5", "#27f5c4", "#eefcff"],
    ["#120a1f", "#4b1160", "#e02f8a", "#ffd02f", "#fff2fa"],
    ["#071b16", "#0e4d3c", "#16b887", "#ff7847", "#eafff5"],
  ],
};

/**
 * @param {string} mood a key of COLOURS
 * @param {Seed} seed
 * @param {boolean} bright whether the ground is the light end
 * @param {number} fade 0..1: how far colours lose their saturation (old titles)
 * @returns {Palette}
 */
export function palette(mood, seed, bright, fade) {
  const turn = seed.between(-14, 14);
  const [deepest, deep, middle, vivid, lightest] = seed
    .pick(COLOURS[mood])
    .map((colour) => adjusted(colour, turn, 1 - fade));
  return bright
    ? { ground: lightest, shade: vivid, tones: [vivid, middle, deep], ink: deepest, bright }
    : { ground: deepest, shade: deep, tones: [deep, middle, vivid], ink: lightest, bright };
}

/**
 * @param {string} colour `#rrggbb`
 * @param {number} turn degrees of hue
 * @param {number} saturation factor
 * @returns {string} an `hsl()` colour
 */
function adjusted(colour, turn, saturation) {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  const high = Math.max(r, g, b);
  const low = Math.min(r, g, b);
  const light = (high + low) / 2;
  const spread = high - low;
  let hue = 0;
  let sat = 0;
  if (spread > 0) {
    sat = spread / (1 - Math.abs(2 * light - 1));
    if (high === r) hue = ((g - b) / spread) % 6;
    else if (high === g) hue = (b - r) / spread + 2;
    else hue = (r - g) / spread + 4;
  }
  const turned = (hue * 60 + turn + 360) % 360;
  return `hsl(${Math.round(turned)} ${Math.round(sat * saturation * 100)}% ${Math.round(light * 100)}%)`;
}
