// Examples, and what belongs to the page as a whole.
import type { ExampleEntry, LiveState } from "./data";
import { Icon } from "./icons";
import { formatRoute } from "./route";
import type { Theme } from "./theme";

interface Props {
  examples: ExampleEntry[];
  current?: string;
  scenario?: string;
  live?: LiveState;
  theme: Theme;
  onTheme: (theme: Theme) => void;
  onHelp: () => void;
  open: boolean;
  onClose: () => void;
}

const link = (example: string, scenario?: string) => formatRoute({ example, ...(scenario ? { scenario } : {}), sequence: false, switches: [] });

export function Sidebar({ examples, current, scenario, live, theme, onTheme, onHelp, open, onClose }: Props) {
  return (
    <nav class={open ? "sidebar open" : "sidebar"} aria-label="Examples" id="sidebar">
      <div class="brand">
        <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
          <path d="M4 12h5m6-5h-3v10h3" />
          <circle cx="4" cy="12" r="2.5" />
          <circle cx="18" cy="7" r="2.5" />
          <circle cx="18" cy="17" r="2.5" />
        </svg>
        <b>ecom studio</b>
        <button type="button" class="tool drawer-close" aria-label="Close examples" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <h2>Examples</h2>
      <ul class="examples">
        {examples.map(({ id, title, file, scenarios, live: runs }) => (
          <li key={id}>
            <a href={link(id)} aria-current={id === current && !scenario ? "page" : undefined} class={id === current ? "example current" : "example"} onClick={onClose}>
              <span>{title}</span>
              <small>
                {file.split(/(?<=\/)/).map((part) => [part, <wbr />])}
                {runs && <span class="alive">running</span>}
              </small>
            </a>
            {id === current && scenarios.length > 0 && (
              <ul class="scenarios">
                {scenarios.map(({ name, title: words }) => (
                  <li key={name}>
                    <a href={link(id, name)} aria-current={name === scenario ? "page" : undefined} onClick={onClose}>
                      {words}
                    </a>
                  </li>
                ))}
              </ul>
            )}
          </li>
        ))}
      </ul>
      <footer>
        {live && <p class={live.up ? "state up" : "state"}>{live.up ? `System up, ${live.processes.length} processes` : "No system is up"}</p>}
        <div class="settings">
          <label>
            <Icon name="theme" />
            <span class="visually-hidden">Theme</span>
            <select value={theme} onChange={(event) => onTheme(event.currentTarget.value as Theme)}>
              <option value="system">System</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          </label>
          <button type="button" class="tool" aria-label="Keys" title="Keys (?)" onClick={onHelp}>
            <Icon name="help" />
          </button>
        </div>
      </footer>
    </nav>
  );
}
