// Shows a text in Markdown as elements: as much of it as our own documents use.
//
// Blocks: headings, paragraphs, lists (of one level), tables, fenced code, quotes, <details> with
// its <summary>. Within a line: `code`, **strong**, *emphasis*, [links](where). Everything else is
// text: there is no way in for markup, and a link goes where `link` says, or nowhere.

import { h } from "../dom.js";

/** @typedef {(href: string) => string | null} Link where a link of the document leads here; null: it is only text */

/** @param {string} text @param {Link} link @returns {HTMLElement[]} */
export function markdown(text, link) {
  const lines = text.split("\n");
  let at = 0;
  /** Takes lines as long as they are of a kind. @param {(line: string) => unknown} is */
  function take(is) {
    const from = at;
    while (at < lines.length && is(lines[at])) at++;
    return lines.slice(from, at);
  }
  const inline = (/** @type {string} */ line) => spans(line, link);

  /** @returns {HTMLElement | null} */
  function block() {
    const line = lines[at];
    if (line.startsWith("```")) {
      at++;
      const code = take((it) => !it.startsWith("```"));
      at++;
      return h("pre", { class: "code", tabindex: 0 }, h("code", { text: code.join("\n") }));
    }
    const heading = /^(#{1,4}) (.*)$/.exec(line);
    if (heading) {
      at++;
      const tag = /** @type {"h1"} */ (`h${heading[1].length}`);
      return h(tag, { id: anchor(heading[2]) }, ...inline(heading[2]));
    }
    if (line === "<details>") return details();
    if (line.startsWith("|")) return table(take((it) => it.startsWith("|")));
    if (line.startsWith("> ")) {
      const quoted = take((it) => it.startsWith(">")).map((it) => it.slice(2));
      return h("blockquote", {}, ...markdown(quoted.join("\n"), link));
    }
    if (/^(- |\d+\. )/.test(line)) return list(take((it) => /^(- |\d+\. | {2,}\S)/.test(it)));
    return h("p", {}, ...inline(take(isText).join(" ")));
  }

  function details() {
    at++;
    const [summary] = take((it) => it.startsWith("<summary>"));
    const inside = take((it) => it !== "</details>");
    at++;
    const title = (summary ?? "").replace(/<\/?summary>/g, "");
    return h("details", {}, h("summary", {}, ...inline(title)), ...markdown(inside.join("\n"), link));
  }

  /** @param {string[]} rows */
  function table(rows) {
    const [head, , ...body] = rows.map((row) => row.slice(1).replace(/\|\s*$/, "").split(" | "));
    const cells = (/** @type {"th" | "td"} */ tag, /** @type {string[]} */ row) =>
      h("tr", {}, ...row.map((cell) => h(tag, {}, ...inline(cell.trim()))));
    return h("div", { class: "wide", tabindex: 0, role: "group" }, h("table", { class: "data" },
      h("thead", {}, cells("th", head)), h("tbody", {}, ...body.map((row) => cells("td", row)))));
  }

  /** @param {string[]} rows */
  function list(rows) {
    const numbered = /^\d/.test(rows[0]);
    const items = rows.reduce((/** @type {string[]} */ all, row) => {
      const item = /^(?:- |\d+\. )(.*)$/.exec(row);
      if (item) all.push(item[1]);
      else all[all.length - 1] += ` ${row.trim()}`;
      return all;
    }, []);
    return h(numbered ? "ol" : "ul", {}, ...items.map((item) => h("li", {}, ...inline(item))));
  }

  const blocks = [];
  while (at < lines.length) {
    if (lines[at].trim() === "") at++;
    else blocks.push(/** @type {HTMLElement} */ (block()));
  }
  return blocks;
}

/** What goes on in a paragraph. @param {string} line */
const isText = (line) => line.trim() !== "" && !/^(#{1,4} |```|\||> |- |\d+\. |<\/?details>)/.test(line);

/** The name by which links within a document find a heading, as on the usual sites. @param {string} heading */
const anchor = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");

const SPAN = /`([^`]+)`|\*\*(.+?)\*\*|\*([^\s*](?:[^*]*[^\s*])?)\*|\[((?:[^[\]`]|`[^`]*`)+)\]\(([^()\s]+)\)/;

/** @param {string} text @param {Link} link @returns {(Node | string)[]} */
function spans(text, link) {
  const found = SPAN.exec(text);
  if (!found) return [text];
  const [whole, code, strong, emphasis, label, href] = found;
  const before = text.slice(0, found.index);
  const behind = spans(text.slice(found.index + whole.length), link);
  return [before, span(), ...behind];

  function span() {
    if (code) return h("code", { text: code });
    if (strong) return h("strong", {}, ...spans(strong, link));
    if (emphasis) return h("em", {}, ...spans(emphasis, link));
    const to = link(href);
    return to ? h("a", { href: to }, ...spans(label, link)) : h("span", {}, ...spans(label, link));
  }
}
