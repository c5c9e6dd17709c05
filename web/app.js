/** The homepage: brings the parts together. State lives here and nowhere else. */

import { Announcer } from "./announce.js";
import { Clock } from "./clock.js";
import { Details } from "./details.js";
import { byId } from "./element.js";
import { Hero } from "./hero.js";
import { Inspector } from "./inspector.js";
import { arrows } from "./keyboard.js";
import { MemberPicker } from "./member.js";
import { Notices } from "./notice.js";
import { change, Page } from "./page.js";
import { Problem } from "./problem.js";
import { Rows } from "./rows.js";
import { Server } from "./server.js";
import { Settings } from "./settings.js";
import { lasting, pause } from "./stream.js";
import { Timing } from "./timing.js";
import { Versions } from "./versions.js";
import { counted, sentence, titleOf } from "./words.js";

/** @typedef {import("./page.js").PageRow} PageRow */
/** @typedef {import("./details.js").Place} Place */

const MEMBERS = 48;
const MOST_WAITS = 3;
const A_FILM_S = 5400;

class Homepage {
  #server = new Server();
  #notices = new Notices();
  #announcer = new Announcer(byId("announcer"));
  #timing = new Timing();
  #versions = new Versions();
  #clock = new Clock(null);
  #rows = new Rows(byId("rows"), (row, column) => this.#details.open({ row, column }));
  #settings = new Settings(() => this.#build());
  #hero = new Hero({
    play: (row) => this.#playFirst(row),
    list: (row) => this.#actOnFirst("add_to_list", row),
    open: (row) => this.#details.open({ row, column: 0 }),
  });
  #inspector = new Inspector(this.#server, () => this.#clock.now());
  #details = new Details({
    act: (action, place, seconds) => this.#act(action, place, seconds),
    whole: (id) => this.#whole(id),
    isListed: (id) => this.#inspector.isListed(id),
    onClosed: (acted) => this.#closed(acted),
  });
  #picker = new MemberPicker(
    () => this.#server.members(MEMBERS),
    () => this.#clock.now(),
    (userId) => this.#watch(userId),
  );

  #userId = "";
  #page = new Page();
  /** The page that the member saw before this one. @type {Page | null} */
  #before = null;
  /** Events on this page that no continuation has told yet. @type {object[]} */
  #engagements = [];
  #loading = new AbortController();
  /** Whether the server tells why rows are there. */
  #explains = false;
  #running = false;
  #scrolled = false;

  async start() {
    arrows(byId("main"));
    byId("refresh").addEventListener("click", () => this.#build());
    byId("more").addEventListener("click", () => this.#more());
    addEventListener("scroll", () => this.#nearEnd(), { passive: true });
    try {
      const { clock, console: explains } = await this.#server.version();
      this.#clock = new Clock(clock ?? null);
      this.#explains = explains;
    } catch {
      // Without the data's clock the world's will do; a server that is away says so below.
    }
    const userId = new URLSearchParams(location.search).get("user");
    if (userId) this.#watch(userId);
    else this.#picker.open();
  }

  /** @param {string} userId */
  #watch(userId) {
    this.#abandon();
    this.#userId = userId;
    this.#page = new Page();
    document.title = `${userId} · GenPage`;
    this.#picker.show(userId);
    this.#rows.clear();
    this.#hero.wait();
    this.#inspector.watch(userId, this.#clock);
    this.#build();
  }

  /** Builds the page anew and shows what became of the one before. */
  async #build() {
    if (this.#userId === "") return;
    this.#abandon();
    this.#settings.remember(this.#userId);
    this.#before = this.#page.rows.length > 0 ? this.#page : null;
    this.#page = new Page();
    this.#engagements = [];
    this.#rows.expect(0, this.#settings.request.rows);
    if (this.#before === null) this.#hero.wait();
    await this.#receive(this.#page, {}, () => this.#build());
  }

  /** Goes on below: the rows shown and what was done on them are part of the prompt. */
  async #more() {
    if (this.#running || this.#page.exhausted || this.#page.id === "") return;
    const told = this.#engagements;
    this.#engagements = [];
    this.#rows.expect(this.#page.rows.length, this.#settings.request.rows);
    const body = { continue_from: this.#page.id, engagements: told };
    const done = await this.#receive(this.#page, body, () => this.#build());
    if (!done) this.#engagements.unshift(...told);
  }

  /**
   * @param {Page} page
   * @param {object} body beyond member and settings
   * @param {() => void} again what "Try again" does
   * @returns {Promise<boolean>} whether the page came to its end
   */
  async #receive(page, body, again) {
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#setRunning(true);
    this.#notices.clear();
    this.#timing.start();
    try {
      const request = {
        user_id: this.#userId,
        ...this.#settings.request,
        ...(this.#clock.shifted ? { at: new Date(this.#clock.now() * 1000).toISOString() } : {}),
        ...body,
      };
      const stream = lasting((lastId) => this.#open(request, lastId, signal), {
        signal,
        isLast: ({ event }) => event === "page.end" || event === "error",
        onBroken: () => this.#notices.pass("The connection broke. Going on where it stopped…"),
      });
      for await (const { event, data } of stream) {
        this.#take(event, JSON.parse(data), page);
      }
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      this.#timing.stop();
      this.#rows.trim(page.rows.length);
      if (page.rows.length === 0) this.#hero.hide();
      this.#notices.fail(error, {
        again,
        useKey: (key) => {
          this.#server.useKey(key);
          this.#watch(this.#userId);
        },
      });
      return false;
    } finally {
      if (this.#loading.signal === signal) this.#setRunning(false);
    }
  }

  /**
   * Opens the stream; a full server is asked again after the time that it names.
   * @param {object} request
   * @param {string} lastId
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   */
  async #open(request, lastId, signal) {
    for (let waits = 0; ; waits += 1) {
      try {
        return await this.#server.openPage(request, lastId, signal);
      } catch (error) {
        const full = error instanceof Problem && error.status === 429;
        if (!full || waits >= MOST_WAITS) throw error;
        const seconds = error.retryAfter ?? 1;
        this.#notices.pass(`Every seat is taken. Asking again in ${seconds} s…`);
        await pause(seconds * 1000, signal);
      }
    }
  }

  /**
   * @param {string} event
   * @param {any} document as PROTOCOLS has it for this event
   * @param {Page} page
   */
  #take(event, document, page) {
    if (event === "page.start") {
      page.id = document.page_id;
      this.#versions.show(document);
      this.#introduce(document);
      this.#inspector.pageStarted(document.context.known);
    } else if (event === "row") {
      const place = page.rows.length;
      const row = { ...document, pageId: page.id, place, atMs: document.timing.at_ms };
      page.rows.push(row);
      this.#timing.row(row.atMs);
      this.#rows.put(row, change(row, this.#before));
      if (place === 0) this.#hero.show(row, this.#whole(row.entities[0].id));
      this.#announcer.say(`${titleOf(row.row)}, ${counted(row.entities.length, "title")}`);
    } else if (event === "page.end") {
      this.#finish(document, page);
    } else if (event === "error") {
      throw new Problem(document);
    }
  }

  /** @param {{user_id: string, context: {known: boolean}, degraded: string[]}} start */
  #introduce({ user_id: userId, context, degraded }) {
    if (!context.known) {
      this.#notices.note(
        `Nobody knows “${userId}” yet.`,
        "This page is made of the request alone. Play something, and the next one will know.",
      );
    }
    if (degraded.length > 0) {
      this.#notices.note("Some parts are away.", `Made without: ${degraded.join(", ")}.`);
    }
  }

  /**
   * @param {import("./timing.js").PageEnd} end
   * @param {Page} page
   */
  #finish(end, page) {
    page.exhausted = end.finish_reason === "exhausted" || end.rows === 0;
    this.#timing.finish(end);
    this.#rows.trim(page.rows.length);
    if (page.rows.length === 0) {
      this.#hero.hide();
      this.#notices.note("Nothing to show.", "The rules leave no title for this member here.");
    }
    if (end.finish_reason === "deadline") {
      this.#notices.note("Cut short.", "The deadline came before the last row.");
    } else if (end.finish_reason === "draining") {
      this.#notices.note("Cut short.", "The server is shutting down.");
    }
    if (this.#before !== null && page.rows.length === end.rows) {
      const news = this.#news(page, this.#before);
      this.#notices.pass(news);
      this.#announcer.say(news);
    }
    this.#announcer.say(
      `${counted(page.rows.length, "row")} in ${Math.round(end.timing.total_ms)} milliseconds`,
    );
    this.#inspector.pageChanged(page.id);
    if (this.#explains) this.#explain(page, page.id);
  }

  /**
   * @param {Page} page
   * @param {string} id of the part whose rows have just come
   */
  async #explain(page, id) {
    try {
      const { rows } = await this.#server.why(id);
      if (page !== this.#page) return;
      for (const row of page.rows) {
        if (row.pageId === id) this.#rows.tell(row, rows[row.index]);
      }
    } catch {
      // The page is there; what is missing is a remark on it.
    }
  }

  /**
   * @param {Page} page
   * @param {Page} before
   * @returns {string} what changed, in words
   */
  #news(page, before) {
    const changes = page.rows.map((row) => change(row, before));
    const titles = new Set(changes.flatMap(({ newEntities }) => [...newEntities])).size;
    const rows = changes.filter(({ newRow }) => newRow).length;
    const moved = changes.filter(({ moved: places }) => places !== 0).length;
    const parts = [];
    if (titles > 0) parts.push(counted(titles, "new title"));
    if (rows > 0) parts.push(counted(rows, "new row"));
    if (moved > 0) parts.push(`${counted(moved, "row")} moved`);
    return parts.length > 0 ? `The page changed: ${parts.join(", ")}.` : "Nothing moved this time.";
  }

  /**
   * @param {string} action
   * @param {Place} place
   * @param {number} [seconds]
   * @returns {Promise<boolean>} whether the server took it
   */
  async #act(action, { row, column }, seconds) {
    const entity = row.entities[column];
    const event = {
      event_id: eventId(),
      user_id: this.#userId,
      entity_id: entity.id,
      action,
      page_id: row.pageId,
      row_id: row.row.id,
      row_pos: row.index,
      col_pos: column,
      ...(seconds === undefined ? {} : { duration_s: seconds }),
      ...(this.#clock.shifted ? { ts: this.#clock.stamp() } : {}),
    };
    try {
      await this.#server.post(event);
    } catch (error) {
      this.#notices.pass(error instanceof Problem ? error.message : "The server did not answer.");
      return false;
    }
    this.#engagements.push(event);
    if (action !== "details") {
      this.#notices.pass(`${sentence({ action, duration_s: seconds }, entity.title)}.`);
      byId("refresh").classList.add("due");
    }
    this.#inspector.historyChanged();
    return true;
  }

  /** @param {PageRow} row */
  async #playFirst(row) {
    const { duration_s: seconds } = (await this.#whole(row.entities[0].id)) ?? {};
    await this.#actOnFirst("play", row, seconds ?? A_FILM_S);
  }

  /**
   * @param {string} action
   * @param {PageRow} row
   * @param {number} [seconds]
   */
  async #actOnFirst(action, row, seconds) {
    this.#closed(await this.#act(action, { row, column: 0 }, seconds));
  }

  /** @param {boolean} acted */
  #closed(acted) {
    if (acted && this.#settings.auto) this.#build();
  }

  /**
   * @param {string} id
   * @returns {Promise<import("./poster.js").Entity | undefined>}
   */
  async #whole(id) {
    return (await this.#server.entities([id])).get(id);
  }

  /** Leaves the page that is still coming, and frees the server of it. */
  #abandon() {
    if (!this.#running) return;
    this.#loading.abort();
    if (this.#page.id !== "") this.#server.stopPage(this.#page.id);
    this.#setRunning(false);
  }

  /** @param {boolean} running */
  #setRunning(running) {
    this.#running = running;
    byId("rows").setAttribute("aria-busy", String(running));
    byId("more").hidden = running || this.#page.exhausted || this.#page.rows.length === 0;
    byId("end").hidden = running || !this.#page.exhausted || this.#page.rows.length === 0;
    if (running) byId("refresh").classList.remove("due");
    this.#scrolled = false;
  }

  /** The next rows come by themselves to somebody who scrolls to the end. */
  #nearEnd() {
    if (this.#running || byId("more").hidden) return;
    const { top } = byId("more").getBoundingClientRect();
    if (top > innerHeight * 1.5) this.#scrolled = true;
    else if (this.#scrolled) this.#more();
  }
}

/** @returns {string} an id for an event; randomUUID is absent where the page came over plain http */
function eventId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

new Homepage().start();
