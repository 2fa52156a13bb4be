// The system that runs: whether there is one, its traffic, and what a scenario did when it was run for real.
import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import type { LiveRun, LiveState, Traffic } from "./data";

const ASK = 5000; // ms between two questions whether a system is up

export function useLive(): LiveState | undefined {
  const [state, set] = useState<LiveState>();
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const ask = async () => {
      if (!document.hidden) {
        const now = await api.live().catch(() => undefined);
        if (gone) return;
        if (now) set((old) => (JSON.stringify(old) === JSON.stringify(now) ? old : now));
        else set(undefined);
      }
      timer = window.setTimeout(ask, ASK);
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, []);
  return state;
}

/** Traffic each second, while it is wanted. EventSource connects again by itself. */
export function useTraffic(on: boolean): Traffic | undefined {
  const [traffic, set] = useState<Traffic>();
  useEffect(() => {
    if (!on) return;
    const source = new EventSource("/api/live/events");
    source.addEventListener("traffic", (event) => set(JSON.parse((event as MessageEvent<string>).data) as Traffic));
    return () => {
      source.close();
      set(undefined);
    };
  }, [on]);
  return on ? traffic : undefined;
}

/** Steps that differ, by id: of the derived side, of the recorded one, and the edges on which they are. */
export function marksOf(run: LiveRun) {
  const derived = new Map<string, string>();
  const recorded = new Map<string, string>();
  for (const { kind, step, recorded: other } of run.differences) {
    if (step !== undefined) derived.set(step, kind);
    if (other !== undefined) recorded.set(other, kind);
  }
  const times = new Map<string, string>();
  for (const { id, kind, start_ms = 0, end_ms = 0 } of run.recorded.steps) {
    if (kind !== "reply" && end_ms > start_ms) times.set(id, `${(end_ms - start_ms).toPrecision(end_ms - start_ms < 100 ? 2 : 3)} ms`);
  }
  const edges = new Set<string>();
  for (const step of run.derived.steps) if (derived.has(step.id)) edges.add(step.edge);
  for (const step of run.recorded.steps) if (recorded.has(step.id)) edges.add(step.edge);
  return { derived, recorded, edges, times };
}

export function Verdict({ run, onClose }: { run: LiveRun; onClose: () => void }) {
  const same = run.verdict === "same";
  return (
    <div class={same ? "verdict t-good" : "verdict t-bad"} role="status">
      <p>
        <b>{same ? "Recorded as derived" : `${run.differences.length} ${run.differences.length === 1 ? "difference" : "differences"}`}</b>{" "}
        <span class="muted">trace {run.trace_id.slice(0, 8)}</span>
        <button type="button" class="link" onClick={onClose}>
          Leave the recording
        </button>
      </p>
      {run.differences.length > 0 && (
        <ul>
          {run.differences.map(({ kind, text }, i) => (
            <li key={i}>
              <span class={`note m-${kind}`}>{kind}</span> {text}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
