// Each state of the page in light and dark, wide and narrow: axe-core finds nothing serious in it. In dark it is the same page in other colours, so
// that is what is asked there. With PICTURES_ALL each is kept as a picture.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { all, NARROW, open, settled, step, WIDE } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

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
    failures: [`#/${id}/happy-path?with=stripe.down`, (page) => page.getByRole("button", { name: "Failures" }).click()],
  };
  await all(Object.entries(states).map(([name, [hash, act]]) => () =>
    step(`axe: ${name}`, open(base, hash), async (page) => {
      await page.evaluate(axe); // not as a script of the page: its CSP would refuse that
      await act?.(page);
      for (const viewport of [WIDE, NARROW]) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          await settled(page);
          const rules = colorScheme === "light" ? {} : { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } };
          const { violations } = await page.evaluate((options) => window.axe.run(document, { resultTypes: ["violations"], ...options }), rules);
          const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
          const where = `${viewport.width} ${colorScheme}`;
          assert.deepEqual(serious.map(({ id, nodes }) => `${where} ${id}: ${nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join("; ")}`), []);
          if (process.env.PICTURES_ALL) await page.screenshot({ path: `${process.env.PICTURES}/${name}-${viewport.width}-${colorScheme}.png` });
        }
      }
    }),
  ), 2);
}
