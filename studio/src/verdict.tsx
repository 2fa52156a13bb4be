// What a scenario did when it was run for real, beside what was derived.
import type { LiveRun } from "./data";

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
