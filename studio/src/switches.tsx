// Failure switches, by what they are of: each adds an assumption to the scenario, which is derived anew; with the system up it is made real, too,
// where that can be.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Switch, TopologyNode } from "./data";
import { Icon } from "./icons";

interface Props {
  switches: Switch[];
  nodes: TopologyNode[];
  on: string[];
  live: boolean;
  onFlip: (id: string, to: boolean) => void;
}

const REALITY: Record<Switch["real"], string> = { now: "", run: "when it is run", never: "derivation only" };

export function Switches({ switches, nodes, on, live, onFlip }: Props) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current!.querySelector<HTMLElement>("input")?.focus();
    const outside = (event: PointerEvent) => box.current!.contains(event.target as Node) || setOpen(false);
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const keys = (event: KeyboardEvent) => {
    if (!open || event.key !== "Escape") return;
    setOpen(false);
    button.current!.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={keys}>
      <button type="button" class={on.length > 0 ? "tool wide failing" : "tool wide"} ref={button} aria-expanded={open} onClick={() => setOpen(!open)} title="Failures: what if">
        <Icon name="fault" />
        <span>Failures{on.length > 0 ? ` (${on.length})` : ""}</span>
      </button>
      {open && (
        <div class="menu-list switches" role="group" aria-label="Failures">
          <p>{live ? "The scenario is derived anew, and it is so in the running system." : "The scenario is derived anew."}</p>
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
      )}
    </div>
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
