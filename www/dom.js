// Builds and patches the DOM: elements from data, lists by key. All text goes in as text nodes.
// Does not know what it shows, and offers no way to put markup in.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. Props: `class`, `text`, `on` (listeners), `prop` (DOM properties), all else attributes;
 * null, undefined and false leave an attribute away, true sets it empty, but data-* and aria-* say "true", "false".
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  const { on, prop, text, ...attributes } = props;
  if (text !== undefined) element.textContent = text;
  setAttributes(element, attributes);
  for (const type in on) element.addEventListener(type, on[type]);
  if (prop) Object.assign(element, prop);
  for (const child of children) if (child || child === "") element.append(child);
  return element;
}

/** A button with a text, which cannot be pressed again while what it does is under way.
 * @param {string} style @param {string} text @param {() => any} act */
export function button(style, text, act) {
  const element = h("button", { type: "button", class: style, text, on: { click: async () => {
    element.disabled = true;
    await act();
    element.disabled = false;
  } } });
  return element;
}

/** @param {Element} element @param {Record<string, any>} attributes */
export function setAttributes(element, attributes) {
  for (const name in attributes) {
    const given = attributes[name];
    const value = typeof given === "boolean" && name.includes("-") ? String(given) : given;
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
}

/** Touches the DOM only where the text differs. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @typedef {{key: string} & Record<string, any>} Item
 * @type {WeakMap<Element, Map<string, {node: HTMLElement, item: Item}>>}
 */
const lists = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, keeping the node of each key, updating it only where its
 * item's values differ, and leaving the focus where it was.
 * @template {Item} I
 * @param {Element} parent
 * @param {I[]} items
 * @param {(item: I) => HTMLElement} create
 * @param {(node: HTMLElement, item: I) => void} update
 */
export function patchList(parent, items, create, update) {
  const old = lists.get(parent) ?? new Map();
  const next = new Map();
  const keys = new Set(items.map((item) => item.key));
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  for (const [key, { node }] of old) if (!keys.has(key)) node.remove();
  let at = parent.firstChild;
  for (const item of items) {
    const entry = old.get(item.key);
    const node = entry?.node ?? create(item);
    if (!entry || !sameValues(entry.item, item)) update(node, item);
    if (node === at) at = node.nextSibling;
    else parent.insertBefore(node, at);
    next.set(item.key, { node, item });
  }
  lists.set(parent, next);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

/** @param {Item} a @param {Item} b */
const sameValues = (a, b) => Object.keys(b).every((name) => a[name] === b[name]);

/** Outlines on a 24 x 24 grid. @type {Record<string, string>} */
const ICONS = {
  back: "M15 5l-7 7 7 7",
  check: "M5 12.500l4.500 4.500L19 7.500",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 8h11v13H9zM15 8V3H4v13h5",
  delete: "M4 7h16M9 7V4h6v3M6.500 7l1 14h9l1-14M10 11v6M14 11v6",
  double: "M2 12.500l4.500 4.500L16 7.500M11.500 16.500l.500.500L21.500 7.500",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20l1-5L16 4l4 4L9 19zM13.500 6.500l4 4",
  group: "M8.500 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2 20c.500-4 3-6 6.500-6s6 2 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M17.500 14c2.500.500 4 2.500 4.500 6",
  info: "M12 11v5M12 8v.010M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  menu: "M4 7h16M4 12h16M4 17h16",
  person: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2.500 20c.500-4 3-6 6.500-6s6 2 6.500 6M18 8v6M15 11h6",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.500 4.500",
  send: "M4 12l16-8-6 16-3-7z",
  talk: "M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-8l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z",
  warning: "M12 8v5M12 16.500v.010M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  setAttributes(svg, { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
