// What the scripts share: where the stand-in is, its ledger and faults, and running the cases one after another.
// The environment says it all: STAND_IN (https://127.0.0.1:port), SECRET, NODE_EXTRA_CA_CERTS. TLS is verified as ever.
import assert from "node:assert/strict";

export const base = process.env.STAND_IN;
export const secret = process.env.SECRET;
export const { hostname: host, port } = new URL(base);

async function ask(method, path, body) {
  const reply = await fetch(base + "/_sandbox/" + path, { method, body: body && JSON.stringify(body) });
  assert.ok(reply.ok, `${method} ${path}: ${reply.status}`);
  const text = await reply.text();
  return text ? JSON.parse(text) : undefined;
}

export const ledger = () => ask("GET", "ledger");
export const fault = (call, kind, more = {}) => ask("POST", "faults", { call, kind, ...more });

// A request by hand: its status and its JSON.
export async function plain(method, path, headers, body) {
  const reply = await fetch(base + path, { method, headers, body });
  return { status: reply.status, body: await reply.json() };
}

// What a promise is refused with; an error when it is not.
export async function refused(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: `this should have been refused: ${JSON.stringify(value)}` });
}

// Before each case the ledger and the faults are empty; after it every fault that it asked for must have fired.
export async function run(cases) {
  for (const [name, body] of Object.entries(cases)) {
    await ask("DELETE", "ledger");
    await ask("DELETE", "faults");
    try {
      await body();
      for (const f of await ask("GET", "faults")) assert.equal(f.left, 0, `${f.kind} has not fired`);
      assert.ok(!JSON.stringify(await ledger()).includes(secret), "the secret is in the ledger");
    } catch (error) {
      console.log(`FAIL ${name}: ${error.stack}`);
      console.log(`ledger: ${JSON.stringify(await ledger())}`);
      process.exit(1);
    }
    console.log(`ok ${name}`);
  }
  process.exit(0);
}
