/** Which model, catalog and context made the page. */

import { byId, element } from "./element.js";

const DIGEST_SHOWN = 12;

export class Versions {
  #list = byId("versions");

  /**
   * @param {{page_id: string, model: {version: string, digest: string}, catalog_version: string,
   *   context: {version: string, known: boolean}}} start
   */
  show({ page_id: pageId, model, catalog_version: catalog, context }) {
    const digest = model.digest.replace(/^sha256:/, "").slice(0, DIGEST_SHOWN);
    const parts = [
      ["model", `${model.version} (${digest})`],
      ["catalog", catalog.slice(0, DIGEST_SHOWN)],
      ["context", context.version],
      ["page", pageId],
    ];
    this.#list.replaceChildren(
      ...parts.map(([name, value]) =>
        element(
          "div",
          {},
          element("dt", { text: name }),
          element("dd", { text: value }),
        ),
      ),
    );
  }
}
