/**
 * What a genre looks like: its colours, its motifs, its letters.
 */

import { cubes, pitch, record, signal, sprite, waveform } from "./emblem.js";
import {
  arches,
  bands,
  blinds,
  contours,
  fields,
  orbs,
  petals,
  scales,
  shards,
  stripes,
  sunburst,
  tiles,
  vortex,
} from "./pattern.js";
import { dunes, horizon, meadow, planets, ridges, skyline, woods } from "./scenery.js";

/** @typedef {import("./scenery.js").Motif} Motif */
/** @typedef {"condensed" | "serif" | "sans" | "mono"} Face */

/**
 * @typedef {object} Look
 * @property {string} mood a palette's name
 * @property {Motif[]} motifs
 * @property {Face[]} faces
 * @property {number} bright the share of posters on a light ground
 */

/** @type {Record<string, Look>} */
const LOOKS = {
  space: { mood: "space", motifs: [planets, horizon, planets, signal, ridges], faces: ["condensed", "sans", "mono"], bright: 0 },
  myth: { mood: "myth", motifs: [ridges, ridges, planets, scales], faces: ["serif", "serif", "condensed"], bright: 0.1 },
  dread: { mood: "dread", motifs: [woods, woods, shards, skyline, arches], faces: ["condensed", "serif"], bright: 0 },
  tension: { mood: "tension", motifs: [shards, vortex, bands, blinds, skyline], faces: ["condensed", "condensed", "sans"], bright: 0 },
  noir: { mood: "noir", motifs: [blinds, skyline, blinds, bands, stripes], faces: ["serif", "condensed", "sans"], bright: 0 },
  human: { mood: "human", motifs: [fields, arches, orbs, dunes, stripes, scales], faces: ["serif", "serif", "sans", "condensed"], bright: 0.2 },
  heart: { mood: "heart", motifs: [orbs, petals, orbs, arches, dunes], faces: ["serif", "serif", "sans"], bright: 0.35 },
  mirth: { mood: "mirth", motifs: [sunburst, tiles, sunburst, orbs, arches], faces: ["sans", "condensed", "sans"], bright: 0.6 },
  force: { mood: "force", motifs: [bands, shards, bands, skyline, sunburst], faces: ["condensed"], bright: 0.05 },
  journey: { mood: "journey", motifs: [ridges, dunes, contours, ridges], faces: ["condensed", "sans", "serif"], bright: 0.1 },
  frontier: { mood: "frontier", motifs: [dunes, ridges, dunes, sunburst], faces: ["serif", "condensed"], bright: 0.1 },
  world: { mood: "world", motifs: [contours, contours, fields, signal, stripes], faces: ["sans", "serif", "mono"], bright: 0.3 },
  play: { mood: "play", motifs: [meadow, tiles, sunburst, orbs, petals, arches], faces: ["sans", "sans", "condensed"], bright: 0.6 },
  sound: { mood: "sound", motifs: [waveform, record, waveform, petals], faces: ["sans", "condensed", "serif"], bright: 0.15 },
  past: { mood: "past", motifs: [arches, stripes, sunburst, ridges, stripes], faces: ["serif", "condensed"], bright: 0.2 },
  arena: { mood: "arena", motifs: [pitch, bands, pitch, signal], faces: ["condensed", "sans"], bright: 0 },
  arcade: { mood: "arcade", motifs: [sprite, cubes, sprite, horizon], faces: ["mono", "condensed", "sans"], bright: 0 },
};

/**
 * Which look a genre's name asks for; the most telling genres first, since a title has several.
 * @type {[RegExp, string][]}
 */
const TELLING = [
  [/horror|zombie|vampire|slasher/, "dread"],
  [/sci|space|cyber|future/, "space"],
  [/western|cowboy/, "frontier"],
  [/noir/, "noir"],
  [/animat|cartoon|anime/, "play"],
  [/music|musical|concert|dance/, "sound"],
  [/sport|football|racing|boxing|basket|soccer|tennis/, "arena"],
  [/fantasy|myth|magic|fairy/, "myth"],
  [/document|nature|biograph|news|travel|food|science|reality|lifestyle|talk/, "world"],
  [/histor|war|period|military/, "past"],
  [/romance|romantic|love/, "heart"],
  [/crime|mystery|detective|heist/, "noir"],
  [/action|martial|superhero|spy/, "force"],
  [/adventure|survival|quest/, "journey"],
  [/thriller|suspense|psycholog/, "tension"],
  [/family|kid|child/, "play"],
  [/comed|sitcom|stand-?up|satire|humou?r/, "mirth"],
  [/puzzle|arcade|strategy|simulation|platform|rpg|role|card|game/, "arcade"],
  [/drama|short|indie|coming/, "human"],
];

/**
 * The look of an entity by its kind and genres. Among the genres that say something, the most
 * telling one leads; a title of no genre takes one that its seed picks.
 * @param {string} kind
 * @param {readonly string[]} genres
 * @param {import("./seed.js").Seed} seed
 * @returns {Look}
 */
export function lookOf(kind, genres, seed) {
  if (kind === "game") return LOOKS.arcade;
  const words = genres.join(" ").toLowerCase();
  const found = TELLING.filter(([pattern]) => pattern.test(words)).map(([, name]) => name);
  if (kind === "live" && !found.includes("sound")) return LOOKS.arena;
  if (found.length === 0) return LOOKS[seed.pick(Object.keys(LOOKS))];
  // Mostly the most telling genre, sometimes the second: a romantic comedy is not always pink.
  return LOOKS[found[seed.unit() < 0.7 ? 0 : Math.min(1, found.length - 1)]];
}
