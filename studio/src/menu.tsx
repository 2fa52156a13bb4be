// A button that opens a list of actions; closed by Esc, by a choice, by a press elsewhere.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

export interface Action {
  text: string;
  hint?: string;
  run: () => void;
}

export function Menu({ label, icon, actions }: { label: string; icon: IconName; actions: Action[] }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current!.querySelector<HTMLElement>("[role=menuitem]")!.focus();
    const outside = (event: PointerEvent) => box.current!.contains(event.target as Node) || setOpen(false);
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current!.focus();
  };
  const keys = (event: KeyboardEvent) => {
    if (!open) return;
    const items = [...box.current!.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const go = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") return setOpen(false);
    else if (go !== undefined) items[(go + items.length) % items.length]!.focus();
    else if (event.key !== "Enter" && event.key !== " ") return;
    if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={keys}>
      <button type="button" class="tool wide" ref={button} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)} title={label}>
        <Icon name={icon} />
        <span>{label}</span>
      </button>
      {open && (
        <div role="menu" aria-label={label} class="menu-list">
          {actions.map(({ text, hint, run }) => (
            <button
              type="button"
              role="menuitem"
              tabIndex={-1}
              key={text}
              onClick={() => {
                close();
                run();
              }}
            >
              {text}
              {hint && <kbd>{hint}</kbd>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
