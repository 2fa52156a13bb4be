// The place of the editor; CodeMirror comes when it is opened for the first time.
import { useEffect, useState } from "preact/hooks";
import type { EditorProps } from "./editor";

type Loaded = typeof import("./editor");

export function EditorPane(props: EditorProps) {
  const [loaded, set] = useState<Loaded>();
  const [problem, setProblem] = useState("");
  useEffect(() => void import("./editor").then(set, () => setProblem("The editor could not be loaded.")), []);
  if (loaded) return <loaded.Editor {...props} />;
  return (
    <section class="editor" aria-label="Editor">
      <p class="empty">{problem || "Reading …"}</p>
    </section>
  );
}
