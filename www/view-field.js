// Makes the parts of forms: a labelled box with room for what is wrong with it, a choice of a few,
// a button that asks twice, a dialog.
// Does not know what they are about.

import { button, h, setAttributes, setText } from "./dom.js";
import { explain, t } from "./i18n.js";
import { iconButton } from "./view-people.js";

/** So many were made: forms may ask for the same at once. */
let made = 0;

/** A labelled text box with room for an error. @param {string} name @param {string} label
 * @param {Record<string, any>} attributes @param {string} hint */
export function field(name, label, { value = "", ...attributes }, hint = "") {
  const id = `${name}-${++made}`;
  const input = h("input", { id, name, type: "text", dir: "auto", ...attributes, prop: { value },
    "aria-describedby": `${id}-error ${id}-hint` });
  const error = h("p", { class: "error", id: `${id}-error`, role: "alert" });
  const box = h("div", { class: "input" }, input);
  const element = h("div", { class: "field" }, h("label", { for: id, text: label }), box, error,
    hint && h("p", { class: "hint", id: `${id}-hint`, text: hint }));
  /** @param {string} text */
  const complain = (text) => {
    setText(error, text);
    setAttributes(input, { "aria-invalid": text ? "true" : null });
    if (text) input.focus();
  };
  return { element, box, input, complain };
}

/** One of a few, all in sight. @param {string} label @param {string} name @param {string} current
 * @param {string[][]} options value and text of each @param {(value: string) => void} onChange */
export function choice(label, name, current, options, onChange) {
  return h("fieldset", { class: "choice" }, h("legend", { text: label }),
    h("div", {}, ...options.map(([value, text]) => h("label", {},
      h("input", { type: "radio", name, value, prop: { checked: value === current },
        on: { change: () => onChange(value) } }), h("span", { text })))));
}

/** A box to be ticked. @param {string} id @param {string | Node} label @param {boolean} checked
 * @param {(checked: boolean, box: HTMLInputElement) => void} onChange */
export function tick(id, label, checked, onChange) {
  const box = h("input", { type: "checkbox", id, prop: { checked }, on: { change: () => onChange(box.checked, box) } });
  return h("label", { class: "check", for: id }, box, label);
}

/**
 * A form with one button, which shows that work is under way; what goes wrong stands under the field it is about.
 * @param {object} options
 * @param {string} options.submit the button's text
 * @param {string} [options.style] of the button
 * @param {Record<string, ReturnType<typeof field>>} options.fields by the names that the server has for them
 * @param {() => Promise<string | void>} options.onSubmit gives what to say when it is done
 * @param {(string | Node)[]} [options.below] what stands between the fields and the button
 * @param {string} [options.user] whose password is asked for, for whoever fills in passwords
 */
export function form({ submit, style = "primary", fields, onSubmit, below = [], user }) {
  const result = h("p", { class: "hint", role: "status" });
  const submitButton = h("button", { type: "submit", class: style, text: submit });
  const all = Object.values(fields);

  /** @param {Event} event */
  async function run(event) {
    event.preventDefault();
    setText(result, "");
    const empty = all.filter(({ input }) => !input.value.trim());
    for (const each of all) each.complain(empty.includes(each) ? t("error_empty") : "");
    if (empty.length) return empty[0].input.focus();
    submitButton.disabled = true;
    try {
      setText(result, await onSubmit() ?? "");
    } catch (error) {
      const problem = /** @type {import("./api.js").ApiError} */ (error);
      const about = problem.code === "wrong_password" || problem.code === "rate_limited" ? "password" : problem.field;
      const place = fields[about];
      if (place) place.complain(explain(problem));
      else setText(result, explain(problem));
    }
    submitButton.disabled = false;
  }

  return h("form", { class: "form", novalidate: true, on: { submit: run } },
    user && h("input", { type: "text", autocomplete: "username", hidden: true, prop: { value: user } }),
    ...all.map(({ element }) => element), ...below, h("div", { class: "buttons" }, submitButton, result));
}

/** A button that asks once more before it happens.
 * @param {import("./i18n.js").Word} word @param {string} question @param {() => Promise<any>} act */
export function twice(word, question, act) {
  const ask = button("danger", t(word), () => {
    place.replaceChildren(h("p", { text: question }), h("div", { class: "buttons" }, sure, cancel));
    cancel.focus();
  });
  const sure = button("danger", t(word), act);
  const cancel = button("secondary", t("cancel"), () => {
    place.replaceChildren(ask);
    ask.focus();
  });
  const place = h("div", { class: "twice" }, ask);
  return place;
}

/** Opens a dialog over the page; it is gone when it is closed.
 * @param {string} title @param {...(Node | string)} content @returns {HTMLDialogElement} */
export function openDialog(title, ...content) {
  const id = "dialog-title";
  const head = h("header", {}, h("h2", { id, text: title }),
    iconButton("close", t("close"), { on: { click: () => element.close() } }));
  const element = h("dialog", { class: "dialog", "aria-labelledby": id, on: {
    close: () => element.remove(),
    /** A press beside it closes it. @param {Event} event */
    pointerdown: (event) => event.target === element && element.close(),
  } }, h("div", { class: "dialog-body" }, head, ...content));
  document.body.append(element);
  element.showModal();
  return element;
}
