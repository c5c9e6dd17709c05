/** Who is watching: the known members, and anybody else by name. */

import { avatar } from "./avatar.js";
import { byId, element } from "./element.js";
import { ago, counted } from "./words.js";

/** @typedef {import("./server.js").Member} Member */

export class MemberPicker {
  #dialog = /** @type {HTMLDialogElement} */ (byId("members"));
  #button = byId("member");
  #list = byId("member-list");
  #input = /** @type {HTMLInputElement} */ (byId("member-name"));

  /**
   * @param {() => Promise<Member[]>} load
   * @param {() => number} now
   * @param {(userId: string) => void} onPick
   */
  constructor(load, now, onPick) {
    this.load = load;
    this.now = now;
    this.onPick = onPick;
    this.#button.addEventListener("click", () => this.open());
    byId("member-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.#input.value.trim();
      if (name !== "") this.#pick(name);
    });
  }

  /** Opens at once; the members come when they are there. */
  async open() {
    this.#dialog.showModal();
    try {
      const members = await this.load();
      this.#list.replaceChildren(...members.map((member) => this.#choice(member)));
      byId("member-hint").textContent =
        members.length > 0
          ? "The members with the longest histories. Or anybody:"
          : "This server does not list its members. Type a name; anybody gets a page.";
      if (this.#input.value === "") {
        const first = this.#list.querySelector("button");
        (first ?? this.#input).focus();
      }
    } catch {
      byId("member-hint").textContent = "The list of members did not come. Type a name.";
    }
  }

  /** @param {string} userId */
  show(userId) {
    this.#button.replaceChildren(
      avatar(userId),
      element("span", { class: "name", text: userId }),
    );
    this.#button.setAttribute("aria-label", `Watching: ${userId}. Change member`);
  }

  /** @param {string} userId */
  #pick(userId) {
    this.#dialog.close();
    this.#input.value = "";
    this.onPick(userId);
  }

  /**
   * @param {Member} member
   * @returns {HTMLLIElement}
   */
  #choice(member) {
    const kind = member.profile?.profile_type ?? "adult";
    const about = [
      kind === "adult" ? "" : kind,
      member.profile?.country ?? "",
      member.last_ts === null ? "" : ago(member.last_ts, this.now()),
    ].filter(Boolean);
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", on: { click: () => this.#pick(member.user_id) } },
        avatar(member.user_id),
        element("span", { class: "name", text: member.user_id }),
        element("span", { class: "about", text: counted(member.events, "event") }),
        element("span", { class: "about", text: about.join(" · ") }),
      ),
    );
  }
}
