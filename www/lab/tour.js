// The tour: the documents of `docs/tour`, each a page at `#/tour/NAME`, and the one on 2013.
// Does not know what they say; `markdown.js` shows them. The documents are in English; what surrounds them need not be.

import { h } from "../dom.js";
import { markdown } from "./markdown.js";

/** In the order in which they are read. */
const PAGES = ["comet", "turn", "cursors", "presence", "timers", "simulator", "measuring", "pitfalls", "exercises",
  "2013"];

const EN = {
  tour_pages: "Pages of the tour",
  tour_comet: "Comet in ten minutes",
  tour_turn: "A turn, and one commit for all",
  tour_cursors: "Cursors, and why nothing is lost",
  tour_presence: "Presence",
  tour_timers: "Timers",
  tour_simulator: "The simulator",
  tour_measuring: "Measuring",
  tour_pitfalls: "Pitfalls, and what answers them",
  tour_exercises: "Exercises",
  tour_2013: "The chat of 2013",
  tour_next: "Next: {page}",
  tour_missing: "This page of the tour could not be loaded.",
};

/** @type {Record<keyof typeof EN, string>} */
const ZH = {
  tour_pages: "导览的各页",
  tour_comet: "十分钟了解 Comet",
  tour_turn: "一轮，以及一次提交",
  tour_cursors: "游标，以及为什么什么都不丢",
  tour_presence: "在线状态",
  tour_timers: "定时器",
  tour_simulator: "模拟器",
  tour_measuring: "测量",
  tour_pitfalls: "常见的坑，以及怎样避开",
  tour_exercises: "练习",
  tour_2013: "2013 年的聊天",
  tour_next: "下一页：{page}",
  tour_missing: "这一页没有加载成功。",
};

/** @type {import("./lab.js").Section} */
export const section = {
  words: { en: EN, zh: ZH },
  mount(root, lab) {
    const name = PAGES.includes(lab.rest[0]) ? lab.rest[0] : PAGES[0];
    const gone = new AbortController();
    const title = (/** @type {string} */ page) => lab.t(`tour_${page}`);
    const nav = h("nav", { class: "tour-nav", "aria-label": lab.t("tour_pages") }, ...PAGES.map((page) =>
      h("a", { href: `#/tour/${page}`, "aria-current": page === name ? "page" : null, text: title(page) })));
    const text = h("article", { class: "tour", lang: "en" });
    root.append(nav, text);
    show();
    return () => gone.abort();

    async function show() {
      try {
        const response = await fetch(lab.url(`lab/docs/${name}.md`), { signal: gone.signal });
        if (!response.ok) throw response;
        text.replaceChildren(...markdown(lowered(await response.text()), link), ...next());
        const place = lab.rest[1] && document.getElementById(lab.rest[1]);
        if (place) place.scrollIntoView();
      } catch {
        if (gone.signal.aborted) return;
        text.replaceChildren(h("p", { class: "error", role: "alert", text: lab.t("tour_missing") }));
      }
    }

    function next() {
      const page = PAGES[PAGES.indexOf(name) + 1];
      return page ? [h("p", { class: "tour-next", lang: document.documentElement.lang },
        h("a", { href: `#/tour/${page}`, text: lab.t("tour_next", { page: title(page) }) }))] : [];
    }

    /** Other pages of the tour are here; sources are in the repository. @type {import("./markdown.js").Link} */
    function link(href) {
      if (/^https:\/\//.test(href)) return href;
      const [path, place] = href.split("#");
      const page = path === "" ? name : /^(?:\.\.\/|tour\/)?([\w-]+)\.md$/.exec(path)?.[1] ?? "";
      return PAGES.includes(page) ? `#/tour/${page}${place ? `/${place}` : ""}` : null;
    }
  },
};

/** The page has its one `h1` already. @param {string} text */
const lowered = (text) => text.replace(/^(#+ )/gm, (marks, all, at) => (inCode(text, at) ? all : `#${marks}`));

/** Whether a place lies in fenced code. @param {string} text @param {number} at */
const inCode = (text, at) => (text.slice(0, at).match(/^```/gm) ?? []).length % 2 === 1;
