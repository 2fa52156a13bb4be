// The .vsix in VS Code itself: its workbench runs in a browser, its server is that of the npm package code-server, and what it shows is
// asked of the page. The server is `ecomc lsp`, behind the workspace's own ./ecom, which notes who was started.
//
// usage: node workbench.mjs STORE VSIX ECOMC FOLDER     STORE: has code-server/ and node_modules/; FOLDER: an empty one
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [store, vsix, ecomc, folder] = process.argv.slice(2);
const { chromium } = createRequire(join(store, "x.js"))("playwright-core");
const workspace = join(folder, "notes");
const file = join(workspace, "topology.ecom");
const pids = join(folder, "pids");
const patience = 120_000; // ms; only a broken program meets it
let passed = 0;

async function step(name, work) {
  await work();
  passed++;
  console.log(`ok   ${name}`);
}

async function until(what, condition) {
  for (const end = Date.now() + patience; ; await new Promise((r) => setTimeout(r, 200))) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${patience / 1000} s: ${what}`);
  }
}

const started = () => (existsSync(pids) ? readFileSync(pids, "utf8").trim().split("\n") : []);
const alive = (pid) => existsSync(`/proc/${pid}`);

// ------------------------------------------------------------------ the workspace, the server, the browser

execFileSync(ecomc, ["init", workspace]);
const good = readFileSync(file, "utf8");
writeFileSync(file, good + "edge browser        -> note-svc     { http }\n"); // E0403
writeFileSync(join(workspace, "ecom"), `#!/bin/sh\necho $$ >>'${pids}'\nexec '${ecomc}' "$@"\n`, { mode: 0o755 });

const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const data = join(folder, "data");
const places = ["--server-data-dir", data, "--extensions-dir", join(folder, "extensions")];
const args = ["out/server-main.js", "--accept-server-license-terms", ...places];
const sockets = mkdtempSync(join(tmpdir(), "ecom-")); // their paths must be short
const env = { ...process.env, HOME: folder, TMPDIR: sockets, XDG_RUNTIME_DIR: sockets };
const options = { cwd: join(store, "code-server"), env };
mkdirSync(join(data, "data", "User"), { recursive: true });
mkdirSync(join(data, "data", "logs"), { recursive: true });
writeFileSync(join(data, "data", "User", "settings.json"), '{ "workbench.startupEditor": "none", "telemetry.telemetryLevel": "off" }');
execFileSync("node", [...args, "--install-extension", vsix], { ...options, stdio: "pipe" });
const host = ["--host", "127.0.0.1", "--port", String(port), "--without-connection-token", "--telemetry-level", "off"];
const server = spawn("node", [...args, ...host], { ...options, stdio: "ignore" });
const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", ...quiet] });
const page = await browser.newPage({ viewport: { width: 1600, height: 1500 } });
page.setDefaultTimeout(patience);

/** The lines that are shown, from the top. */
const lines = () =>
  page.evaluate(() => {
    const shown = [...document.querySelectorAll(".view-line")].sort((a, b) => a.offsetTop - b.offsetTop);
    return shown.map((line) => line.textContent.replaceAll("\u00a0", " "));
  });

/** The colour of the first piece of line n, from 1, that holds a text. */
const colour = (n, text) =>
  page.evaluate(
    ([n, text]) => {
      const line = [...document.querySelectorAll(".view-line")].sort((a, b) => a.offsetTop - b.offsetTop)[n - 1];
      const piece = [...line.querySelectorAll("span > span")].find((s) => s.textContent.replaceAll("\u00a0", " ").includes(text));
      return piece ? getComputedStyle(piece).color : `nothing has ${text}`;
    },
    [n, text],
  );

/** Where a text of line n is on the screen: its middle. */
const spot = (n, text) =>
  page.evaluate(
    ([n, text]) => {
      const line = [...document.querySelectorAll(".view-line")].sort((a, b) => a.offsetTop - b.offsetTop)[n - 1];
      const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
      for (let node; (node = walker.nextNode()); ) {
        const at = node.data.replaceAll("\u00a0", " ").indexOf(text);
        if (at < 0) continue;
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + text.length);
        const box = range.getBoundingClientRect();
        return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      }
      return null;
    },
    [n, text],
  );
const at = (n, text) => until(`${text} on line ${n}`, () => spot(n, text));

try {
  await until("the server answers", () => fetch(`http://127.0.0.1:${port}/`).then((r) => r.ok, () => false));
  await page.goto(`http://127.0.0.1:${port}/?folder=${workspace}`);

  await step("nothing of the workspace runs before it is trusted", async () => {
    const trust = page.getByRole("button", { name: "Yes, I trust the authors" });
    await trust.waitFor();
    await page.getByRole("treeitem", { name: "topology.ecom" }).waitFor();
    assert.deepEqual(started(), []);
    await trust.click();
  });
  await page.getByRole("treeitem", { name: "topology.ecom" }).dblclick();

  await step("keywords, names, SQL and its parameters have their colours", async () => {
    await until("the file is open", async () => (await lines())[10]?.startsWith("service note-svc"));
    const pieces = [[11, "service"], [11, "note-svc"], [21, "The types"], [25, "INSERT"], [25, " notes "], [25, ":"], [52, "The gateway"]];
    const colours = await until("the text is coloured", async () => {
      const found = await Promise.all(pieces.map(([n, text]) => colour(n, text)));
      return found.every((c) => /^rgb/.test(c)) && found[0] !== found[1] && found;
    });
    const [keyword, node, comment, statement, table, parameter, string] = colours;
    assert.equal(new Set([keyword, node, comment, table, string]).size, 5, colours.join(" "));
    assert.equal(new Set([statement, table, parameter, string]).size, 4, colours.join(" "));
  });

  await step("the workspace's ./ecom runs, and a mistake is underlined", async () => {
    await until("a process", () => started().length === 1);
    await page.locator(".squiggly-error").first().waitFor();
  });

  await step("hover says what a node is", async () => {
    const { x, y } = await at(46, "note-svc");
    await until("a hover", async () => {
      await page.mouse.move(x - 30 - Math.random() * 9, y);
      await page.mouse.move(x, y, { steps: 4 });
      await page.waitForTimeout(1500);
      const texts = await page.locator(".monaco-hover-content").allTextContents();
      return texts.some((t) => t.includes("note-svc"));
    });
    await page.keyboard.press("Escape");
  });

  await step("rename changes every place", async () => {
    const { x, y } = await at(46, "note-svc");
    await page.mouse.click(x, y);
    await page.keyboard.press("F2");
    const box = page.locator(".rename-box input");
    await box.waitFor();
    await box.fill("memo-svc");
    await page.keyboard.press("Enter");
    await until("line 11 has the new name", async () => (await lines())[10] === 'service memo-svc "Notes" {');
    const after = await lines();
    assert.match(after[39], /-> memo-svc\.WriteNote\(/);
    assert.match(after[45], /^edge api-gateway +-> memo-svc/);
    assert.deepEqual(after.filter((l) => l.includes("note-svc")), []);
  });

  await step("the mistake goes with its line", async () => {
    await page.keyboard.press("Control+End");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Control+Shift+K");
    await until("no underline", async () => (await page.locator(".squiggly-error").count()) === 0);
  });

  await step("three quotes close themselves", async () => {
    await page.keyboard.press("Control+End");
    await page.keyboard.type('invariant "none" on memo-svc """', { delay: 30 });
    await until("the closing quotes", async () => (await lines()).at(-1) === 'invariant "none" on memo-svc """"""');
  });

  await step("the restart command starts another process and ends the first", async () => {
    await page.keyboard.press("F1");
    await page.keyboard.type("ecom: Restart Language Server", { delay: 10 });
    await page.getByRole("option", { name: "ecom: Restart Language Server" }).first().waitFor();
    await page.keyboard.press("Enter");
    const [first, second] = await until("two processes", () => started().length === 2 && started());
    await until("the first has ended", () => !alive(first));
    assert.ok(alive(second));
  });
  console.log(`${passed} passed, 0 failed`);
} catch (error) {
  await page.screenshot({ path: join(folder, "failed.png") }).catch(() => undefined);
  console.log(`FAIL after ${passed} steps: ${error.stack}\n  the page: ${join(folder, "failed.png")}`);
  console.log(`${passed} passed, 1 failed`);
  process.exitCode = 1;
} finally {
  await browser.close();
  const exit = new Promise((resolve) => server.once("exit", resolve));
  server.kill();
  await exit;
  rmSync(sockets, { recursive: true, maxRetries: 5 });
}
await until("the servers have ended", () => !started().some(alive)).catch((error) => {
  console.log(`FAIL ${error.message}\n${passed} passed, 1 failed`);
  process.exitCode = 1;
});
