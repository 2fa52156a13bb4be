// The diagram and the player: played to the end, sought, stepped, by keys alone, by address, with reduced motion.
import assert from "node:assert/strict";
import { all, asIfLive, BEAT, NARROW, open, pass, position, said, settled, step, stepOf, until, WIDE } from "./harness.mjs";

export async function player(base, shop) {
  const { topology, scenarios } = shop;
  const count = (name) => scenarios.find((one) => one.name === name).steps.length;

  await step("examples are listed, and the first is drawn", open(base, ""), async (page) => {
    await page.getByRole("navigation", { name: "Examples" }).getByText(topology.title).waitFor();
    assert.equal(await page.locator("svg.diagram .node").count(), topology.nodes.length);
    assert.equal(await page.locator("svg.diagram .edge").count(), topology.edges.length);
    for (const { title } of topology.scenarios) await page.getByRole("link", { name: title }).waitFor();
    const shapes = await page.$$eval("svg.diagram .node", (nodes) => nodes.map((n) => [n.getAttribute("class").match(/k-(\w+)/)[1], n.querySelector(".outline").getAttribute("d").replace(/[\d.]+/g, "")]));
    const byKind = new Map(shapes);
    const client = byKind.get("client");
    assert.equal(new Set([...byKind].filter(([kind]) => !["client", "external"].includes(kind)).map(([, d]) => d)).size, byKind.size - 2, "shapes differ by kind");
    assert.ok(client);
    const lines = await page.$$eval("svg.diagram .edge", (edges) => edges.map((e) => [e.getAttribute("class").match(/p-(\w+)/)[1], e.querySelector(".line").getAttribute("stroke-dasharray"), e.querySelector(".head").getAttribute("d"), getComputedStyle(e.querySelector(".line")).stroke]));
    const protocols = new Map(lines.map(([protocol, ...look]) => [protocol, look]));
    for (const i of [0, 1, 2]) assert.equal(new Set([...protocols.values()].map((look) => look[i])).size, protocols.size, "protocols differ by dash, head and colour");
  });

  await step("each example of the sidebar is chosen, drawn, and its scenarios go to their ends", open(base, ""), async (page) => {
    const { examples } = await (await fetch(`${base}/api/examples`)).json();
    assert.ok(examples.length >= 4, "the shop, and three of other shape");
    for (const { id, title } of examples.slice(1)) {
      const whole = await (await fetch(`${base}/api/examples/${id}`)).json();
      await page.getByRole("navigation", { name: "Examples" }).getByRole("link", { name: title }).click();
      await page.getByRole("heading", { name: title, level: 1 }).waitFor();
      await until("all of it is drawn", async () => (await page.locator("svg.diagram .node").count()) === whole.topology.nodes.length);
      assert.equal(await page.locator("svg.diagram .edge").count(), whole.topology.edges.length);
      for (const scenario of whole.scenarios) {
        await page.goto(`${base}/#/${id}/${scenario.name}`);
        await page.locator(".step").nth(scenario.steps.length - 1).waitFor({ state: "attached" });
        await page.keyboard.press("End");
        await until(`the end of ${scenario.name}`, async () => (await position(page)) === `${scenario.steps.length} steps played`);
        assert.ok((await said(page)).includes(String(scenario.expect.status)), await said(page));
      }
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Run", exact: true }).waitFor();
    }
  });

  await step("labels of the diagram do not overlap", open(base, ""), async (page) => {
    const boxes = await page.$$eval("svg.diagram .node text, svg.diagram .boundary-title", (texts) => texts.map((t) => ({ text: t.textContent, ...t.getBoundingClientRect().toJSON() })));
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        const meet = a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
        assert.ok(!meet, `${a.text} and ${b.text}`);
      }
    }
    const inside = await page.$$eval("svg.diagram .node", (nodes) => nodes.every((n) => {
      const box = n.querySelector(".outline").getBoundingClientRect();
      return [...n.querySelectorAll("text")].every((t) => t.getBoundingClientRect().left >= box.left && t.getBoundingClientRect().right <= box.right);
    }));
    assert.ok(inside, "a node's text fits into it");
  });

  const plays = scenarios.map((scenario) => () =>
    step(`${scenario.name} plays to its end, message by message`, open(base, `#/${topology.name}/${scenario.name}`, { driven: true }), async (page) => {
      await page.locator(".speed select").selectOption("4");
      await page.evaluate(() => {
        window.seen = new Set();
        const watch = () => {
          for (const text of document.querySelectorAll(".message:not([display=none]) .chip text")) window.seen.add(text.textContent);
          requestAnimationFrame(watch);
        };
        watch();
      });
      await page.getByRole("button", { name: "Play", exact: true }).click();
      await pass(page, (BEAT * scenario.steps.length) / 4);
      await until("the end", async () => (await position(page)) === `${scenario.steps.length} steps played`);
      const numbers = new Set((await page.evaluate(() => [...window.seen])).map((text) => Number(text.split(" ")[0])));
      assert.deepEqual([...numbers].sort((a, b) => a - b), scenario.steps.map((_, i) => i + 1), "each step was seen travelling");
      const end = await said(page);
      assert.ok(end.includes(String(scenario.expect.status)) && end.includes(scenario.expect.error ?? ""), end);
    }),
  );
  await all(plays);

  await step("seeking by dragging: the address, the list and the slider's text follow", open(base, `#/${topology.name}/payment-failure`), async (page) => {
    const slider = page.getByRole("slider", { name: "Position" });
    const box = await slider.boundingBox();
    await page.mouse.move(box.x + 9, box.y + box.height / 2);
    await page.mouse.down();
    for (const part of [0.2, 0.4, 0.55]) await page.mouse.move(box.x + box.width * part, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    const number = Number(await until("a step in the address", () => stepOf(page)));
    assert.ok(number > count("payment-failure") * 0.4 && number < count("payment-failure") * 0.75, String(number));
    assert.match(await slider.getAttribute("aria-valuetext"), new RegExp(`^Step ${number} of `));
    const current = page.locator(".step[aria-current=step]");
    assert.equal(await current.first().locator(".number").innerText(), String(number));
    assert.ok(await current.first().isVisible());
    assert.ok((await page.locator(".message:not([display=none])").count()) > 0);
  });

  await step("a deep link shows its step, and steps are kept when the page is opened anew", open(base, `#/${topology.name}/payment-failure?step=7`), async (page) => {
    assert.match(await position(page), /^Step 7 of/);
    const chip = page.locator(".message:not([display=none]) .chip text");
    assert.match(await chip.first().textContent(), /^7 /);
    await page.keyboard.press("ArrowRight");
    await until("step 8", async () => stepOf(page) === "8");
    await page.reload();
    await until("step 8", async () => /^Step 8 of/.test(await position(page)));
    await page.goto(`${base}/#/${topology.name}/payment-failure?step=20&view=sequence`);
    await page.locator(".sequence").waitFor();
    await until("step 20", async () => /^Step 20 of/.test(await position(page)));
    for (const odd of ["?step=9999", "?step=0", "?step=x"]) {
      await page.goto(`${base}/#/${topology.name}/payment-failure${odd}`);
      await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    }
    await page.goto(`${base}/#/${topology.name}/payment-failure?step=3&with=nobody.down`);
    await page.getByText("There is no failure nobody.down in this scenario.").waitFor();
    await until("the address is without it, at its step", () => page.url().endsWith("/payment-failure?step=3"));
    await page.goto(`${base}/#/${topology.name}/no-such`);
    await page.getByText("There is no scenario no-such.").waitFor();
    await page.getByRole("button", { name: "Run", exact: true }).waitFor();
    await page.goto(`${base}/#/nowhere/at-all`);
    await page.getByText("There is no example nowhere.").waitFor();
    await page.locator("svg.diagram .node").first().waitFor();
  });

  await step("everything by keys: run, step, seek, speed, sequence, copy, help, close", open(base, `#/${topology.name}`), async (page) => {
    const press = (key) => page.keyboard.press(key);
    await press("r");
    await until("it plays", async () => (await page.getByRole("button", { name: "Pause" }).count()) === 1);
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Pause", "the focus is on the button");
    await press("Space"); // on the button itself
    await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    await press("Home");
    await until("the beginning", async () => /^\d+ steps$/.test(await position(page)));
    await press("ArrowRight");
    await until("step 1", async () => stepOf(page) === "1");
    await press("ArrowRight");
    await until("step 2", async () => stepOf(page) === "2");
    await press("ArrowLeft");
    await until("step 1 again", async () => stepOf(page) === "1");
    await press("5");
    const half = Number(await until("the middle", () => stepOf(page) !== "1" && stepOf(page)));
    assert.ok(Math.abs(half - count("happy-path") / 2) < 4, String(half));
    for (let tenths = 1, last = 0; tenths <= 9; tenths++) {
      await press(String(tenths));
      last = Number(await until("further on", () => Number(stepOf(page)) > last && stepOf(page)));
      assert.ok(Math.abs(last - (count("happy-path") * tenths) / 10) < 4, `${tenths}: ${last}`);
    }
    await press("0");
    await until("the beginning again", async () => /^\d+ steps$/.test(await position(page)));
    await press("End");
    await until("the end", async () => / steps played$/.test(await position(page)));
    const listed = (which) => page.evaluate((which) => {
      const [one, box] = [document.querySelector(`.step:${which}-child`), document.querySelector(".steps")].map((element) => element.getBoundingClientRect());
      return one.top >= box.top - 1 && one.bottom <= box.bottom + 1;
    }, which);
    await until("the list is at its end, too", () => listed("last"));
    await press("Home");
    await until("and at its beginning", () => listed("first"));
    await press("End");
    await press(">");
    assert.equal(await page.locator(".speed select").inputValue(), "1.5");
    await press("<");
    await press("<");
    assert.equal(await page.locator(".speed select").inputValue(), "0.5");
    await press("s");
    await page.locator(".sequence").waitFor();
    await press("s");
    await page.locator("svg.diagram").waitFor();
    await press("c");
    const text = await until("a text", () => page.evaluate(() => navigator.clipboard.readText()));
    assert.equal(text.match(/^ *\d+\. /gm).length, count("happy-path"));
    await press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await press("Escape");
    await until("no dialog", async () => (await page.getByRole("dialog").count()) === 0);
    await press("Escape");
    await page.getByRole("button", { name: "Run", exact: true }).waitFor();
    await until("the focus is back", () => page.evaluate(() => document.activeElement.textContent === "Run"));
  });

  await step("single keys can be switched off", open(base, `#/${topology.name}`), async (page) => {
    await page.keyboard.press("?");
    await page.getByLabel("Single keys work everywhere on the page").uncheck();
    await page.keyboard.press("Escape");
    await page.keyboard.press("r");
    await new Promise((r) => setTimeout(r, 200));
    assert.equal(await page.getByRole("region", { name: "Player" }).count(), 0);
  });

  await step("the diagram by keys: to a node, to its neighbour, what stands behind it, and back", open(base, `#/${topology.name}`), async (page) => {
    await page.locator(".node[tabindex='0']").focus();
    const focused = () => page.evaluate(() => document.activeElement.dataset.node);
    assert.equal(await focused(), "mobile");
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), "api-gateway");
    assert.equal(await page.locator("svg.diagram .node[tabindex='0']").count(), 1);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "API Gateway" }).waitFor();
    await until("the focus is on the heading", () => page.evaluate(() => document.activeElement.textContent === "API Gateway"));
    await page.locator(".listing").first().waitFor();
    await page.locator(".details").getByRole("button", { name: "order-svc http" }).click();
    await page.getByRole("heading", { name: "api-gateway → order-svc" }).waitFor();
    assert.equal(await page.locator(".edge.selected").getAttribute("data-edge"), "api-gateway -> order-svc");
    await page.keyboard.press("Escape");
    await until("the focus is back on the node", async () => (await focused()) === "api-gateway");
  });

  await step("what stands behind a step and an edge: topology, policy, generated C", open(base, `#/${topology.name}/circuit-breaker`), async (page) => {
    const entry = scenarios.find(({ name }) => name === "circuit-breaker").steps.findIndex(({ label }) => label === "Reserve");
    await page.locator(`.step:nth-child(${entry + 1}) button`).click();
    const details = page.locator(".details");
    await details.getByText("topology.ecom:").waitFor();
    assert.match(await details.locator(".listing").first().innerText(), /step reserve\s+do\s+inventory-svc\.Reserve\(/, "the step's own lines");
    assert.match(await details.innerText(), /breaker[^]*3 timeouts/);
    await details.locator("figcaption", { hasText: /generated\/.*\.c/ }).first().waitFor();
    await page.locator("[data-edge='payment-svc -> stripe'] .reach").dispatchEvent("click");
    await page.getByRole("heading", { name: "payment-svc → stripe" }).waitFor();
    await until("its lines", async () => /edge payment-svc\s+-> stripe/.test(await details.innerText()));
  });

  await step("the breaker counts, opens, keeps back; compensation and cache hits are told apart", open(base, `#/${topology.name}/circuit-breaker`), async (page) => {
    const steps = scenarios.find(({ name }) => name === "circuit-breaker").steps;
    const breaker = page.locator("[data-breaker='order-svc -> inventory-svc']");
    const go = (number) => page.goto(`${base}/#/${topology.name}/circuit-breaker?step=${number}`);
    assert.equal(await breaker.textContent(), "Circuit breaker of order-svc -> inventory-svc0/3");
    await go(steps.findIndex(({ status }) => status === "timeout") + 1);
    await until("one timeout", async () => /1\/3$/.test(await breaker.textContent()));
    await go(steps.findIndex(({ opens }) => opens) + 1);
    await until("open", async () => (await breaker.getAttribute("class")).includes("is-open"));
    assert.match(await said(page), /The circuit opens/);
    assert.match(await page.locator("[data-node=inventory-svc]").getAttribute("class"), /silent/);
    await go(steps.findIndex(({ status, label }) => status === "open" && label === "Reserve") + 1);
    await until("kept back", async () => /circuit open/.test(await page.locator(".message:not([display=none]) .chip").first().textContent()));
    const undo = scenarios.find(({ name }) => name === "payment-failure").steps.findIndex(({ phase }) => phase === "undo") + 1;
    await page.goto(`${base}/#/${topology.name}/payment-failure?step=${undo}`);
    await until("compensation", async () => /Compensation/.test(await said(page)));
    assert.match(await page.locator(".message:not([display=none])").first().getAttribute("class"), /t-undo/);
    await page.goto(`${base}/#/${topology.name}/cache-hit?step=2`);
    await until("a hit", async () => /hit/.test(await page.locator(".message:not([display=none]) .chip").first().textContent()));
  });

  await step("parallel messages are on their way together", open(base, `#/${topology.name}/payment-failure`), async (page) => {
    const together = await page.locator(".step.together").first().locator(".number").innerText();
    await page.goto(`${base}/#/${topology.name}/payment-failure?step=${together}`);
    await until("two at once", async () => (await page.locator(".message:not([display=none])").count()) >= 2);
    assert.ok((await page.locator(".step[aria-current=step]").count()) >= 2);
    assert.match(await position(page), /^Steps \d+–\d+ of/);
  });

  await step("reduced motion: nothing travels; the edge and its number say where one is", open(base, `#/${topology.name}/payment-failure`, { reducedMotion: "reduce", driven: true }), async (page) => {
    await page.locator(".speed select").selectOption("4");
    await page.evaluate(() => {
      window.moves = [];
      const places = new Map();
      const watch = () => {
        for (const message of document.querySelectorAll(".message:not([display=none])")) {
          const text = message.textContent;
          const at = message.getAttribute("transform");
          if (places.has(text) && places.get(text) !== at) window.moves.push(text);
          places.set(text, at);
        }
        window.texts = [...places.keys()];
        requestAnimationFrame(watch);
      };
      watch();
    });
    await page.keyboard.press("Space");
    await pass(page, (BEAT * count("payment-failure")) / 4);
    await until("the end", async () => / steps played$/.test(await position(page)));
    assert.deepEqual(await page.evaluate(() => window.moves), []);
    assert.equal((await page.evaluate(() => window.texts)).length, count("payment-failure"));
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    assert.equal(stepOf(page), "1", "a step is there at once");
  });

  await step("no step's text covers a letter of a name or of a breaker, nor is cut off", open(base, ""), async (page) => {
    const { examples } = await (await fetch(`${base}/api/examples`)).json();
    const steps = [];
    for (const { id } of process.env.EC_LONG ? examples : examples.slice(0, 1)) {
      for (const { name, steps: all } of (await (await fetch(`${base}/api/examples/${id}`)).json()).scenarios) {
        for (let number = 1; number <= all.length; number++) steps.push([`#/${id}/${name}?step=${number}`, `${number}`]);
      }
    }
    const look = async (steps) => {
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const boxes = (selector) => [...document.querySelectorAll(selector)].map((element) => [element.parentNode.textContent, element.getBoundingClientRect()]);
      const over = ([, a], [, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3; // of a line's height not all is ink
      const [covered, cut, hidden] = [[], [], []];
      let seen = 0;
      let before = "";
      for (const [hash, number] of steps) {
        location.hash = hash;
        const there = () => [...document.querySelectorAll(".step[aria-current=step] .number")].some((one) => one.textContent === number);
        const scenario = hash.split("?")[0];
        if (scenario !== before) for (let n = 0; n < 30; n++) await frame(); // another drawing, which is fitted to the page
        before = scenario;
        for (let n = 0; !there() && n < 600; n++) await frame();
        await frame();
        await frame();
        const view = document.querySelector(".canvas-view").getBoundingClientRect();
        for (const sign of document.querySelectorAll(".message:not([display=none])")) {
          const [body, rect] = [".body", ".chip rect"].map((part) => sign.querySelector(part).getBoundingClientRect());
          const at = (body.left + body.right) / 2;
          if (at > view.left && at < view.right && (rect.left < view.left || rect.right > view.right)) cut.push(`${hash}: ${sign.textContent}`);
        }
        const texts = boxes("svg.diagram .node text, svg.diagram .breaker text");
        const chips = there() ? boxes(".message:not([display=none]) .chip rect") : [];
        if (chips.length > 0) seen++;
        for (const sign of document.querySelectorAll(".message:not([display=none]) .body")) {
          const body = [sign.parentNode.textContent, sign.getBoundingClientRect()];
          for (const text of boxes("svg.diagram .breaker text")) if (over(body, text)) hidden.push(`${hash}: ${body[0]} on ${text[0]}`);
        }
        for (const chip of chips) for (const text of texts) if (over(chip, text)) covered.push(`${hash}: ${chip[0]} over ${text[0]}`);
      }
      return { seen, covered, cut, hidden };
    };
    const { seen, covered, cut, hidden } = await page.evaluate(look, steps);
    assert.equal(seen, steps.length, "each step has its text");
    assert.deepEqual([covered, cut, hidden], [[], [], []]);
    await page.setViewportSize({ width: 1024, height: 700 });
    const small = await page.evaluate(look, steps);
    assert.equal(small.seen, steps.length);
    assert.deepEqual([small.covered, small.cut, small.hidden], [[], [], []]);
    await page.emulateMedia({ reducedMotion: "reduce" }); // there is no gliding to wait for
    await page.setViewportSize(NARROW);
    const narrow = await page.evaluate(look, steps.slice(0, 50));
    assert.equal(narrow.seen, 50);
    assert.deepEqual([narrow.cut, narrow.hidden], [[], []], "nor is it cut off on a narrow page, nor stands a sign on a breaker");
  });

  await step("narrow: what is pressed is 44 pixels large, the examples open and close, what plays is followed", open(base, `#/${topology.name}/payment-failure?step=20`, { viewport: NARROW, hasTouch: true }), async (page) => {
    const small = await page.$$eval("button, select, a, summary, input[type=range]", (all) =>
      all.filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".skip")).map((e) => [e.textContent || e.ariaLabel, e.getBoundingClientRect()]).filter(([, { width, height }]) => width > 1 && (width < 43.5 || height < 43.5)).map(([t, b]) => `${t} ${b.width}x${b.height}`));
    assert.deepEqual(small, []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!overflow, "nothing is wider than the screen");
    const view = await page.locator(".canvas-view").boundingBox();
    const chip = await page.locator(".message:not([display=none]) .body").first().boundingBox();
    assert.ok(chip.x > view.x && chip.x < view.x + view.width && chip.y > view.y && chip.y < view.y + view.height, "the message is in sight");
    const inside = (what, where) => page.evaluate(([what, where]) => {
      const [one, box] = [what, where].map((selector) => document.querySelector(selector).getBoundingClientRect());
      return one.top >= box.top && one.bottom <= box.bottom;
    }, [what, where]);
    await until("its step is in sight in the list", () => inside(".step.now", ".steps"));
    await page.setViewportSize(WIDE);
    assert.equal(await page.locator(".tabs").evaluate((row) => row.scrollLeft), 0, "there is room for all scenarios");
    await page.keyboard.press("s");
    await page.locator(".sequence .row.now").waitFor();
    await page.setViewportSize(NARROW);
    await until("its row, too, when the room has become small", () => inside(".row.now", ".sequence"));
    await until("and the scenario in the middle of their row", () => page.locator(".tabs").evaluate((row) => {
      const [a, b] = [row.querySelector("[aria-pressed=true]"), row].map((element) => element.getBoundingClientRect());
      return Math.abs(a.left + a.right - b.left - b.right) < 4;
    }));
    await page.keyboard.press("s");
    await page.getByRole("button", { name: "Examples", exact: true }).click();
    await page.getByRole("link", { name: "Cache Hit" }).click();
    await until("the other scenario", async () => /3 steps/.test(await page.locator(".narration, .position").allInnerTexts().then((t) => t.join(" ")).then(async (t) => `${t} ${await page.locator(".step").count()} steps`)));
    assert.ok(!(await page.locator(".sidebar").isVisible()));
    await page.goto(`${base}/#/${topology.name}/circuit-breaker`);
    await until("the scenario", async () => (await page.locator(".step").count()) === count("circuit-breaker"));
    await page.keyboard.press("End");
    await until("how it ends is one text, not three columns", () => page.evaluate(() => {
      const words = document.createRange();
      const node = [...(document.querySelector(".said")?.childNodes ?? [])].find((one) => one.nodeType === 3 && /ends with/.test(one.textContent));
      if (!node) return false;
      words.selectNodeContents(node);
      return document.querySelector(".said").clientHeight <= 3 * 19 && words.getBoundingClientRect().left < document.querySelector(".said b").getBoundingClientRect().right;
    }));
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Run", exact: true }).waitFor();
    await page.goto(`${base}/#/${topology.name}/payment-failure?step=23`);
    await until("a player that opens at a step shows it", () => page.evaluate(() => {
      const [one, box] = [".message:not([display=none]) .body", ".canvas-view"].map((selector) => document.querySelector(selector)?.getBoundingClientRect());
      return one && one.left > box.left && one.right < box.right && one.top > box.top && one.bottom < box.bottom;
    }));
  });

  await step("a recording beside the derived one: what the page tells covers no label, name of a lane or control", open(base, `#/${topology.name}/payment-failure`), async (page) => {
    await asIfLive(page, topology.name, scenarios.find(({ name }) => name === "payment-failure"));
    await page.reload();
    for (const viewport of [WIDE, { width: 1024, height: 768 }, NARROW]) {
      for (const view of ["diagram", "sequence"]) {
        await page.setViewportSize(viewport);
        await page.getByRole("button", { name: "Run for real" }).click();
        await page.locator(".verdict").waitFor();
        await page.locator(".toast.shown", { hasText: /recorded trace/ }).waitFor();
        if (view === "sequence") await page.locator(".sequence").nth(1).waitFor();
        else assert.deepEqual(await page.locator(".canvas-label").allInnerTexts(), ["Derived", "Recorded"]);
        await settled(page);
        const covered = await page.evaluate(() => {
          const toast = document.querySelector(".toast.shown").getBoundingClientRect();
          const over = (b) => b.width > 0 && Math.min(b.right, toast.right) > Math.max(b.left, toast.left) && Math.min(b.bottom, toast.bottom) > Math.max(b.top, toast.top);
          const all = [...document.querySelectorAll(".canvas-label, .canvas-bar, .lanes, .steps, .verdict, .dock, .top")];
          return all.filter((one) => over(one.getBoundingClientRect())).map((one) => one.getAttribute("class") + one.textContent.slice(0, 20));
        });
        assert.deepEqual(covered, [], `${viewport.width} ${view}`);
        await page.keyboard.press("s");
      }
    }
  });

  await step("a recording that has a hop once more: what follows lines up, and the counter says what it counts", open(base, `#/${topology.name}/payment-failure`), async (page) => {
    const derived = scenarios.find(({ name }) => name === "payment-failure");
    const at = derived.steps.findIndex(({ phase, kind }) => phase === "undo" && kind === "call");
    await asIfLive(page, topology.name, derived, (recorded) => {
      const again = { ...recorded.steps[at], id: "again", status: "timeout" };
      recorded.steps.splice(at, 0, again, { ...again, id: "and again" });
      return { recorded };
    });
    await page.goto(`${base}/#/${topology.name}/payment-failure?step=7`);
    await page.reload();
    const n = derived.steps.length;
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.locator(".verdict").waitFor();
    await until("what is counted", async () => (await position(page)) === `${n} derived, ${n + 2} recorded steps`);
    assert.deepEqual(await page.locator(".step.apart .note.apart").allInnerTexts(), Array(2).fill("recorded once more"));
    assert.equal(await page.locator(".step").count(), n + 2);
    const signs = () => page.$$eval(".canvas", (both) => both.map((one) => [...one.querySelectorAll(".message:not([display=none]) .chip text")].map((text) => text.textContent.split(" ")[0]).join()));
    const seen = { same: 0, alone: 0 };
    await page.keyboard.press("ArrowRight");
    await page.emulateMedia({ reducedMotion: "reduce" }); // a step is there at once
    for (let left = n + 2; left > 0; left--) {
      await settled(page);
      const counter = await position(page);
      if (/played$/.test(counter)) break;
      const [ours, theirs] = await signs();
      if (/^Recorded only, behind step \d+ of \d+ derived$/.test(counter)) {
        assert.deepEqual([ours, theirs], ["", "+"], counter);
        seen.alone++;
      } else {
        assert.match(counter, new RegExp(`^Steps? [\\d–]+ of ${n} derived$`));
        assert.equal(ours, theirs, counter);
        seen.same++;
      }
      await page.keyboard.press("ArrowRight");
    }
    assert.ok(seen.same > n / 2 && seen.alone === 2, JSON.stringify(seen));
    await page.keyboard.press("s");
    await page.locator(".sequence").nth(1).waitFor();
    const rows = await page.$$eval(".sequence", (both) => both.map((one) => [...one.querySelectorAll(".row")].map((row) => [row.dataset.step, row.querySelector(".band").getAttribute("y")])));
    assert.deepEqual(rows[1].filter(([number]) => number !== "0"), rows[0], "a hop has the same row in both sequences");
    assert.equal(rows[1].length, n + 2);
    await page.setViewportSize(NARROW);
    for (const tenths of "23") {
      await page.keyboard.press(tenths);
      await until("the text of the step is in sight in both", () => page.$$eval(".sequence", (both) => both.every((one) => {
        const [text, box] = [one.querySelector(".row.now .label").getBoundingClientRect(), one.getBoundingClientRect()];
        return text.left >= box.left && text.left + 20 < box.right;
      })));
    }
    await page.keyboard.press("s");
    await page.locator(".canvas-bar .canvas-label").nth(1).waitFor();
    await page.setViewportSize(WIDE);
    await page.keyboard.press("9");
    await settled(page);
    const number = (await position(page)).match(/\d+/)[0];
    await page.getByRole("button", { name: "Leave the recording" }).click();
    await until("the same step", async () => (await position(page)).startsWith(`Step ${number} of ${n}`) || (await position(page)).startsWith(`Steps ${number}–`));
  });

  await step("screen readers: a list of steps, a polite region, names for all", open(base, `#/${topology.name}/payment-failure?step=3`), async (page) => {
    const list = page.getByRole("list", { name: "Steps" });
    assert.equal(await list.getByRole("listitem").count(), count("payment-failure"));
    const live = page.locator("[aria-live=polite]");
    const before = await live.innerText();
    await page.keyboard.press("ArrowRight");
    await until("the region says the next step", async () => (await live.innerText()) !== before);
    const nameless = await page.$$eval("button, [role=button], input, select", (all) => all.filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML));
    assert.deepEqual(nameless, []);
  });

  await step("forced colours: everything is drawn in the system's", open(base, `#/${topology.name}/circuit-breaker?step=12`, { forcedColors: "active" }), async (page) => {
    const colours = await page.$$eval("svg.diagram .outline, svg.diagram .line, svg.diagram .node .title", (all) => {
      const probe = document.createElement("i");
      document.body.append(probe);
      const allowed = ["Canvas", "CanvasText", "LinkText", "Highlight", "HighlightText"].map((name) => {
        probe.style.color = name;
        return getComputedStyle(probe).color;
      });
      probe.remove();
      return [...new Set(all.flatMap((e) => [getComputedStyle(e).fill, getComputedStyle(e).stroke]))].filter((c) => c !== "none" && !allowed.includes(c));
    });
    assert.deepEqual(colours, []);
  });

  await step("a page that becomes narrow opens its diagram anew, at a size that can be read", open(base, `#/${topology.name}`), async (page) => {
    await page.setViewportSize(NARROW);
    await until("names can be read", () => page.evaluate(() => document.querySelector("[data-node=api-gateway] text").getBoundingClientRect().height > 8.5));
    const node = await page.locator("[data-node=api-gateway] .outline").boundingBox();
    assert.ok(node.x > 0 && node.x + node.width < NARROW.width, "and it begins with what stands at the left");
  });

  await step("narrow: what the last lane asks its database is not cut off in the sequence", open(base, "#/hello/greeting?step=4&view=sequence", { viewport: NARROW }), async (page) => {
    await until("all of it", () => page.evaluate(() => {
      const [text, box] = [document.querySelector(".row.now .label.own"), document.querySelector(".sequence").getBoundingClientRect()];
      return text && !text.textContent.endsWith("…") && text.getBoundingClientRect().right <= box.right;
    }));
  });

  await step("pan, zoom and fit", open(base, `#/${topology.name}`), async (page) => {
    const at = () => page.locator("[data-node=kafka] .outline").boundingBox();
    const first = await at();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await until("larger", async () => (await at()).width > first.width * 1.15);
    await page.mouse.move(700, 300);
    await page.mouse.down();
    await page.mouse.move(600, 350, { steps: 5 });
    await page.mouse.up();
    assert.equal(await page.locator(".details").count(), 0, "dragging is no click");
    await page.keyboard.press("f");
    await until("as it was", async () => {
      const now = await at();
      return Math.abs(now.x - first.x) < 2 && Math.abs(now.width - first.width) < 2;
    });
  });
}
