// The lab: its frame, and what its sections show of the server under test.

import assert from "node:assert/strict";
import { newContext, openAs, pair, test } from "./page.mjs";
import { BASE } from "./support.mjs";

/** The lab in a tab of somebody who is signed in already. */
async function openLab(context, who, section = "") {
  const page = await context.newPage();
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.goto(`${BASE}/lab/#/${section}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

test("the settings lead to the lab, in the same session, and the chat has loaded nothing of it", async () => {
  const { a } = await pair("Lead", "Led");
  const context = await newContext();
  const loaded = [];
  context.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  const page = await openAs(context, a);
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  assert.deepEqual(loaded.filter((path) => path.startsWith("/lab")), []);
  const [lab] = await Promise.all([context.waitForEvent("page"),
    page.getByRole("link", { name: "See how it works, in the lab" }).click()]);
  await lab.getByRole("heading", { level: 1, name: "The lab" }).waitFor();
  await lab.getByRole("banner").getByText("Lead").waitFor();
});

test("who is not signed in does so at the door, and is at home in their language", async () => {
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(`${BASE}/lab`);
  await page.getByRole("button", { name: "liger_zql", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "The lab" }).waitFor();
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("group", { name: "Language" }).getByRole("radio", { name: "简体中文" }).click();
  await page.getByRole("heading", { level: 1, name: "实验室" }).waitFor();
  await page.getByRole("button", { name: "退出登录" }).click();
  await page.getByRole("tab", { name: "登录" }).waitFor();
});

test("a dead session leads back to the door", async () => {
  const page = await openLab(await newContext(), { token: "none" });
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
});
