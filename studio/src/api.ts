// The server's routes as functions. Each throws Refusal, whose text is what the server said.
import type { Checked, Code, Diagnostic, Example, ExampleEntry, LiveRun, LiveState, Scenario } from "./data";

export class Refusal extends Error {
  constructor(
    public status: number,
    message: string,
    public diagnostics: Diagnostic[] = [],
  ) {
    super(message);
  }
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Refusal(0, "The server does not answer. Does ecomc studio still run?");
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { title?: string; detail?: string; diagnostics?: Diagnostic[] };
  throw new Refusal(response.status, problem.detail ?? problem.title ?? `The server answered ${response.status}.`, problem.diagnostics);
}

const post = (body: unknown, signal?: AbortSignal): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
  signal,
});
const at = (id: string, rest = "") => `/api/examples/${encodeURIComponent(id)}${rest}`;
const json = async <T>(response: Promise<Response>): Promise<T> => (await response).json() as Promise<T>;

export const examples = () => json<{ examples: ExampleEntry[] }>(ask("/api/examples")).then((reply) => reply.examples);
export const example = async (id: string): Promise<Example> => ({
  scenarios: [],
  switches: [],
  places: {},
  diagnostics: [],
  ...(await json<Partial<Example>>(ask(at(id)))), // of a text with errors there is nothing but those
});
export const check = (id: string, text: string, signal: AbortSignal) => json<Checked>(ask(at(id, "/check"), post({ text, assume: [] }, signal)));
export const derive = (id: string, scenario: string, assume: string[]) => json<Scenario>(ask(at(id, "/derive"), post({ scenario, assume })));
export const code = (id: string, query: Record<string, string>) => json<Code>(ask(`${at(id, "/code")}?${new URLSearchParams(query)}`));

export interface Source {
  file: string;
  etag: string;
  text: string;
}
export const source = (id: string) => json<Source>(ask(at(id, "/source")));

/** Gives the new ETag; Refusal with 412 when the file is another than the one that was read. */
export async function save(id: string, text: string, etag: string): Promise<string> {
  const headers = { "Content-Type": "application/json", "If-Match": etag };
  const response = await ask(at(id, "/source"), { method: "PUT", headers, body: JSON.stringify({ text }) });
  return response.headers.get("ETag") ?? "";
}

export const live = () => json<LiveState>(ask("/api/live"));
export const liveRun = (scenario: string, switches: string[]) => json<LiveRun>(ask("/api/live/run", post({ scenario, switches })));
export const liveSwitch = async (id: string, on: boolean) => void (await ask("/api/live/switches", post({ id, on })));
