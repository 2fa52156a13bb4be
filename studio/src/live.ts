// The system that runs: whether there is one, and its traffic.
import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import type { LiveState, Traffic } from "./data";

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
