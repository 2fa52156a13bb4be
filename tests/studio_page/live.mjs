// What the page shows of a system that is up: its traffic, a scenario run for real beside the derived one, failures made real.
import assert from "node:assert/strict";
import { open, position, said, step, until } from "./harness.mjs";

export async function live(base, shop) {
  const { topology, scenarios } = shop;
  const steps = (name) => scenarios.find((one) => one.name === name).steps;

  await step("run for real: the recorded trace plays beside the derived one, and is the same", open(base, `#/${topology.name}/payment-failure`), async (page) => {
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.getByText("Recorded as derived").waitFor();
    for (const side of ["Derived diagram", "Recorded diagram"]) await page.getByRole("region", { name: side }).waitFor();
    await page.keyboard.press("5");
    await until("a message on both", async () => (await page.locator(".canvas .message:not([display=none])").count()) === 2);
    assert.ok((await page.locator(".step .note", { hasText: / ms$/ }).count()) > 5, "how long steps took");
    await page.keyboard.press("End");
    await until("the end", async () => new RegExp(`^${steps("payment-failure").length} derived, \\d+ recorded steps played$`).test(await position(page)));
    await page.keyboard.press("s");
    await until("two sequences", async () => (await page.locator(".sequence").count()) === 2);
    await page.getByRole("button", { name: "Leave the recording" }).click();
    await until("one sequence", async () => (await page.locator(".sequence").count()) === 1);
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.getByText("Recorded as derived").waitFor();
    await page.getByRole("group", { name: "Scenarios" }).getByRole("button", { name: /Cache Hit/ }).click();
    await until("another scenario is shown as it is derived, without the recording of the first", async () =>
      (await page.locator(".verdict").count()) === 0 && (await page.locator(".step").count()) === steps("cache-hit").length);
  });

  await step("beside a recording with more steps, the list is where its drawing is", open(base, `#/${topology.name}/circuit-breaker`), async (page) => {
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.getByText("Recorded as derived").waitFor();
    await page.keyboard.press("5");
    await page.locator(".step[aria-current=step]").first().waitFor();
  });

  await step("differences are listed and marked on both sides", open(base, `#/${topology.name}/cache-hit`), async (page) => {
    // The system does as derived, so the reply is what it would be if a hop were gone and another there.
    await page.route("**/api/live/run", async (route) => {
      const response = await route.fetch();
      const reply = await response.json();
      const gone = reply.recorded.steps.find(({ kind }) => kind === "cache");
      const extra = { ...gone, id: "catalog-svc.GetProduct", to: "catalog-svc", edge: "api-gateway -> catalog-svc", kind: "call", label: "GetProduct", status: "ok" };
      reply.recorded.steps = reply.recorded.steps.map((one) => (one === gone ? extra : one));
      reply.verdict = "different";
      reply.differences = [
        { kind: "missing", step: gone.id, text: "redis was not asked" },
        { kind: "extra", recorded: extra.id, text: "catalog-svc was asked" },
      ];
      await route.fulfill({ response, json: reply });
    });
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.getByText("2 differences").waitFor();
    await page.getByText("catalog-svc was asked").waitFor();
    await page.locator(".step .note.m-missing").waitFor();
    const marked = await page.$$eval(".canvas", (all) => all.map((canvas) => [...canvas.querySelectorAll(".edge.differs")].map((e) => e.dataset.edge).sort()));
    assert.deepEqual(marked, Array(2).fill(["api-gateway -> catalog-svc", "api-gateway -> redis"]));
    await page.keyboard.press("s");
    await page.locator(".row.m-missing").waitFor();
    await page.locator(".row.m-extra").waitFor();
  });

  await step("live: rates on the edges, states of breakers", open(base, `#/${topology.name}`), async (page) => {
    await page.getByRole("button", { name: "Live" }).click();
    const other = await open(base, `#/${topology.name}/happy-path`);
    await other.getByRole("button", { name: "Run for real" }).click();
    await other.locator(".verdict").waitFor();
    await page.locator(".rate text", { hasText: /^\d+\.\d\/s/ }).first().waitFor();
    await page.locator(".edge[data-live=busy]").first().waitFor({ state: "attached" });
    await until("the breaker's state", async () => /on$/.test(await page.locator("[data-breaker='order-svc -> inventory-svc']").textContent()));
    await page.getByRole("button", { name: "Live" }).click();
    await until("no rates", async () => (await page.locator(".rate").count()) === 0);
    await other.context().close();
  });

  await step("a switch stops what runs, and lets it go again", open(base, `#/${topology.name}/happy-path`), async (page) => {
    const ask = async () => (await (await fetch(`${base}/api/live/switches`)).json()).switches.find(({ id }) => id === "twilio.hangs").on;
    await page.getByRole("button", { name: "Failures" }).click();
    await page.getByRole("switch", { name: "Twilio hangs" }).check();
    await until("the stand-in is held", ask);
    await page.getByRole("switch", { name: "Twilio hangs" }).uncheck();
    await until("it answers again", async () => !(await ask()));
    await page.getByRole("switch", { name: /Reserve fails with OutOfStock/ }).check();
    await page.keyboard.press("Escape");
    await until("it can't be run", async () => page.getByRole("button", { name: "Run for real" }).isDisabled());
    await page.getByRole("button", { name: /Switch off: Inventory Service: Reserve/ }).click();
    await page.getByRole("button", { name: "Failures" }).click();
    await page.getByRole("switch", { name: /breaker of Order Service is open/ }).check();
    await page.keyboard.press("Escape");
    await until("the derivation", async () => /circuit/i.test(await page.locator(".steps").innerText()));
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.getByText("Recorded as derived").waitFor();
    assert.match(await page.locator(".steps").innerText(), /circuit/i, "the breaker was open in what ran");
    assert.ok(await said(page));
  });
}
