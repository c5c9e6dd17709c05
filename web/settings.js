/** What to ask for: device, rows, titles in a row; kept in the address, so that it can be shared. */

import { byId } from "./element.js";

export class Settings {
  #form = /** @type {HTMLFormElement} */ (byId("settings"));

  /** @param {() => void} onChange */
  constructor(onChange) {
    const address = new URLSearchParams(location.search);
    for (const field of this.#fields()) {
      const value = address.get(field.name);
      if (value !== null && [...field.options].some((option) => option.value === value)) {
        field.value = value;
      }
      field.addEventListener("change", onChange);
    }
  }

  /** @returns {{device: string, rows: number, entities_per_row: number}} */
  get request() {
    const data = new FormData(this.#form);
    return {
      device: String(data.get("device")),
      rows: Number(data.get("rows")),
      entities_per_row: Number(data.get("entities")),
    };
  }

  /** Whether the page is built anew after an action, without being asked. */
  get auto() {
    return new FormData(this.#form).get("auto") !== null;
  }

  /**
   * Writes the member and what differs from the defaults into the address.
   * @param {string} userId
   */
  remember(userId) {
    const address = new URLSearchParams({ user: userId });
    for (const field of this.#fields()) {
      const [usual] = [...field.options].filter((option) => option.defaultSelected);
      if (field.value !== usual?.value) address.set(field.name, field.value);
    }
    history.replaceState(null, "", `?${address}`);
  }

  /** @returns {HTMLSelectElement[]} */
  #fields() {
    return [...this.#form.querySelectorAll("select")];
  }
}
