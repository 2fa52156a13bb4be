// The typed client that openapi-typescript makes of openapi.yaml, as a person uses it: signs up, signs in, orders, reads the order.
// client.ts says what it does wrong by its types: each `@ts-expect-error` is a mistake that tsc has to find.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Order = components["schemas"]["Order"];

const api = createClient<paths>({ baseUrl: process.env["BASE"] ?? "" });

function must(condition: unknown, what: unknown): asserts condition {
  if (!condition) throw new Error(JSON.stringify(what));
}

const email = `typed-${process.pid}-${Date.now()}@example.test`;
const password = "correct horse battery";

const user = await api.POST("/v1/users", { body: { email, password, name: "Ada" } });
must(user.response.status === 201 && user.data?.email === email, user.error);

const twice = await api.POST("/v1/users", { body: { email, password, name: "Ada" } });
must(twice.response.status === 409 && twice.error?.type === "/problems/email-taken", twice);

const session = await api.POST("/v1/sessions", { body: { email, password } });
must(session.data, session.error);
const token: string = session.data.token;
const bearer: Middleware = {
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
};
api.use(bearer);

const kettle = await api.GET("/v1/products/{sku}", { params: { path: { sku: "kettle" } } });
must(kettle.data && ["hit", "miss"].includes(kettle.response.headers.get("X-Cache") ?? ""), kettle);
const body: components["schemas"]["PlaceOrderInput"] = { lines: [{ sku: "kettle", qty: 2 }], payment_method: "pm_card_visa" };
const params = { header: { "Idempotency-Key": `key-${process.pid}` } };
const placed = await api.POST("/v1/orders", { body, params });
must(placed.response.status === 201 && placed.data, placed.error);
const order: Order = placed.data;
must(order.status === "confirmed" && order.total_cents === 2 * kettle.data.price_cents, order);

const again = await api.POST("/v1/orders", { body, params });
must(again.data?.id === order.id, again);

const read = await api.GET("/v1/orders/{id}", { params: { path: { id: order.id } } });
must(read.data?.lines[0]?.sku === "kettle", read.error);

const summary = await api.GET("/v1/orders/{id}/summary", { params: { path: { id: order.id } } });
must(summary.data && summary.data.payment !== null && summary.data.payment.status === "captured", summary);

const declined = await api.POST("/v1/orders", { body: { ...body, payment_method: "pm_card_chargeDeclined" } });
must(declined.error && "type" in declined.error && declined.error.type === "/problems/card-declined", declined);

const none = await api.GET("/v1/orders/{id}", { params: { path: { id: "018f3a5e-0000-7000-8000-00000000ffff" } } });
must(none.response.status === 404 && none.error?.type === "/problems/order-not-found", none);

// Never called: what must not pass the compiler.
export async function mistakes(): Promise<void> {
  // @ts-expect-error there is no such path
  await api.GET("/v1/nothing");
  // @ts-expect-error a line has a number of pieces
  await api.POST("/v1/orders", { body: { lines: [{ sku: "kettle" }], payment_method: "x" } });
  // @ts-expect-error a status is one of five words
  const status: "lost" = order.status;
  // @ts-expect-error the payment may be missing
  must(status && summary.data.payment.status, status);
}

console.log("ordered and read", order.id);
