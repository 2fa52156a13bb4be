// usage: node page.mjs BASE FILE      BASE: where ecom-studio serves, FILE: the topology that it serves, which this may change
//        node page.mjs BASE FILE PART           one of the parts; `live` needs a system that is up and is run for that alone
import { finish, launch } from "./harness.mjs";
import { live } from "./live.mjs";
import { looks } from "./looks.mjs";
import { player } from "./player.mjs";
import { editor, exports, switches } from "./rest.mjs";
import { speed } from "./speed.mjs";

const [base, file, only] = process.argv.slice(2);
const { examples } = await (await fetch(`${base}/api/examples`)).json();
const shop = await (await fetch(`${base}/api/examples/${examples[0].id}`)).json();
const browser = await launch();
const parts = {
  speed: () => speed(base, shop),
  player: () => player(base, shop),
  switches: () => switches(base, shop),
  exports: () => exports(base, shop, browser),
  looks: () => looks(base, shop),
  editor: () => editor(base, shop, file),
  live: () => live(base, shop),
};
try {
  for (const [name, part] of Object.entries(parts)) if (only ? only === name : name !== "live") await part();
} finally {
  await browser.close();
}
finish();
