// Makes parts of pictures: SVG elements from data, as `h` of dom.js makes HTML elements.

import { setAttributes } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [attributes] and `text`
 * @param {...(Node | false | null)} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, { text, ...attributes } = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  if (text !== undefined) element.textContent = text;
  for (const child of children) if (child) element.append(child);
  return element;
}
