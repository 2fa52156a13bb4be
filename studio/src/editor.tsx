// The topology as text: the compiler says what is wrong while one types, the diagram follows. The file changes only by Save, and only if it is
// the one that was read. CodeMirror stands in a shadow root: there its style is a constructed sheet, which the page's CSP allows.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { makeEditor, type TextEditor } from "./codemirror";
import type { Checked, Diagnostic } from "./data";
import { Icon } from "./icons";

export interface EditorProps {
  example: string;
  /** To be shown. */
  line?: number;
  /** What the compiler makes of a text that is not the file's; none: it is the file's. */
  onDraft: (checked: Checked | undefined) => void;
  onSaved: () => void;
  onClose: () => void;
}

const WAIT = 250; // ms without a key before the compiler is asked

type Conflict = "none" | "asked" | "kept";

export function Editor({ example, line, onDraft, onSaved, onClose }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<TextEditor | undefined>(undefined);
  const source = useRef<api.Source | undefined>(undefined);
  const timer = useRef(0);
  const asking = useRef<AbortController | undefined>(undefined);
  const [diagnostics, setDiagnostics] = useState<Diagnostic[]>([]);
  const [state, setState] = useState<"reading" | "clean" | "changed" | "saving">("reading");
  const [problem, setProblem] = useState("");
  const [conflict, setConflict] = useState<Conflict>("none");
  const [leaving, setLeaving] = useState(false);

  const check = useCallback(async () => {
    const text = editor.current!.text();
    asking.current?.abort();
    asking.current = new AbortController();
    try {
      const checked = await api.check(example, text, asking.current.signal);
      setDiagnostics(checked.diagnostics);
      editor.current?.show(checked.diagnostics);
      setProblem("");
      // A text with errors has no model: the last drawing stays.
      if (text === source.current!.text) onDraft(undefined);
      else if (checked.topology) onDraft(checked);
    } catch (error) {
      if ((error as Error).name !== "AbortError") setProblem((error as Error).message);
    }
  }, [example, onDraft]);

  const changed = useCallback(() => {
    setState(editor.current!.text() === source.current!.text ? "clean" : "changed");
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => void check(), WAIT);
  }, [check]);

  const save = useCallback(async () => {
    if (!editor.current || !source.current) return;
    const text = editor.current.text();
    setState("saving");
    try {
      const etag = await api.save(example, text, source.current.etag);
      source.current = { ...source.current, etag, text };
      setConflict("none");
      setProblem("");
      setState(editor.current.text() === text ? "clean" : "changed");
      onSaved();
    } catch (error) {
      setState("changed");
      if (error instanceof api.Refusal && error.status === 412) setConflict("asked");
      else setProblem((error as Error).message);
    }
  }, [example, onSaved]);

  const acts = useRef({ changed, save });
  acts.current = { changed, save };

  const read = useCallback(async () => {
    try {
      source.current = await api.source(example);
      if (editor.current) editor.current.replace(source.current.text);
      else editor.current = makeEditor(host.current!, source.current.text, () => acts.current.changed(), () => void acts.current.save());
      setState("clean");
      setConflict("none");
      void check();
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, [example, check]);

  useEffect(() => {
    void read();
    return () => {
      clearTimeout(timer.current);
      asking.current?.abort();
      editor.current?.destroy();
    };
  }, []);
  useEffect(() => {
    if (line && state !== "reading") editor.current?.goto(line);
  }, [line, state === "reading"]);
  useEffect(() => {
    if (state !== "changed") return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [state]);

  /** The user's text stays; the next save is against the file as it is. */
  const keep = async () => {
    try {
      const now = await api.source(example);
      source.current = now;
      setConflict("kept");
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = diagnostics.length - errors;
  const words = [errors > 0 ? `${errors} ${errors === 1 ? "error" : "errors"}` : "", warnings > 0 ? `${warnings} ${warnings === 1 ? "warning" : "warnings"}` : ""].filter(Boolean).join(", ");
  return (
    <section class="editor" aria-label="Editor">
      <header>
        <h2>{source.current?.file ?? "topology"}</h2>
        <span class="muted" role="status">
          {state === "changed" ? "Not saved" : state === "saving" ? "Saving …" : state === "clean" ? "As on disk" : ""}
        </span>
        <button type="button" class="tool wide" onClick={() => void save()} disabled={state !== "changed"} title="Save (Ctrl+S)">
          Save
        </button>
        <button type="button" class="tool" aria-label="Close the editor" onClick={() => (state === "changed" ? setLeaving(true) : onClose())}>
          <Icon name="close" />
        </button>
      </header>
      {leaving && (
        <p class="conflict" role="alert">
          Your changes are not saved.
          <button type="button" class="tool wide" onClick={onClose}>
            Discard them
          </button>
          <button type="button" class="tool wide" onClick={() => setLeaving(false)}>
            Go on editing
          </button>
        </p>
      )}
      {conflict === "asked" && (
        <p class="conflict" role="alert">
          The file changed on disk since it was read. Nothing was written.
          <button type="button" class="tool wide" onClick={() => void read()}>
            Reload it
          </button>
          <button type="button" class="tool wide" onClick={() => void keep()}>
            Keep mine
          </button>
        </p>
      )}
      {conflict === "kept" && (
        <p class="conflict" role="status">
          Save replaces what is on disk.
        </p>
      )}
      <div class="editor-host" ref={host} />
      <div class="diagnostics">
        <p role="status" class={errors > 0 ? "t-bad" : ""}>
          {problem || words || (state === "reading" ? "Reading …" : "No errors")}
        </p>
        {diagnostics.length > 0 && (
          <ul>
            {diagnostics.map((one, i) => (
              <li key={i} class={one.severity}>
                <button type="button" onClick={() => editor.current!.goto(one.line, one.column)}>
                  <span class="at">
                    {one.line}:{one.column}
                  </span>
                  <span>
                    {one.message} <code>{one.code}</code>
                    {one.help && <small>{one.help}</small>}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}
