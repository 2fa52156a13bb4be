// The editor, failure switches, exports.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { NARROW, open, position, said, settled, step, until, WIDE } from "./harness.mjs";

export async function editor(base, shop, file) {
  const { topology } = shop;
  const original = readFileSync(file, "utf8");
  const text = (page) => page.locator(".editor-host .cm-content");
  const openEditor = async (page) => {
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await text(page).waitFor();
    await until("it was checked", async () => /No errors|warning/.test(await page.locator(".diagnostics").innerText()));
  };
  const type = async (page, words) => {
    await text(page).click();
    await page.keyboard.press("Control+End");
    await page.evaluate((pasted) => navigator.clipboard.writeText(pasted), words);
    await page.keyboard.press("Control+v");
  };
  const refused = { expected: /status of 412/ };

  await step("the editor: the compiler's words at their place, the diagram follows, nothing is written", open(base, `#/${topology.name}`), async (page) => {
    await openEditor(page);
    await type(page, "\nedge order-svc -> nowhere { http }\n");
    const list = page.locator(".diagnostics li");
    await list.first().waitFor();
    assert.match(await list.first().innerText(), /there is no node `nowhere`/);
    await page.locator(".editor-host .cm-lintRange-error").first().waitFor();
    assert.equal(await page.locator("svg.diagram .node").count(), topology.nodes.length, "the last drawing stays");
    await list.first().locator("button").click();
    assert.ok(await page.evaluate(() => document.querySelector(".editor-host").shadowRoot.activeElement !== null), "the focus is in the text");
    await page.keyboard.press("Control+z");
    await until("no error", async () => /No errors|warning/.test(await page.locator(".diagnostics > p").innerText()));
    await type(page, '\nclient tablet "Tablet"\nedge tablet -> api-gateway { http }\n');
    await page.locator("[data-node=tablet]").waitFor();
    await page.getByText("not saved", { exact: true }).waitFor();
    assert.equal(readFileSync(file, "utf8"), original, "the file is as it was");
    await page.getByRole("button", { name: "Close the editor" }).click();
    await page.getByRole("button", { name: "Go on editing" }).click();
    await page.getByRole("button", { name: "Close the editor" }).click();
    await page.getByRole("button", { name: "Discard them" }).click();
    await until("the file's own drawing", async () => (await page.locator("[data-node=tablet]").count()) === 0);
  });

  await step("a new scenario can be played while it is written", open(base, `#/${topology.name}`), async (page) => {
    await openEditor(page);
    await type(page, '\nscenario look "Looking Around" {\n  when mobile GET "/v1/products/kettle"\n  expect 200\n}\n');
    await page.getByText("not saved", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("button", { name: "Looking Around" }).click();
    await until("it ends", async () => {
      await page.locator(".speed select").selectOption("4");
      return / steps played$/.test(await position(page));
    });
    assert.match(await said(page), /200/);
  });

  await step("save: refused when the file changed meanwhile, then reload or keep", open(base, `#/${topology.name}`, refused), async (page) => {
    try {
      await openEditor(page);
      await type(page, "// mine\n");
      await page.keyboard.press("Control+s");
      await page.getByText("As on disk").waitFor();
      assert.equal(readFileSync(file, "utf8"), `${original}// mine\n`);
      const theirs = `${original}// theirs\n`;
      writeFileSync(file, theirs);
      await type(page, "// more\n");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("alert").getByText("changed on disk").waitFor();
      assert.equal(readFileSync(file, "utf8"), theirs, "nothing was written");
      await page.getByRole("button", { name: "Reload it" }).click();
      await until("theirs", async () => (await text(page).innerText()).includes("// theirs") || (await page.keyboard.press("Control+End"), false));
      await page.getByText("As on disk").waitFor();
      writeFileSync(file, original);
      await type(page, "// mine again\n");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("button", { name: "Keep mine" }).click();
      await page.getByText("Save replaces what is on disk").waitFor();
      assert.equal(readFileSync(file, "utf8"), original, "still nothing was written");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("As on disk").waitFor();
      assert.equal(readFileSync(file, "utf8"), `${theirs}// mine again\n`);
    } finally {
      writeFileSync(file, original);
    }
  });

  await step("a file with errors: they are shown in the drawing's place, and lead to their lines", open(base, `#/${topology.name}`), async (page) => {
    const lines = original.split("\n").length;
    try {
      writeFileSync(file, `${original}edge order-svc -> nowhere { http }\n`);
      await page.reload({ waitUntil: "domcontentloaded" });
      await page.getByText("there is no node `nowhere`").waitFor();
      await page.getByRole("button", { name: new RegExp(`^${lines}:`) }).click();
      await until("the line", async () => (await page.locator(".editor-host .cm-activeLine").innerText()).startsWith("edge order-svc -> nowhere"));
    } finally {
      writeFileSync(file, original);
    }
  });

  await step("from a step's lines to the editor; on a narrow page, too", open(base, `#/${topology.name}`, { viewport: NARROW }), async (page) => {
    await page.locator("[data-node=order-svc]").dispatchEvent("click");
    await page.locator(".details").getByRole("button", { name: "Edit" }).click();
    await text(page).waitFor();
    await until("the line", async () => (await page.locator(".editor-host .cm-activeLine").innerText()).startsWith("service order-svc"));
  });
}

export async function switches(base, shop) {
  const { topology } = shop;
  await step("a failure switch changes the story; the address keeps it; off, it is as it was", open(base, `#/${topology.name}/happy-path?step=5`), async (page) => {
    const before = await page.locator(".step").count();
    await page.getByRole("button", { name: "Failures" }).click();
    await page.getByRole("switch", { name: /CreatePayment fails with CardDeclined/ }).check();
    await until("the derivation", async () => /compensation|CardDeclined/i.test(await page.locator(".steps").innerText()));
    assert.match(page.url(), /with=stripe\.CreatePayment\.CardDeclined/);
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("switch").count(), 0);
    await page.keyboard.press("End");
    await until("the end", async () => /402 CardDeclined, not 201/.test(await said(page)));
    assert.ok((await page.locator(".step .note", { hasText: "undo" }).count()) > 0, "it is undone");
    await page.reload();
    await until("the same story", async () => /CardDeclined/.test(await page.locator(".steps").innerText()));
    await page.getByRole("button", { name: /Switch off: Stripe/ }).click();
    await until("as it was", async () => (await page.locator(".step").count()) === before);
    assert.doesNotMatch(page.url(), /with=/);
  });

  await step("the failures cover neither the list nor a control, and stay while the story is played", open(base, `#/${topology.name}/happy-path?step=5`), async (page) => {
    await page.getByRole("button", { name: "Failures" }).click();
    await page.locator(".switches").waitFor();
    for (const viewport of [WIDE, { width: 1024, height: 768 }, NARROW]) {
      await page.setViewportSize(viewport);
      await settled(page);
      const { covered, outside, room } = await page.evaluate(() => {
        const box = (selector) => document.querySelector(selector).getBoundingClientRect();
        const panel = box(".switches");
        const over = (b) => Math.min(b.right, panel.right) - Math.max(b.left, panel.left) > 1 && Math.min(b.bottom, panel.bottom) - Math.max(b.top, panel.top) > 1;
        const view = box(".canvas-view");
        return {
          covered: [".steps", ".dock", ".top", ".canvas-bar", ".canvas-view"].filter((selector) => over(box(selector))),
          outside: panel.left < 0 || panel.top < 0 || panel.right > innerWidth || panel.bottom > innerHeight,
          room: Math.min(view.width, view.height, box(".steps").height, panel.height),
        };
      });
      assert.deepEqual([covered, outside], [[], false], `${viewport.width} wide`);
      assert.ok(room > 90, `${viewport.width} wide: what is left of one is ${room}`);
      assert.equal(await page.getByRole("button", { name: "Follow what moves" }).getAttribute("aria-pressed"), String(viewport !== WIDE), "in a small drawing what moves is followed");
      const before = await position(page);
      await page.getByRole("button", { name: "Step forward" }).click();
      await until("the next step", async () => (await position(page)) !== before);
      await page.locator(".step.now button").first().click({ position: { x: 60, y: 10 } });
      await page.locator(".details").waitFor();
      await page.getByRole("button", { name: "Close details" }).click();
      assert.ok(await page.locator(".switches").isVisible(), "it is still open");
    }
    await page.getByRole("switch", { name: "Stripe API is down" }).check();
    const off = await page.getByRole("button", { name: "Switch off: Stripe API is down" }).boundingBox();
    assert.ok(off.height >= 43.5, `${off.height}`);
    await page.getByRole("button", { name: "Close failures" }).click();
    assert.equal(await page.locator(".switches").count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-controls")), "failures", "the focus is on what opened it");
  });

  await step("inventory hangs: the player shows the timeout", open(base, `#/${topology.name}/happy-path?step=1&with=inventory-svc.hangs`), async (page) => {
    await until("a timeout", async () => /timeout/.test(await page.locator(".steps").innerText()));
    assert.equal(await page.locator(".position").innerText().then((t) => t.startsWith("Step 1 of")), true);
  });
}

export async function exports(base, shop, browser) {
  const { topology, scenarios } = shop;
  const take = async (page, name) => {
    await page.getByRole("button", { name: "Export" }).click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name }).click()]);
    return { name: download.suggestedFilename(), path: await download.path() };
  };

  await step("SVG: it parses, has every node and the message of this moment; of the sequence, too", open(base, `#/${topology.name}/payment-failure?step=20`), async (page) => {
    const { name, path } = await take(page, "This moment as SVG");
    assert.equal(name, "payment-failure-20.svg");
    const svg = readFileSync(path, "utf8");
    const found = await page.evaluate((text) => {
      const doc = new DOMParser().parseFromString(text, "image/svg+xml");
      return { error: doc.querySelector("parsererror")?.textContent, root: doc.documentElement.localName, texts: [...doc.querySelectorAll("text")].map((t) => t.textContent), urls: /url\(|href|class=|style=/.test(text) };
    }, svg);
    assert.equal(found.error, undefined);
    assert.equal(found.root, "svg");
    for (const node of topology.nodes) assert.ok(found.texts.includes(node.title), node.title);
    assert.ok(found.texts.some((text) => text.startsWith("20 ") && text.includes("CardDeclined")), found.texts.join(" | "));
    assert.ok(!found.urls, "it needs nothing else");
    await page.keyboard.press("s");
    await page.locator(".sequence").waitFor();
    const sequence = readFileSync((await take(page, "This moment as SVG")).path, "utf8");
    assert.ok(sequence.includes("order-svc") && sequence.includes("Reserve"));
  });

  await step("GIF: the browser decodes it to frames that differ", open(base, `#/${topology.name}/cache-hit`), async (page) => {
    const { name, path } = await take(page, "The scenario as GIF");
    assert.equal(name, "cache-hit.gif");
    const bytes = readFileSync(path);
    const frames = await page.evaluate(async (data) => {
      const decoder = new ImageDecoder({ data: Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), type: "image/gif" });
      await decoder.tracks.ready;
      await decoder.completed;
      const count = decoder.tracks.selectedTrack.frameCount;
      const sums = new Set();
      let width = 0;
      for (const frameIndex of [0, Math.floor(count / 3), Math.floor(count / 2), count - 1]) {
        const { image } = await decoder.decode({ frameIndex });
        width = image.displayWidth;
        const canvas = new OffscreenCanvas(image.displayWidth, image.displayHeight);
        const pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0);
        let sum = 0;
        for (const byte of pen.getImageData(0, 0, canvas.width, canvas.height).data) sum = (sum * 31 + byte) | 0;
        sums.add(sum);
      }
      return { count, differ: sums.size, width };
    }, bytes.toString("base64"));
    assert.ok(frames.count > 15, JSON.stringify(frames));
    assert.ok(frames.differ >= 3 && frames.width > 500, JSON.stringify(frames));
    assert.ok(bytes.length < 1_500_000, `${bytes.length} bytes`);
  });

  await step("HTML: one file plays offline, under a CSP of its own", open(base, `#/${topology.name}/payment-failure`), async (page) => {
    const { name, path } = await take(page, "The player as one HTML file");
    assert.equal(name, "payment-failure.html");
    const html = readFileSync(path, "utf8");
    assert.match(html, /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/);
    const context = await browser.newContext({ offline: true, viewport: { width: 1200, height: 800 } });
    try {
      const alone = await context.newPage();
      const problems = [];
      const asked = [];
      alone.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
      alone.on("pageerror", (error) => problems.push(error.stack));
      alone.on("request", (request) => asked.push(request.url()));
      writeFileSync(`${path}.html`, html);
      await alone.goto(`file://${path}.html`);
      await alone.locator("svg.diagram .node").first().waitFor();
      assert.equal(await alone.locator("svg.diagram .node").count(), topology.nodes.length);
      assert.notEqual(await alone.evaluate(() => getComputedStyle(document.querySelector(".dock")).borderTopStyle), "none", "it has its style");
      await alone.locator(".speed select").selectOption("4");
      await alone.getByRole("button", { name: "Play", exact: true }).click();
      await until("it moves", async () => (await alone.locator(".message:not([display=none])").count()) > 0);
      await alone.keyboard.press("End");
      await until("the end", async () => (await position(alone)) === `${scenarios.find((s) => s.name === "payment-failure").steps.length} steps played`);
      await alone.keyboard.press("s");
      await alone.locator(".sequence").waitFor();
      assert.deepEqual(problems, []);
      assert.equal(asked.length, 1, asked.join(" "));
    } finally {
      await context.close();
    }
  });
}
