// Each state of the page in light and dark, wide and narrow: axe-core finds nothing serious in it. In dark it is the same page in other colours, so
// that is what is asked there. With PICTURES_ALL each is kept as a picture, at a width in between, too, and of the other examples.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { all, asIfLive, NARROW, open, settled, step, WIDE } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const MEDIUM = { width: 1024, height: 768 };
const keep = process.env.PICTURES_ALL;

/** A recording that lacks a hop, has one more and one twice. */
const recorded = (derived) => async (page) => {
  await asIfLive(page, new URL(page.url()).hash.split("/")[1], derived, (recorded) => {
    const gone = recorded.steps.find(({ kind }) => kind === "cache");
    const at = recorded.steps.findIndex(({ phase, kind }) => phase === "undo" && kind === "call");
    const again = { ...recorded.steps[at], id: "again", status: "timeout" };
    recorded.steps.splice(at, 0, again);
    recorded.steps = recorded.steps.filter((one) => one !== gone);
    return { recorded, differences: [{ kind: "missing", step: gone.id, text: `${gone.from} -> ${gone.to} ${gone.label} (${gone.status}) was not seen` }] };
  });
  await page.reload();
  await page.getByRole("button", { name: "Run for real" }).click();
  await page.locator(".verdict").waitFor();
  for (let steps = 0; steps < 4; steps++) await page.keyboard.press("ArrowRight");
};

/** The steps of each other example at which there is most to be seen: the first that fails, else one in the middle. */
async function others(base) {
  const states = {};
  const { examples } = await (await fetch(`${base}/api/examples`)).json();
  for (const { id } of examples.slice(1)) {
    const { scenarios } = await (await fetch(`${base}/api/examples/${id}`)).json();
    states[`${id}-diagram`] = [`#/${id}`];
    for (const { name, steps } of scenarios) {
      const bad = steps.findIndex(({ status }) => ["timeout", "refused", "failed", "error", "open"].includes(status));
      states[`${id}-${name}`] = [`#/${id}/${name}?step=${(bad < 0 ? steps.length >> 1 : bad) + 1}`];
    }
    states[`${id}-sequence`] = [`#/${id}/${scenarios[0].name}?step=4&view=sequence`];
  }
  return states;
}

export async function looks(base, shop) {
  const id = shop.topology.name;
  const states = {
    diagram: [`#/${id}`],
    player: [`#/${id}/payment-failure?step=23`],
    breaker: [`#/${id}/circuit-breaker?step=46`],
    sequence: [`#/${id}/payment-failure?step=23&view=sequence`],
    details: [`#/${id}/payment-failure?step=13`, async (page) => {
      await page.locator(".step:nth-child(13) button").click();
      await page.locator(".listing").first().waitFor();
    }],
    editor: [`#/${id}`, async (page) => {
      await page.getByRole("button", { name: "Edit", exact: true }).click();
      await page.locator(".editor-host .cm-content").click();
      await page.keyboard.insertText("edge a -> b { http }\n");
      await page.locator(".diagnostics li").first().waitFor();
    }],
    help: [`#/${id}`, (page) => page.keyboard.press("?")],
    failures: [`#/${id}/happy-path?step=9&with=stripe.down`, (page) => page.getByRole("button", { name: "Failures" }).click()],
    recorded: [`#/${id}/payment-failure`, recorded(shop.scenarios.find(({ name }) => name === "payment-failure"))],
    "recorded-sequence": [`#/${id}/payment-failure?view=sequence`, recorded(shop.scenarios.find(({ name }) => name === "payment-failure"))],
    end: [`#/${id}/circuit-breaker`, (page) => page.keyboard.press("End")],
    export: [`#/${id}/cache-hit?step=2`, (page) => page.getByRole("button", { name: "Export" }).click()],
    unsaved: [`#/${id}`, async (page) => {
      await page.getByRole("button", { name: "Edit", exact: true }).click();
      await page.locator(".editor-host .cm-content").click();
      await page.keyboard.press("Control+End");
      await page.keyboard.insertText('\nclient tablet "Tablet"\nedge tablet -> api-gateway { http }\n');
      await page.locator("[data-node=tablet]").waitFor();
    }],
    ...(keep ? await others(base) : {}),
  };
  await all(Object.entries(states).map(([name, [hash, act]]) => () =>
    step(`axe: ${name}`, open(base, hash), async (page) => {
      await page.evaluate(axe); // not as a script of the page: its CSP would refuse that
      await act?.(page);
      if (name.startsWith("recorded")) await page.evaluate(axe); // it was loaded anew
      for (const viewport of keep ? [WIDE, MEDIUM, NARROW] : [WIDE, NARROW]) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          await settled(page);
          const rules = colorScheme === "light" ? {} : { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } };
          const { violations } = await page.evaluate((options) => window.axe.run(document, { resultTypes: ["violations"], ...options }), rules);
          const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
          const where = `${viewport.width} ${colorScheme}`;
          assert.deepEqual(serious.map(({ id, nodes }) => `${where} ${id}: ${nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join("; ")}`), []);
          if (keep) await page.screenshot({ path: `${process.env.PICTURES}/${name}-${viewport.width}-${colorScheme}.png` });
        }
      }
    }),
  ), 2);
}
