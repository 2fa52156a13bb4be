// Failure switches: each adds an assumption to the scenario, which is derived anew; with the system up it is made real, too.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Switch } from "./data";
import { Icon } from "./icons";

interface Props {
  switches: Switch[];
  on: string[];
  live: boolean;
  onFlip: (id: string, to: boolean) => void;
}

export function Switches({ switches, on, live, onFlip }: Props) {
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
        <fieldset class="menu-list switches">
          <legend>{live ? "Also of the running system" : "The scenario is derived anew"}</legend>
          {switches.map(({ id, label, assume }) => (
            <label key={id} class="switch" title={`assume ${assume}`}>
              <input type="checkbox" role="switch" checked={on.includes(id)} onChange={(event) => onFlip(id, event.currentTarget.checked)} />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
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
