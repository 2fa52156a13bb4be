// A browser, pages of the real ecom-studio, and counting. Whatever a page writes to its console as an error fails the test that opened it; so
// does what its CSP forbids.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const patience = 60_000; // ms; only a broken page meets it
let browser;
let passed = 0;
let failed = 0;

export const launch = async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", ...quiet] });
  return browser;
};

export const WIDE = { width: 1440, height: 900 };
export const BEAT = 1000; // ms that a step takes at speed 1
export const NARROW = { width: 390, height: 844 };

/** A page of its own; `expected`: what the console may say; `driven`: its time goes on as fast as it is told to (page.clock), and by itself. */
export async function open(base, hash, { viewport = WIDE, expected, driven = false, ...options } = {}) {
  const context = await browser.newContext({ viewport, acceptDownloads: true, reducedMotion: "no-preference", ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  page.setDefaultNavigationTimeout(patience);
  page.setDefaultTimeout(patience);
  page.problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected?.test(message.text())) page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(error.stack));
  if (driven) await page.clock.install();
  await page.goto(`${base}/${hash}`);
  await page.locator("svg.diagram .node, .sequence").first().waitFor();
  return page;
}

/** Runs a test on a page, which is closed behind it. */
export async function step(name, page, work) {
  const begun = performance.now();
  let opened;
  try {
    opened = await page;
    await work(opened);
    if (opened?.problems) assert.deepEqual(opened.problems, [], "the console is empty");
    passed++;
    console.log(`ok   ${name} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.stack}`);
    await opened?.screenshot?.({ path: `${process.env.PICTURES}/${name.replace(/\W+/g, "-").slice(0, 60)}.png` }).catch(() => undefined);
  } finally {
    await opened?.context?.().close();
  }
}

export async function until(what, condition) {
  for (const end = Date.now() + patience; ; await new Promise((r) => setTimeout(r, 50))) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${patience / 1000} s: ${what}`);
  }
}

const LEAP = 100; // ms: as far as the player goes in one frame

/** Lets a driven page's time go on, frame by frame, as far as it can go in each. */
export async function pass(page, ms) {
  for (let gone = 0; gone < ms; gone += LEAP) await page.clock.fastForward(LEAP);
}

/** A few at a time: each is a process, and the machine has few cores. */
export async function all(works, atOnce = 3) {
  const left = [...works];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let work = left.shift(); work; work = left.shift()) await work();
  }));
}

/** As if a system were up that does what is derived, but for what `change` makes of its recording. */
export async function asIfLive(page, example, derived, change = (recorded) => ({ recorded })) {
  const { recorded, differences = [] } = change(structuredClone(derived));
  recorded.steps.forEach((one, i) => Object.assign(one, { start_ms: i, end_ms: i + 1.5 }));
  const run = { trace_id: "0af7651916cd43dd8448eb211c80319c", verdict: differences.length > 0 ? "different" : "same", derived, recorded, differences };
  await page.route(/\/api\/live$/, (route) => route.fulfill({ json: { up: true, example, processes: [] } }));
  await page.route("**/api/live/run", (route) => route.fulfill({ json: run }));
}

/** What is drawn is what was asked for last. */
export const settled = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)))));

export const said = (page) => page.locator(".narration").innerText();
export const position = (page) => page.locator(".position").innerText();
export const stepOf = (page) => new URL(page.url()).hash.match(/step=(\d+)/)?.[1];

export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed || !passed ? 1 : 0;
}
