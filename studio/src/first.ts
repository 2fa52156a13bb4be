// What the page needs first: the list of examples and the one that the address names, asked for before the page's own code, which is larger, is read: a script of its own.
// Whoever draws waits for it as long as nobody would notice, and then draws once.
import * as api from "./api";
import type { Example, ExampleEntry } from "./data";
import { parseRoute } from "./route";

const PATIENCE = 150; // ms, from when it was asked

/** What has come by now. */
export const first: { examples?: ExampleEntry[]; loaded?: { id: string; data: Example } } = {};

let held: { id: string; data: Promise<Example> } | undefined;

function hold(id: string) {
  const data = api.example(id);
  held = { id, data };
  return data.then((data) => (first.loaded = { id, data }));
}

export const examples = api.examples().then((list) => (first.examples = list));
const named = parseRoute(location.hash).example;
const all = named === undefined ? examples.then((list) => list[0] && hold(list[0].id)) : Promise.all([examples, hold(named)]);

/** An example; the one that was asked for early is asked for once. */
export function example(id: string): Promise<Example> {
  const data = held?.id === id ? held.data : api.example(id);
  held = undefined;
  return data;
}

/** What fails is told by who draws. */
export const asked: Promise<unknown> = Promise.race([all.catch(() => undefined), new Promise<void>((done) => setTimeout(done, PATIENCE))]);
