// The race and the wire: that what they count is what a proxy between browser and server counts, to the byte; and
// that what they save is what other tools take.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { check } from "./axe.mjs";
import { startProxy, weigh } from "./counting-proxy.mjs";
import { newContext, pair, test, until } from "./page.mjs";
import { BASE, call, say } from "./support.mjs";

const LANES = ["1", "2", "3", "4"];
const COLUMNS = ["Short polling", "Long polling", "Server-sent events", "Lines of JSON"];

async function open(context, who, section, base = BASE) {
  const page = await context.newPage();
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.goto(`${base}/lab/#/${section}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

/** Puts a slider to one of its ends. */
const slide = (page, name, key) => page.getByRole("slider", { name }).press(key);

/** The numbers of a row of the table, lane by lane. */
const row = async (page, name) => {
  const cells = page.getByRole("row", { name: new RegExp(`^${name}`) }).getByRole("cell");
  return (await cells.allTextContents()).map((text) => text.replaceAll(",", ""));
};

/** What a page saves, and where. */
async function saved(page, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
  const folder = mkdtempSync(join(tmpdir(), "lovejoy-lab-"));
  const file = join(folder, download.suggestedFilename());
  await download.saveAs(file);
  return { file, text: readFileSync(file, "utf8"), forget: () => rmSync(folder, { recursive: true }) };
}

test("the counters of the race are those of a proxy between, to the byte", async () => {
  const { a } = await pair("Racer", "Rival");
  const proxy = await startProxy(BASE);
  const context = await newContext();
  const page = await open(context, a, "race", proxy.url);
  await slide(page, "Messages", "End");
  await slide(page, "Short polling asks again after", "Home");
  await slide(page, "Added delay, each way", "Home");
  await slide(page, "Added delay, each way", "ArrowRight");
  await page.getByRole("button", { name: "Start the race" }).click();
  await until(async () => (await row(page, "Messages heard")).every((text) => parseInt(text) >= 3), "messages in each lane");
  assert.ok(await page.getByRole("slider", { name: "Messages" }).isDisabled(), "what a race runs by stays");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("It is over.").waitFor();

  const { lanes } = await call("GET", "/api/lab/recording", undefined, a.token);
  const shown = {};
  for (const name of ["Requests", "Header bytes", "Framing bytes", "Payload bytes", "All bytes", "Messages heard", "Latency, p50", "Latency, p99"]) {
    shown[name] = await row(page, name);
  }
  await context.close();
  await proxy.drained();
  proxy.stop();
  for (const [index, lane] of LANES.entries()) {
    const own = proxy.exchanges.filter(({ up }) => up.startsWith(`GET /api/events?lane=${lane}&`));
    const sum = (direction, part) => own.reduce((total, exchange) =>
      total + (exchange[direction] ? weigh(exchange[direction])[part] : 0), 0);
    const counted = { lane, requests: own.length, head_bytes_up: sum("up", "head"), body_bytes_up: sum("up", "body"),
      head_bytes_down: sum("down", "head"), framing_bytes_down: sum("down", "framing"), body_bytes_down: sum("down", "body") };
    const told = lanes.find((each) => each.lane === lane);
    for (const name in counted) assert.equal(told[name], counted[name], `${COLUMNS[index]}: ${name}`);
    const bytes = own.reduce((total, { up, down }) => total + up.length + down.length, 0);
    assert.deepEqual([shown.Requests[index], shown["All bytes"][index]], [String(own.length), String(bytes)]);
    assert.equal(Number(shown["Header bytes"][index]), counted.head_bytes_up + counted.head_bytes_down);
    assert.equal(Number(shown["Framing bytes"][index]), counted.framing_bytes_down);
    assert.equal(Number(shown["Payload bytes"][index]), counted.body_bytes_up + counted.body_bytes_down);
    const empty = own.filter(({ down }) => down.includes('"events":[]')).length;
    assert.equal(told.empty_answers, empty, `${COLUMNS[index]}: empty answers`);
    assert.match(shown["Latency, p50"][index], /^[\d.]+ ms$/);
  }
  const [short, long, ...streams] = shown.Requests.map(Number);
  assert.ok(short > 1 && long > 1, "one question after the other");
  assert.deepEqual(streams, [1, 1], "and one for all");
  const total = Number(shown["Messages heard"][0].split(" / ")[1]);
  assert.ok(shown["Messages heard"].every((text) => Number(text.split(" / ")[1]) === total));
});

test("the wire shows each byte of one's own session, and no secret", async () => {
  const { a, b, id } = await pair("Wire", "Tap");
  const page = await open(await newContext(), a, "wire");
  await page.getByText("Nothing was said yet").waitFor();
  await say(b, id, "not yours");
  await say(a, id, "漠然: \"it's\" 5 > 4");
  const stream = new AbortController();
  const { body } = await fetch(`${BASE}/api/events`, { signal: stream.signal,
    headers: { Accept: "text/event-stream", Authorization: `Bearer ${a.token}` } });
  const reader = body.getReader();
  await reader.read();
  await say(b, id, "pushed");
  await reader.read();
  const item = (name) => page.getByRole("listitem").filter({ has: page.locator("summary", { hasText: name }) });
  await item("GET /api/events").locator("summary").getByText("open").waitFor();
  stream.abort();
  await item("GET /api/events").locator("summary").getByText(/^200 · .* · ↑/).waitFor();
  assert.equal(await page.getByRole("list", { name: "Exchanges" }).getByRole("listitem").count(), 2);

  await item("POST ").locator("summary").click();
  const said = item("POST ");
  const cell = (text) => said.getByRole("row").filter({ hasText: text });
  await cell("漠然: \\\"it's\\\" 5 > 4").getByText("The body").first().waitFor();
  await cell(/^.*Authorization: Bearer \*{43}\\r\\n/).getByText("your token, 43 bytes").waitFor();
  await said.getByText("until the answer was written").waitFor();
  await cell("HTTP/1.1 201 Created\\r\\n").waitFor();
  await item("GET /api/events").locator("summary").click();
  await item("GET /api/events").getByRole("row", { name: /event: message/ }).getByText("A piece of the stream").first().waitFor();
  await item("GET /api/events").getByText("The connection ended before the answer did").waitFor();
  assert.ok(!(await page.content()).includes(a.token));
  await check(page, "the wire");

  await page.getByRole("button", { name: "Begin anew" }).click();
  await page.getByText("Nothing was said yet").waitFor();
});

/** What a HAR has to have, by https://w3c.github.io/web-performance/specs/HAR/Overview.html; a type, or what is in it. */
const HEADERS = [{ name: "string", value: "string" }];
const SIZES = { headersSize: "number", bodySize: "number" };
const HAR = { log: { version: "string", creator: { name: "string", version: "string" }, entries: [{
  startedDateTime: "string", time: "number", cache: {},
  request: { method: "string", url: "string", httpVersion: "string", cookies: [], headers: HEADERS, queryString: HEADERS, ...SIZES },
  response: { status: "number", statusText: "string", httpVersion: "string", cookies: [], headers: HEADERS,
    content: { size: "number", mimeType: "string" }, redirectURL: "string", ...SIZES },
  timings: { send: "number", wait: "number", receive: "number" } }] } };

function holds(value, required, where) {
  if (typeof required === "string") return assert.equal(typeof value, required, where);
  if (Array.isArray(required)) {
    assert.ok(Array.isArray(value), where);
    return value.forEach((item, index) => holds(item, required[0] ?? {}, `${where}[${index}]`));
  }
  assert.ok(value && typeof value === "object", where);
  for (const name in required) holds(value[name], required[name], `${where}.${name}`);
}

test("what was recorded is saved as a HAR that is one, and as a script that asks again", async () => {
  const { a, id } = await pair("Saver", "Saved");
  const proxy = await startProxy(BASE);
  const page = await open(await newContext(), a, "wire");
  await page.getByText("Nothing was said yet").waitFor();
  const { cursor } = await call("GET", "/api/state", undefined, a.token);
  const headers = { Authorization: `Bearer ${a.token}`, "Content-Type": "application/json" };
  const ask = (path, options = {}) =>
    fetch(proxy.url + path, { headers: { ...headers, ...options.accept && { Accept: options.accept } }, ...options });
  const text = "漠然: it's \\ $HOME `x` \"5\"\n{[a-b]}";
  await ask(`/api/conversations/${id}/messages`, { method: "POST", body: JSON.stringify({ body: text, nonce: "once" }) });
  await ask(`/api/events?cursor=${cursor}&wait=1`);
  await ask("/api/me/password", { method: "PUT", body: JSON.stringify({ current: "hush-hush", new: "sesame" }) });
  const stream = new AbortController();
  const { body } = await ask(`/api/events?cursor=${cursor}`, { accept: "application/x-ndjson", signal: stream.signal });
  const reader = body.getReader();
  let streamed = "";
  while (!streamed.includes("漠然")) streamed += new TextDecoder().decode((await reader.read()).value);
  stream.abort();
  await proxy.drained();
  proxy.stop();
  await page.getByText("5 exchanges so far").waitFor();
  await until(async () => !await page.locator("summary").getByText("open").count(), "the stream is over");

  const har = await saved(page, "Save as HAR");
  const archive = JSON.parse(har.text);
  har.forget();
  holds(archive, HAR, "har");
  assert.equal(archive.log.version, "1.2");
  const { entries } = archive.log;
  const [state, post, poll, password, lines] = entries;
  assert.equal(entries.length, 5);
  for (const { startedDateTime, time, timings } of entries) {
    assert.equal(new Date(startedDateTime).toISOString(), startedDateTime);
    assert.ok(Math.abs(time - timings.send - timings.wait - timings.receive) < 1e-9);
  }
  assert.equal(state.request.url, `${BASE}/api/state`);
  for (const [index, entry] of [post, poll, password, lines].entries()) {
    const { up, down } = proxy.exchanges[index];
    const [asked, answered] = [weigh(up), weigh(down)];
    assert.deepEqual([entry.request.headersSize, entry.request.bodySize], [asked.head, up.length - asked.head]);
    assert.deepEqual([entry.response.headersSize, entry.response.bodySize], [answered.head, down.length - answered.head]);
    assert.equal(entry.response.content.size, answered.body);
  }
  assert.equal(JSON.parse(post.request.postData.text).body, text);
  assert.equal(JSON.parse(post.response.content.text).message.body, text);
  assert.deepEqual(poll.request.queryString, [{ name: "cursor", value: cursor }, { name: "wait", value: "1" }]);
  assert.equal(lines.response.content.text, streamed);
  assert.match(post.request.headers.find(({ name }) => name.toLowerCase() === "authorization").value, /^Bearer \[redacted\]$/);

  const script = await saved(page, "Save as curl script");
  for (const secret of [a.token, "hush-hush", "sesame"]) {
    assert.ok(!har.text.includes(secret) && !script.text.includes(secret));
  }
  const before = await call("GET", `/api/conversations/${id}/messages`, undefined, a.token);
  const run = (env) => promisify(execFile)("sh", [script.file], { env: { PATH: process.env.PATH, ...env } });
  await assert.rejects(run({}), /it is to hold your token/);
  const { stdout } = await run({ LOVEJOY_TOKEN: a.token });
  script.forget();
  const status = [...stdout.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => code);
  assert.deepEqual(status, ["200", "200", "200", "200"], "the message is the same one again, the password is left out");
  assert.match(script.text, /# Not repeated: its body holds a password/);
  assert.equal(stdout.split(JSON.stringify(text).slice(1, -1)).length - 1, 4, "in the state, from the message, the poll and the stream");
  assert.deepEqual(await call("GET", `/api/conversations/${id}/messages`, undefined, a.token), before, "and nothing is said twice");
});

for (const [colorScheme, viewport] of [["light", { width: 1280, height: 800 }], ["dark", { width: 390, height: 780 }]]) {
  test(`axe-core finds nothing serious in the race (${colorScheme}, ${viewport.width} px)`, async () => {
    const { a } = await pair("Axe", "Able");
    const page = await open(await newContext({ colorScheme, viewport }), a, "race");
    await check(page, "before");
    await page.getByText("How this is measured").click();
    await page.getByRole("button", { name: "Start the race" }).click();
    await until(async () => (await row(page, "Messages heard")).every((text) => parseInt(text)), "messages");
    await check(page, "during");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= viewport.width, "nothing scrolls sideways");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("It is over.").waitFor();
    await check(page, "after");
  });
}
