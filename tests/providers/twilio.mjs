// Twilio's own SDK against our stand-in. It always goes to api.twilio.com: the client that it sends with takes it to the stand-in.
import assert from "node:assert/strict";
import twilio from "twilio";
import { base, fault, ledger, plain, refused, run, secret } from "./stand-in.mjs";

class ToStandIn extends twilio.RequestClient {
  request(options) {
    const uri = options.uri.replace("https://api.twilio.com", base);
    assert.ok(uri.startsWith(base), options.uri);
    return super.request({ ...options, uri });
  }
}
const account = process.env.ACCOUNT;
const connect = (sid = account, token = secret, options = {}) =>
  twilio(sid, token, { httpClient: new ToStandIn({ timeout: 10000, ...options }) });
const client = connect();
const message = { to: "+15005550010", from: "+15005550006", body: "Order 1 is confirmed." };

await run({
  async "a message is queued"() {
    const sent = await client.messages.create(message);
    assert.match(sent.sid, /^SM/);
    assert.deepEqual([sent.status, sent.to, sent.from, sent.body], ["queued", message.to, message.from, message.body]);
    const [entry] = await ledger();
    assert.deepEqual(entry.request, { To: message.to, From: message.from, Body: message.body });
    assert.deepEqual([entry.call, entry.status, entry.reply.sid], ["Send", 201, sent.sid]);
  },

  async "a number that is none"() {
    const error = await refused(client.messages.create({ ...message, to: "+15005550001" }));
    assert.deepEqual([error.status, error.code], [400, 21211]);
    assert.match(error.message, /'To'/);
    assert.match(error.moreInfo, /21211$/);
  },

  async "without a text, with a long one, with a field that is not known"() {
    for (const more of [{ body: undefined }, { body: "x".repeat(1601) }, { statusCallback: "https://shop.example/" }]) {
      const error = await refused(client.messages.create({ ...message, ...more }));
      assert.equal(error.status, 400);
      assert.match(error.message, /Body|StatusCallback/);
    }
    assert.deepEqual(await ledger(), []);
  },

  async "nobody sends without the token, for another account, or by another scheme"() {
    const wrong = await refused(connect(account, "wrong").messages.create(message));
    assert.deepEqual([wrong.status, wrong.code, wrong.message], [401, 20003, "Authenticate"]);
    assert.equal((await refused(connect("AC" + "1".repeat(32)).messages.create(message))).status, 401);
    const path = `/2010-04-01/Accounts/${account}/Messages.json`;
    const headers = { "Content-Type": "application/x-www-form-urlencoded", Authorization: "Bearer " + secret };
    assert.equal((await plain("POST", path, headers, "To=1&From=2&Body=3")).status, 401);
    assert.deepEqual(await ledger(), []);
  },

  async "500, and 429 which the SDK repeats by itself"() {
    await fault("Send", "status");
    assert.equal((await refused(client.messages.create(message))).status, 500);
    await fault("Send", "status", { status: 429, times: 2 });
    const sent = await connect(account, secret, { autoRetry: true }).messages.create(message);
    assert.match(sent.sid, /^SM/);
    assert.deepEqual((await ledger()).map((e) => e.status), [500, 429, 429, 201]);
  },

  async "no answer, and half of one"() {
    await fault("Send", "timeout", { effect: false });
    assert.match((await refused(connect(account, secret, { timeout: 700 }).messages.create(message))).message, /timeout/);
    await fault("Send", "truncate", { effect: false });
    assert.match((await refused(client.messages.create(message))).message, /aborted/);
    assert.deepEqual((await ledger()).map((e) => [e.status, e.fault]), [[0, "timeout"], [0, "truncate"]]);
  },
});
