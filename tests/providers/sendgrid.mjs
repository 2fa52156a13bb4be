// SendGrid's own SDK against our stand-in.
import assert from "node:assert/strict";
import sendgrid from "@sendgrid/mail";
import { base, fault, ledger, plain, refused, run, secret } from "./stand-in.mjs";

function key(value) {
  sendgrid.setApiKey(value); // sets the base back as well
  sendgrid.client.setDefaultRequest("baseUrl", base);
}
key(secret);
const mail = {
  to: { email: "ada@example.test", name: "Ada" },
  from: { email: "orders@shop.example", name: "The Shop" },
  subject: "Your order is confirmed",
  text: "Thank you, Ada.",
};

await run({
  async "a mail is accepted"() {
    const [reply] = await sendgrid.send(mail);
    assert.equal(reply.statusCode, 202);
    const [entry] = await ledger();
    assert.deepEqual(entry.request, {
      personalizations: [{ to: [mail.to] }],
      from: mail.from,
      subject: mail.subject,
      content: [{ type: "text/plain", value: mail.text }],
    });
    assert.deepEqual([entry.call, entry.status], ["Send", 202]);
  },

  async "addresses need no name"() {
    const [reply] = await sendgrid.send({ ...mail, to: ["a@example.test", "b@example.test"], from: mail.from.email });
    assert.equal(reply.statusCode, 202);
    const [entry] = await ledger();
    assert.deepEqual(entry.request.personalizations, [{ to: [{ email: "a@example.test" }, { email: "b@example.test" }] }]);
  },

  async "what is missing, not known or no address is refused, with its name"() {
    const bad = [[{ subject: undefined }, /^subject/], [{ sendAt: 1 }, /send_at|sendAt/], [{ to: "nobody" }, /^personalizations.*email/]];
    for (const [more, field] of bad) {
      const error = await refused(sendgrid.send({ ...mail, ...more }));
      assert.equal(error.code, 400);
      assert.match(error.response.body.errors[0].field, field);
      assert.ok(error.response.body.errors[0].message);
    }
    assert.deepEqual(await ledger(), []);
  },

  async "nobody sends without the key, or by another scheme"() {
    key("SG.wrong");
    const error = await refused(sendgrid.send(mail));
    key(secret);
    assert.equal(error.code, 401);
    assert.equal(error.response.body.errors[0].message, "the credentials are not valid");
    for (const authorization of [secret, "Basic " + Buffer.from("apikey:" + secret).toString("base64")]) {
      const headers = { "Content-Type": "application/json", Authorization: authorization };
      assert.equal((await plain("POST", "/v3/mail/send", headers, "{}")).status, 401);
    }
    assert.deepEqual(await ledger(), []);
  },

  async "500, 429, half an answer"() {
    await fault("Send", "status");
    assert.equal((await refused(sendgrid.send(mail))).code, 500);
    await fault("Send", "status", { status: 429, headers: { "x-ratelimit-remaining": "0" } });
    const late = await refused(sendgrid.send(mail));
    assert.deepEqual([late.code, late.response.headers["x-ratelimit-remaining"]], [429, "0"]);
    assert.equal(late.response.body.errors[0].field, null);
    await fault("Send", "truncate");
    assert.match((await refused(sendgrid.send(mail))).message, /aborted/);
    const [reply] = await sendgrid.send(mail);
    assert.equal(reply.statusCode, 202);
  },
});
