// Failure switches, by what they are of: each adds an assumption to the scenario, which is derived anew; with the system up it is made real, too,
// where that can be.
import { useEffect, useRef } from "preact/hooks";
import type { Switch, TopologyNode } from "./data";
import { Icon } from "./icons";

interface Props {
  switches: Switch[];
  nodes: TopologyNode[];
  on: string[];
  live: boolean;
  onFlip: (id: string, to: boolean) => void;
  onClose: () => void;
}

const BUTTON = "failures-button";
const PANEL = "failures";

const REALITY: Record<Switch["real"], string> = { now: "", run: "when it is run", never: "derivation only" };

/** Opens and closes them, and says how many are on. */
export function SwitchesButton({ on, open, onOpen }: { on: number; open: boolean; onOpen: (open: boolean) => void }) {
  return (
    <button type="button" class={on > 0 ? "tool wide failing" : "tool wide"} id={BUTTON} aria-expanded={open} aria-controls={PANEL} onClick={() => onOpen(!open)} title="Failures: what if">
      <Icon name="fault" />
      <span>Failures{on > 0 ? ` (${on})` : ""}</span>
    </button>
  );
}

/** A panel beside the drawing, which makes room for it: it stays open while the story that it changes is played. */
export function Switches({ switches, nodes, on, live, onFlip, onClose }: Props) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current!.querySelector<HTMLElement>("input")?.focus(), []);
  const close = () => {
    onClose();
    document.getElementById(BUTTON)?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    close();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <section class="switches" id={PANEL} ref={box} aria-label="Failures" onKeyDown={keys}>
      <header>
        <h2>Failures</h2>
        <button type="button" class="tool" aria-label="Close failures" title="Close (Esc)" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <p>{live ? "The scenario is derived anew, and it is so in the running system." : "The scenario is derived anew."}</p>
      <div class="switches-list">
        {nodes
          .map((node) => ({ node, its: switches.filter((one) => one.node === node.id) }))
          .filter(({ its }) => its.length > 0)
          .map(({ node, its }) => (
            <fieldset key={node.id}>
              <legend>
                {node.title} <code>{node.id}</code>
              </legend>
              {its.map(({ id, label, what, assume, real }) => (
                <label key={id} class="switch" title={`assume ${assume}`}>
                  <input type="checkbox" role="switch" aria-label={label} checked={on.includes(id)} onChange={(event) => onFlip(id, event.currentTarget.checked)} />
                  <span>{what}</span>
                  {live && REALITY[real] && <small>{REALITY[real]}</small>}
                </label>
              ))}
            </fieldset>
          ))}
      </div>
    </section>
  );
}

/** Those that are on, to be taken off again. */
export function SwitchedOn({ switches, on, onFlip }: Pick<Props, "switches" | "on" | "onFlip">) {
  const shown = switches.filter(({ id }) => on.includes(id));
  if (shown.length === 0) return null;
  return (
    <ul class="switched" aria-label="Failures that are on">
      {shown.map(({ id, label }) => (
        <li key={id}>
          <button type="button" class="note bad" onClick={() => onFlip(id, false)} aria-label={`Switch off: ${label}`}>
            {label} <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
