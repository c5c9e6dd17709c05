/** The server's routes, as the homepage uses them. */

import { Problem } from "./problem.js";

/** @typedef {import("./poster.js").Entity} Entity */

/**
 * @typedef {object} Engagement an event, as `POST /v1/events` takes it
 * @property {string} event_id
 * @property {string} user_id
 * @property {string} entity_id
 * @property {string} action
 * @property {number} [ts]
 * @property {number} [duration_s]
 * @property {string} [page_id]
 * @property {string} [row_id]
 * @property {number} [row_pos]
 * @property {number} [col_pos]
 */

/**
 * @typedef {object} Member
 * @property {string} user_id
 * @property {number} events
 * @property {number | null} last_ts
 * @property {{profile_type?: string, country?: string | null, language?: string | null} | null}
 *   profile
 */

/**
 * @typedef {object} HistoryEvent
 * @property {string} entity_id
 * @property {string} action
 * @property {number} ts
 * @property {number | null} [duration_s]
 */

const MOST_IDS = 100;
const KEY = "genpage-key";

export class Server {
  /** @type {Map<string, Entity>} */
  #entities = new Map();

  /** @param {string} key the API key, kept for this tab only */
  useKey(key) {
    sessionStorage.setItem(KEY, key);
  }

  /**
   * Opens a page's stream: a new page, or the rest of one.
   * @param {object} body
   * @param {string} lastId "" for a new page
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   */
  openPage(body, lastId, signal) {
    const headers = { Accept: "text/event-stream" };
    if (lastId === "") return this.#send("/v1/pages", { json: body, headers, signal });
    const pageId = lastId.slice(0, lastId.lastIndexOf(":"));
    return this.#send(`/v1/pages/${encodeURIComponent(pageId)}/events`, {
      headers: { ...headers, "Last-Event-ID": lastId },
      signal,
    });
  }

  /**
   * Tells the server that nobody waits for this page. Its answer does not matter.
   * @param {string} pageId
   */
  stopPage(pageId) {
    this.#send(`/v1/pages/${encodeURIComponent(pageId)}`, { method: "DELETE" }).catch(() => {});
  }

  /**
   * @param {string} pageId
   * @returns {Promise<import("./prompt.js").Prompt>}
   */
  prompt(pageId) {
    return this.#read(`/v1/pages/${encodeURIComponent(pageId)}/prompt`);
  }

  /**
   * @param {string} pageId
   * @returns {Promise<{rows: import("./why.js").Why[]}>} why each of its rows stands there
   */
  why(pageId) {
    return this.#read(`/v1/pages/${encodeURIComponent(pageId)}/why`);
  }

  /** @param {Engagement} event */
  async post(event) {
    await this.#send("/v1/events", { json: event });
  }

  /**
   * @param {string} userId
   * @returns {Promise<{events: HistoryEvent[]} | null>} null for a member nobody knows
   */
  async context(userId) {
    try {
      return await this.#read(`/v1/users/${encodeURIComponent(userId)}/context`);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  }

  /**
   * @param {number} limit
   * @returns {Promise<Member[]>} none where the console is off
   */
  async members(limit) {
    try {
      return (await this.#read(`/v1/users?limit=${limit}`)).users;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return [];
      throw error;
    }
  }

  /**
   * @param {Iterable<string>} ids
   * @returns {Promise<Map<string, Entity>>} those that the catalog knows, among others
   */
  async entities(ids) {
    const missing = [...new Set(ids)].filter((id) => !this.#entities.has(id));
    for (let at = 0; at < missing.length; at += MOST_IDS) {
      const query = new URLSearchParams(
        missing.slice(at, at + MOST_IDS).map((id) => ["id", id]),
      );
      const { entities } = await this.#read(`/v1/entities?${query}`);
      for (const entity of entities) this.#entities.set(entity.id, entity);
    }
    return this.#entities;
  }

  /** @returns {Promise<{version: string, clock: number | null, console: boolean}>} */
  version() {
    return this.#read("/version");
  }

  /**
   * @param {string} path
   * @returns {Promise<any>} the document, as PROTOCOLS has it
   */
  async #read(path) {
    return (await this.#send(path, {})).json();
  }

  /**
   * @param {string} path
   * @param {{json?: object, method?: string, headers?: object, signal?: AbortSignal}} request
   * @returns {Promise<Response>} an ok one; a refusal rejects with a Problem
   */
  async #send(path, { json, method, headers, signal }) {
    const key = sessionStorage.getItem(KEY);
    const response = await fetch(path, {
      method: method ?? (json === undefined ? "GET" : "POST"),
      headers: {
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...(key === null ? {} : { "X-API-Key": key }),
        ...headers,
      },
      body: json === undefined ? undefined : JSON.stringify(json),
      signal,
    });
    if (!response.ok) throw await Problem.from(response);
    return response;
  }
}
