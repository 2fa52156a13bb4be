// The keys, in a dialog; and whether single keys do something at all (WCAG 2.1.4).
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons";

const KEYS: [string[], string][] = [
  [["Space"], "Play or pause"],
  [["→", "←"], "Step forward, back"],
  [["Home", "End"], "To the beginning, to the end"],
  [["0", "…", "9"], "To that tenth of the scenario"],
  [["<", ">"], "Slower, faster"],
  [["S"], "Sequence or diagram"],
  [["C"], "Copy the scenario as text"],
  [["R"], "Run: open the player"],
  [["E"], "Edit the topology"],
  [["+", "-", "F"], "Zoom in, zoom out, fit"],
  [["Esc"], "Close what was opened last"],
  [["?"], "This help"],
];

interface Props {
  keys: boolean;
  onKeys: (on: boolean) => void;
  onClose: () => void;
}

export function Help({ keys, onKeys, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog class="help" ref={dialog} aria-labelledby="help-title" onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current!.close()}>
      <div class="help-body">
        <header>
          <h2 id="help-title">Keys</h2>
          <button type="button" class="tool" aria-label="Close help" onClick={() => dialog.current!.close()}>
            <Icon name="close" />
          </button>
        </header>
        <dl class="keys">
          {KEYS.map(([names, text]) => (
            <div key={text}>
              <dt>
                {names.map((name) => (
                  <kbd key={name}>{name}</kbd>
                ))}
              </dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
        <p class="muted">In the diagram, arrows go from node to node and Enter shows what stands behind one; its edges are listed there.</p>
        <label class="check">
          <input type="checkbox" checked={keys} onChange={(event) => onKeys(event.currentTarget.checked)} /> Single keys work everywhere on the page
        </label>
      </div>
    </dialog>
  );
}
