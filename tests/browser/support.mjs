// What the browser tests and the screenshots share: finding Chromium, opening pages, speaking to the server.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

export const BASE = (process.env.LOVEJOY_URL ?? "http://127.0.0.1:8080").replace(/\/$/, "");
export const DEMO_PASSWORD = "12345";

export function launch() {
  const executablePath = process.env.CHROMIUM || PLACES.find(existsSync);
  if (!executablePath) throw new Error("no Chromium found; set CHROMIUM to its path");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"] });
}

/** A request to the server as another program would make it; throws unless it succeeds. */
export async function call(method, path, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(BASE + path, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? null : response.json();
}

/** Signs in, creating the account where there is none. */
export async function account(name, display_name) {
  try {
    return await call("POST", "/api/users", { name, password: DEMO_PASSWORD, display_name });
  } catch {
    return call("POST", "/api/sessions", { name, password: DEMO_PASSWORD });
  }
}

/** Makes two signed-in users friends and returns their conversation's id. */
export async function befriend(one, other) {
  await call("POST", "/api/friends", { name: other.user.name }, one.token).catch(() => null);
  await call("POST", `/api/friends/${one.user.id}/accept`, {}, other.token).catch(() => null);
  const { friends } = await call("GET", "/api/friends", undefined, one.token);
  return friends.find((friend) => friend.user.id === other.user.id).conversation_id;
}

export const say = (who, conversation, body) =>
  call("POST", `/api/conversations/${conversation}/messages`, { body }, who.token);

/** Signs in by the demo button. */
export async function enterDemo(page, name) {
  await page.goto(BASE);
  await page.getByRole("button", { name, exact: true }).click();
  await page.getByRole("navigation", { name: "Conversations" }).waitFor();
}
