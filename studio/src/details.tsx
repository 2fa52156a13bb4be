// What stands behind a node, an edge or a step: its lines in the topology, its policy, the C that was generated from it.
import type { Ref } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { edgeName, type Code, type Lines, type Topology } from "./data";
import { Icon } from "./icons";
import type { Scheduled } from "./schedule";
import { remarks } from "./text";

export type Selection = { kind: "node"; id: string } | { kind: "edge"; name: string } | { kind: "step"; entry: Scheduled };

interface Props {
  example: string;
  topology: Topology;
  selection: Selection;
  /** What plays. */
  scenario?: string;
  onSelect: (selection: Selection) => void;
  onClose: () => void;
  heading: Ref<HTMLHeadingElement>;
  /** Opens the editor there. */
  onLine?: (line: number) => void;
  /** The drawing is of a text that is not saved: what was generated is of the file. */
  draft: boolean;
}

function query(selection: Selection, scenario: string | undefined): Record<string, string> {
  if (selection.kind === "node") return { node: selection.id };
  if (selection.kind === "edge") return { edge: selection.name };
  // A step that there is only by a switch is known by its edge and label alone.
  const { id, parent, kind, edge, label } = selection.entry.step;
  return { ...(scenario ? { scenario, step: kind === "reply" ? (parent ?? id) : id } : {}), edge, label };
}

export function Details({ example, topology, selection, scenario, onSelect, onClose, heading, onLine, draft }: Props) {
  const [code, setCode] = useState<Code | undefined>();
  const [problem, setProblem] = useState("");
  const asked = JSON.stringify(query(selection, scenario));
  useEffect(() => {
    let stale = false;
    setCode(undefined);
    setProblem("");
    api.code(example, JSON.parse(asked) as Record<string, string>).then(
      (reply) => stale || setCode(reply),
      (error: Error) => stale || setProblem(error.message),
    );
    return () => void (stale = true);
  }, [example, asked]);

  return (
    <div class="details">
      <header>
        <h2 tabIndex={-1} ref={heading}>
          {title(topology, selection)}
        </h2>
        <button type="button" class="tool" aria-label="Close details" title="Close (Esc)" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div class="details-body">
        <Facts topology={topology} selection={selection} onSelect={onSelect} />
        {problem && <p class="problem">{problem}</p>}
        {code && code.policy.length > 0 && (
          <section>
            <h3>Policy</h3>
            <dl class="facts">
              {code.policy.map(({ name, value }) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </section>
        )}
        {code?.source && (
          <section>
            <h3>
              In the topology
              {onLine && (
                <button type="button" class="link" onClick={() => onLine(code.source!.line)}>
                  Edit
                </button>
              )}
            </h3>
            <Listing lines={code.source} />
          </section>
        )}
        {code && code.generated.length > 0 && (
          <section>
            <h3>Generated{draft ? " from the saved file" : ""}</h3>
            {code.generated.map((lines) => (
              <Listing key={`${lines.file}:${lines.line}`} lines={lines} />
            ))}
          </section>
        )}
        {!code && !problem && <p class="muted">Reading …</p>}
      </div>
    </div>
  );
}

function title(topology: Topology, selection: Selection): string {
  if (selection.kind === "node") return topology.nodes.find(({ id }) => id === selection.id)?.title ?? selection.id;
  return selection.kind === "edge" ? selection.name.replace("->", "→") : `${selection.entry.number ? `${selection.entry.number}. ` : ""}${selection.entry.step.label}`;
}

function Facts({ topology, selection, onSelect }: { topology: Topology; selection: Selection; onSelect: (s: Selection) => void }) {
  const edges = topology.edges;
  if (selection.kind === "step") {
    const { step } = selection.entry;
    const notes = remarks(step);
    return (
      <section>
        <p class="say">{step.say}</p>
        {notes.length > 0 && (
          <p class="notes">
            {notes.map((note) => (
              <span class="note" key={note}>
                {note}
              </span>
            ))}
          </p>
        )}
        <p>
          <button type="button" class="link" onClick={() => onSelect({ kind: "edge", name: step.edge })}>
            {step.edge.replace("->", "→")}
          </button>
        </p>
      </section>
    );
  }
  if (selection.kind === "edge") {
    const edge = edges.find((candidate) => edgeName(candidate) === selection.name);
    if (!edge) return null;
    return (
      <p class="muted">
        {edge.protocol}
        {edge.external ? ", leaves the system" : ""}
        {edge.carries ? `: ${edge.carries.join(", ")}` : ""} · from{" "}
        <button type="button" class="link" onClick={() => onSelect({ kind: "node", id: edge.from })}>
          {edge.from}
        </button>{" "}
        to{" "}
        <button type="button" class="link" onClick={() => onSelect({ kind: "node", id: edge.to })}>
          {edge.to}
        </button>
      </p>
    );
  }
  const node = topology.nodes.find(({ id }) => id === selection.id);
  const list = (words: string, found: typeof edges, end: "from" | "to") =>
    found.length > 0 && (
      <div>
        <dt>{words}</dt>
        <dd>
          {found.map((edge) => (
            <button type="button" class="link" key={edgeName(edge)} onClick={() => onSelect({ kind: "edge", name: edgeName(edge) })}>
              {edge[end]} <span class="muted">{edge.protocol}</span>
            </button>
          ))}
        </dd>
      </div>
    );
  return (
    <section>
      <p class="muted">
        {node?.kind} <code>{selection.id}</code>
      </p>
      <dl class="facts">
        {list("Calls", edges.filter(({ from }) => from === selection.id), "to")}
        {list("Called by", edges.filter(({ to }) => to === selection.id), "from")}
      </dl>
    </section>
  );
}

function Listing({ lines }: { lines: Lines }) {
  const text = lines.text.replace(/\n$/, "").split("\n");
  return (
    <figure class="listing">
      <figcaption>
        {lines.file}:{lines.line}
      </figcaption>
      <pre tabIndex={0} aria-label={`${lines.file} from line ${lines.line}`}>
        <code>
          {text.map((line, i) => (
            <span class="line" key={i} data-line={lines.line + i}>
              {line}
              {"\n"}
            </span>
          ))}
        </code>
      </pre>
    </figure>
  );
}
