// The tour in the lab: its pages are there, lead to each other, and are shown as text.

import assert from "node:assert/strict";
import { check } from "./axe.mjs";
import { newContext, pair, test } from "./page.mjs";
import { BASE } from "./support.mjs";

async function openTour(context, place = "") {
  const { a } = await pair("Reader", "Writer");
  const page = await context.newPage();
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), a.token);
  await page.goto(`${BASE}/lab/#/tour${place}`);
  await page.getByRole("article").getByRole("heading").first().waitFor();
  return page;
}

test("one reads from page to page, and every link within the tour leads somewhere", async () => {
  const page = await openTour(await newContext());
  const article = page.getByRole("article");
  await article.getByRole("heading", { name: "Comet in ten minutes" }).waitFor();
  const names = await page.getByRole("navigation", { name: "Pages of the tour" }).getByRole("link")
    .evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  assert.ok(names.length >= 10);
  const linked = new Set();
  for (const [at, name] of names.entries()) {
    if (at > 0) {
      await article.getByRole("link", { name: /^Next: / }).click();
      await page.waitForURL((url) => url.hash === name);
    }
    await page.getByRole("link", { current: "page" }).last().waitFor();
    await article.getByRole("heading").first().waitFor();
    assert.equal(await article.getByText("could not be loaded").count(), 0, name);
    const said = await article.locator(":scope > :not(pre, details)").allInnerTexts();
    assert.doesNotMatch(said.join("\n"), /\]\(|\*\*|^#|^\| /m, `${name}: nothing is left of the marks`);
    for (const href of await article.getByRole("link").evaluateAll((links) => links.map((link) => link.getAttribute("href")))) linked.add(href);
  }
  for (const href of linked) assert.ok(names.includes(href.replace(/^(#\/tour\/[\w-]+)\/.*/, "$1")) || href.startsWith("https://"), href);
});

test("the answers of the exercises are folded until one wants them", async () => {
  const page = await openTour(await newContext(), "/exercises");
  const answer = page.getByText("lost-wake-up");
  assert.equal(await answer.isVisible(), false);
  await page.getByText("The answer", { exact: true }).first().click();
  await answer.waitFor();
});

test("what stands in a document is text, whatever it looks like", async () => {
  const page = await openTour(await newContext());
  const found = await page.evaluate(async (base) => {
    const { markdown } = await import(`${base}/lab/markdown.js`);
    const place = document.createElement("div");
    const show = (text) => {
      place.replaceChildren(...markdown(text, (href) => (href.startsWith("https://") ? href : null)));
      // What is there, in words: to be compared, and never to be put anywhere.
      return new XMLSerializer().serializeToString(place).replaceAll(' xmlns="http://www.w3.org/1999/xhtml"', "").slice(5, -6);
    };
    return {
      markup: show("<img src=x onerror=alert(1)> **a <b>** [x](javascript:alert(1)) [y](https://e.example/)"),
      blocks: show("# A `b`\n\nc\nd\n\n- e\n  f\n- g\n\n1. h\n\n```sh\n# <i>\n```\n\n> q\n\n| a | b |\n|---|---|\n| `c | d` | *e* |"),
      open: show("a * b * c, `x`y** and [z] (w)\n```\nnever closed"),
    };
  }, BASE);
  assert.equal(found.markup, "<p>&lt;img src=x onerror=alert(1)&gt; <strong>a &lt;b&gt;</strong> "
    + "[x](javascript:alert(1)) <a href=\"https://e.example/\">y</a></p>");
  assert.match(found.blocks, /^<h1 id="a-b">A <code>b<\/code><\/h1><p>c d<\/p><ul><li>e f<\/li><li>g<\/li><\/ul><ol><li>h<\/li><\/ol><pre class="code" tabindex="0"><code># &lt;i&gt;<\/code><\/pre><blockquote><p>q<\/p><\/blockquote>/);
  assert.match(found.blocks, /<td><em>e<\/em><\/td>/);
  assert.equal(found.open, "<p>a * b * c, <code>x</code>y** and [z] (w)</p><pre class=\"code\" tabindex=\"0\"><code>never closed</code></pre>");
});

for (const [colorScheme, viewport] of [["light", { width: 1280, height: 800 }], ["dark", { width: 390, height: 780 }]]) {
  test(`axe-core finds nothing serious in the tour (${colorScheme}, ${viewport.width} px)`, async () => {
    const page = await openTour(await newContext({ colorScheme, viewport }), "/pitfalls");
    await check(page, "the pitfalls");
    assert.equal(await page.locator("main").evaluate((it) => it.scrollWidth <= it.clientWidth), true, "nothing scrolls sideways but tables");
    await page.goto(`${BASE}/lab/#/tour/exercises`);
    await page.getByText("The answer", { exact: true }).first().click();
    await check(page, "the exercises");
  });
}
