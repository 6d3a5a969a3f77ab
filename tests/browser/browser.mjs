// The web app in a real Chromium, as people use it: node browser.mjs, with LOVEJOY_URL naming a fresh server
// started with --demo. LOVEJOY_CONTROL (host:port), where given, takes the lines "stop", "kill" and "start"
// about that server; without it the tests that need the server to go away are skipped.
// ONLY=words runs the tests of the one file test-words.mjs.

import { readdirSync } from "node:fs";

const only = process.env.ONLY;
const files = readdirSync(import.meta.dirname).filter((name) => /^test-.*\.mjs$/.test(name));
for (const file of files) if (!only || file === `test-${only}.mjs`) await import(`./${file}`);
