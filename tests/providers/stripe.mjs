// Stripe's own SDK against our stand-in.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import Stripe from "stripe";
import { fault, host, ledger, plain, port, refused, run, secret } from "./stand-in.mjs";

const { errors } = Stripe;
const connect = (options = {}, key = secret) =>
  new Stripe(key, { host, port, protocol: "https", telemetry: false, maxNetworkRetries: 0, timeout: 10000, ...options });
const stripe = connect();
const patient = connect({ maxNetworkRetries: 2 });
const payment = (more = {}) => ({
  amount: 4900,
  currency: "usd",
  payment_method: "pm_card_visa",
  confirm: true,
  automatic_payment_methods: { enabled: true, allow_redirects: "never" },
  metadata: { order_id: randomUUID() },
  ...more,
});
const pay = (client = stripe, more = {}, options = {}) => client.paymentIntents.create(payment(more), options);

// The client must see `kind` without a retry of its own; with one, under the same key, it gets the payment, and there is one.
async function spoiled(kind, type, more = {}) {
  const timeout = kind === "timeout" ? 2000 : 10000;
  await fault("CreatePayment", kind, more);
  const error = await refused(pay(connect({ timeout })));
  assert.ok(error instanceof type, `${kind}: ${error.type} ${error.message}`);
  const before = (await ledger()).length;
  await fault("CreatePayment", kind, more);
  const intent = await pay(connect({ maxNetworkRetries: 2, timeout }));
  assert.equal(intent.status, "succeeded");
  const entries = (await ledger()).slice(before);
  assert.equal(entries.length, 2);
  assert.equal(entries[0].fault, kind);
  assert.equal(entries[0].key, entries[1].key);
  assert.ok(entries[0].key.startsWith("stripe-node-retry-"));
  assert.deepEqual(entries[1].request, entries[0].request);
  const effects = entries.filter((e) => e.status === 200 && !e.replayed);
  assert.equal(effects.length, 1, "one payment");
  assert.equal(effects[0].reply.id, intent.id);
  return error;
}

await run({
  async "a payment is taken, and can be looked at"() {
    const intent = await pay();
    assert.match(intent.id, /^pi_/);
    assert.equal(intent.object, "payment_intent");
    assert.equal(intent.status, "succeeded");
    assert.equal(intent.amount_received, 4900);
    assert.ok(Math.abs(intent.created - Date.now() / 1000) < 60);
    const again = await stripe.paymentIntents.retrieve(intent.id);
    assert.deepEqual([again.id, again.status, again.amount, again.metadata], [intent.id, "succeeded", 4900, intent.metadata]);
  },

  async "the ledger has what was sent"() {
    const sent = payment();
    const idempotencyKey = "ours/" + randomUUID();
    const intent = await stripe.paymentIntents.create(sent, { idempotencyKey });
    const [entry] = await ledger();
    assert.deepEqual(entry.request, sent);
    assert.equal(entry.call, "CreatePayment");
    assert.equal(entry.key, idempotencyKey);
    assert.equal(entry.status, 200);
    assert.equal(entry.reply.id, intent.id);
  },

  async "a card is declined"() {
    const error = await refused(pay(stripe, { payment_method: "pm_card_chargeDeclined" }));
    assert.ok(error instanceof errors.StripeCardError);
    assert.deepEqual([error.statusCode, error.code, error.decline_code], [402, "card_declined", "generic_decline"]);
    assert.equal(error.message, "Your card was declined.");
  },

  async "a key is one payment"() {
    const key = { idempotencyKey: randomUUID() };
    const sent = payment();
    const first = await stripe.paymentIntents.create(sent, key);
    const second = await stripe.paymentIntents.create(sent, key);
    assert.equal(second.id, first.id);
    assert.equal(first.lastResponse.headers["idempotent-replayed"], undefined);
    assert.equal(second.lastResponse.headers["idempotent-replayed"], "true");
    assert.notEqual((await pay()).id, first.id);
    const other = await refused(stripe.paymentIntents.create({ ...sent, amount: 4901 }, key));
    assert.ok(other instanceof errors.StripeIdempotencyError);
    assert.equal(other.statusCode, 400);
    assert.deepEqual((await ledger()).map((e) => e.replayed), [false, true, false]);
  },

  async "a refusal is kept under its key"() {
    const key = { idempotencyKey: randomUUID() };
    const sent = payment({ payment_method: "pm_card_chargeDeclined" });
    await refused(stripe.paymentIntents.create(sent, key));
    const again = await refused(stripe.paymentIntents.create(sent, key));
    assert.equal(again.code, "card_declined");
    assert.equal(again.headers["idempotent-replayed"], "true");
  },

  async "a refund, once"() {
    const intent = await pay();
    const refund = await stripe.refunds.create({ payment_intent: intent.id });
    assert.match(refund.id, /^re_/);
    assert.deepEqual([refund.status, refund.amount, refund.payment_intent], ["succeeded", 4900, intent.id]);
    const twice = await refused(stripe.refunds.create({ payment_intent: intent.id }));
    assert.ok(twice instanceof errors.StripeInvalidRequestError);
    assert.equal(twice.code, "charge_already_refunded");
    const unknown = await refused(stripe.refunds.create({ payment_intent: "pi_none" }));
    assert.ok(unknown instanceof errors.StripeInvalidRequestError);
    assert.deepEqual([unknown.code, unknown.param], ["resource_missing", "payment_intent"]);
    assert.equal((await refused(stripe.paymentIntents.retrieve("pi_none"))).code, "resource_missing");
  },

  async "a refund that takes its time"() {
    const intent = await pay(stripe, { payment_method: "pm_card_pendingRefund" });
    const refund = await stripe.refunds.create({ payment_intent: intent.id });
    assert.deepEqual([intent.status, refund.status], ["succeeded", "pending"]);
    const asked = [await stripe.refunds.retrieve(refund.id), await stripe.refunds.retrieve(refund.id)];
    assert.deepEqual(asked.map((r) => r.status), ["pending", "succeeded"]);
    assert.deepEqual([asked[1].id, asked[1].amount, asked[1].payment_intent], [refund.id, 4900, intent.id]);
    assert.equal((await refused(stripe.refunds.retrieve("re_none"))).code, "resource_missing");
  },

  async "a payment that its owner must confirm is cancelled"() {
    const intent = await pay(stripe, { payment_method: "pm_card_authenticationRequired" });
    assert.deepEqual([intent.status, intent.amount_received], ["requires_action", 0]);
    assert.ok((await refused(stripe.refunds.create({ payment_intent: intent.id }))) instanceof errors.StripeInvalidRequestError);
    assert.equal((await stripe.paymentIntents.cancel(intent.id)).status, "canceled");
    assert.equal((await stripe.paymentIntents.retrieve(intent.id)).status, "canceled");
    const late = await refused(stripe.paymentIntents.cancel(intent.id));
    assert.equal(late.code, "payment_intent_unexpected_state");
  },

  async "what is not known or does not fit is refused, with its name"() {
    const unknown = await refused(pay(stripe, { tip: 3 }));
    assert.ok(unknown instanceof errors.StripeInvalidRequestError);
    assert.deepEqual([unknown.statusCode, unknown.param], [400, "tip"]);
    const negative = await refused(pay(stripe, { amount: -1 }));
    assert.deepEqual([negative.statusCode, negative.param], [400, "amount"]);
    const nowhere = await refused(stripe.customers.create({ name: "Ada" }));
    assert.ok(nowhere instanceof errors.StripeInvalidRequestError);
    assert.equal(nowhere.statusCode, 404);
    assert.deepEqual(await ledger(), []);
  },

  async "nobody pays without the key, or by another scheme"() {
    const error = await refused(pay(connect({}, "sk_test_wrong")));
    assert.ok(error instanceof errors.StripeAuthenticationError);
    assert.equal(error.statusCode, 401);
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    const basic = "Basic " + Buffer.from(secret + ":").toString("base64");
    for (const headers of [form, { ...form, Authorization: basic }, { ...form, Authorization: secret }]) {
      const reply = await plain("POST", "/v1/refunds", headers, "payment_intent=pi_1");
      assert.equal(reply.status, 401);
      assert.equal(reply.body.error.type, "invalid_request_error");
    }
    assert.deepEqual(await ledger(), []);
  },

  async "500: an error of the API"() {
    const error = await spoiled("status", errors.StripeAPIError);
    assert.equal(error.statusCode, 500);
  },

  async "429: too many requests"() {
    const headers = { "stripe-should-retry": "true", "retry-after": "1" };
    const error = await spoiled("status", errors.StripeRateLimitError, { status: 429, headers });
    assert.deepEqual([error.statusCode, error.headers["retry-after"]], [429, "1"]);
  },

  async "no answer"() {
    await spoiled("timeout", errors.StripeConnectionError);
  },

  // The SDK does not repeat after a 200: whoever calls it does.
  async "half an answer"() {
    const sent = payment();
    const key = { idempotencyKey: randomUUID() };
    await fault("CreatePayment", "truncate");
    const error = await refused(patient.paymentIntents.create(sent, key));
    assert.ok(error instanceof errors.StripeAPIError);
    assert.match(error.message, /Invalid JSON/);
    const intent = await patient.paymentIntents.create(sent, key);
    const entries = await ledger();
    assert.deepEqual(entries.map((e) => [e.status, e.replayed]), [[200, false], [200, true]]);
    assert.equal(entries[0].reply.id, intent.id);
  },

  async "a closed connection, before and after the effect"() {
    for (const effect of [false, true]) {
      await fault("CreatePayment", "close", { effect });
      const intent = await pay(patient);
      assert.equal(intent.status, "succeeded");
    }
    const entries = await ledger();
    assert.deepEqual(entries.map((e) => [e.status, e.replayed]), [[0, false], [200, false], [200, false], [200, true]]);
    assert.equal(entries[2].reply.id, entries[3].reply.id);
  },
});
