// The page: which example, what is open, who has the focus. The address (route.ts) says which example, scenario and step; everything that is
// drawn follows from that, from what the server sent, and, while the editor has changes, from what the compiler makes of its text.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { Canvas } from "./canvas";
import type { Checked, Example, ExampleEntry, LiveRun, Scenario } from "./data";
import { Details, type Selection } from "./details";
import { Dock, playerKey } from "./dock";
import * as early from "./first";
import { buildModel, restOf } from "./frame";
import { NARROW, useMedia } from "./hooks";
import { Icon } from "./icons";
import { layout as arrange } from "./layout";
import { fetchSoon, lazy } from "./lazy";
import { useLive, useTraffic } from "./live";
import { Menu } from "./menu";
import type { Marks, Sides } from "./pairs";
import { pressing, timeOfStep, typing, useModel, useOnePlayer } from "./player-view";
import { formatRoute, parseRoute, type Route } from "./route";
import { beatOfNumber } from "./schedule";
import { Sidebar } from "./sidebar";
import { Steps } from "./steps";
import { SwitchedOn, Switches, SwitchesButton } from "./switches";
import { asText } from "./text";
import { useTheme } from "./theme";

const EditorPane = lazy(() => import("./editor").then(({ Editor }) => Editor), false); // it is large
const SequenceView = lazy(() => import("./sequence").then(({ SequenceView }) => SequenceView), true);
const Verdict = lazy(() => import("./verdict").then(({ Verdict }) => Verdict), false);
const Help = lazy(() => import("./help").then(({ Help }) => Help), true);

const selectionId = (selection: Selection | undefined) =>
  selection?.kind === "node" ? selection.id : selection?.kind === "edge" ? selection.name : selection?.entry.step.edge;

export function App() {
  const [theme, setTheme] = useTheme();
  const narrow = useMedia(NARROW);
  const cramped = useMedia("(max-width: 1180px)");
  const roomy = useMedia("(min-width: 1700px)");
  const player = useOnePlayer();
  const [route, setRoute] = useState<Route>(() => parseRoute(location.hash));
  const [examples, setExamples] = useState<ExampleEntry[]>(early.first.examples ?? []);
  const [loaded, setLoaded] = useState<{ id: string; data: Example } | undefined>(early.first.loaded);
  const [draft, setDraft] = useState<Checked>();
  const [problem, setProblem] = useState("");
  const [selection, setSelection] = useState<Selection>();
  const [editing, setEditing] = useState<{ line?: number }>();
  const [drawer, setDrawer] = useState(false);
  const [help, setHelp] = useState(false);
  const [failures, setFailures] = useState(false);
  const [keys, setKeys] = useState(true);
  const [said, setSaid] = useState("");
  const [watching, setWatching] = useState(false);
  const [run, setRun] = useState<LiveRun & { sides: Sides; marks: Marks }>();
  const [derived, setDerived] = useState<{ key: string; scenario: Scenario }>();
  const [refused, setRefused] = useState("");
  const [progress, setProgress] = useState<number>();
  const cancel = useRef(false);
  const live = useLive();
  const heading = useRef<HTMLHeadingElement>(null);
  const playButton = useRef<HTMLButtonElement>(null);
  const runButton = useRef<HTMLButtonElement>(null);
  const before = useRef<HTMLElement | undefined>(undefined);

  const say = useCallback((text: string) => setSaid((old) => (old === text ? `${text} ` : text)), []);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 5000);
    return () => clearTimeout(timer);
  }, [said]);

  // ---------------------------------------------------------------- the address

  const go = useCallback((next: Route, push = true) => {
    const hash = formatRoute(next);
    if (hash !== location.hash) history[push ? "pushState" : "replaceState"](null, "", hash);
    setRoute(next);
  }, []);
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", changed);
    addEventListener("popstate", changed);
    return () => {
      removeEventListener("hashchange", changed);
      removeEventListener("popstate", changed);
    };
  }, []);

  // ---------------------------------------------------------------- what the server sends

  useEffect(() => {
    early.examples.then(setExamples, (error: Error) => setProblem(error.message));
  }, []);
  const known = examples.some(({ id }) => id === route.example);
  useEffect(() => {
    if (known || !examples[0]) return;
    if (route.example) say(`There is no example ${route.example}.`);
    go({ example: examples[0].id, sequence: false, switches: [] }, false);
  }, [known, examples, route.example, go, say]);

  const load = useCallback(async (id: string) => {
    try {
      const data = await early.example(id);
      setLoaded((old) => (old?.data === data ? old : { id, data }));
      setProblem("");
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, []);
  useEffect(() => {
    setDraft(undefined);
    setSelection(undefined);
    setEditing(undefined);
    setRun(undefined);
    // The address is believed until the list is there: then both are asked for at once.
    if (route.example && (known || examples.length === 0)) void load(route.example);
  }, [route.example, known || examples.length === 0, load]);

  const data: Example | undefined = useMemo(() => {
    if (!loaded || loaded.id !== route.example) return undefined;
    if (!draft?.topology) return loaded.data;
    return { ...loaded.data, ...draft };
  }, [loaded, draft, route.example]);
  const topology = data?.topology;
  const layout = useMemo(() => {
    if (!topology || topology.nodes.length === 0) return undefined;
    const start = performance.now();
    const made = arrange(topology);
    performance.clearMeasures("layout");
    performance.measure("layout", { start }); // of the tests
    return made;
  }, [topology]);

  useEffect(() => void (layout && fetchSoon()), [layout]);

  // ---------------------------------------------------------------- what plays

  const plain = data?.scenarios.find(({ name }) => name === route.scenario);
  const switches = useMemo(() => (data?.switches ?? []).filter((one) => one.scenarios.includes(route.scenario ?? "")), [data, route.scenario]);
  const on = switches.filter(({ id }) => route.switches.includes(id));
  const assume = on.map((one) => one.assume);
  const unreal = on.find(({ real }) => real === "never");
  const derivedKey = route.scenario && assume.length > 0 ? JSON.stringify([route.example, route.scenario, assume]) : "";
  useEffect(() => {
    setRun(undefined);
    if (!derivedKey) return setDerived(undefined);
    let stale = false;
    api.derive(route.example!, route.scenario!, assume).then(
      (scenario) => stale || setDerived({ key: derivedKey, scenario }),
      (error: Error) => {
        if (stale) return;
        setRefused(derivedKey);
        say(error.message);
      },
    );
    return () => void (stale = true);
  }, [derivedKey, loaded]);
  useEffect(() => setRun(undefined), [route.example, route.scenario]); // a recording is of one scenario
  // What the address asks for and is not there is said, and left out of it; while the topology is being edited it may come back.
  useEffect(() => {
    if (!data || draft || !route.scenario) return;
    const odd = route.switches.filter((id) => !switches.some((one) => one.id === id));
    if (!plain) {
      say(`There is no scenario ${route.scenario}.`);
      go({ example: route.example!, sequence: false, switches: [] }, false);
    } else if (odd.length > 0) {
      say(`There is no failure ${odd.join(", ")} in this scenario.`);
      go({ ...route, switches: route.switches.filter((id) => !odd.includes(id)) }, false);
    }
  }, [data, draft, plain, switches, route, go, say]);
  // While a derivation is on its way, what was shown of the same scenario stays.
  const shown = useRef<{ of: string; scenario: Scenario | undefined }>({ of: "", scenario: undefined });
  const of = `${route.example}/${route.scenario}`;
  const settled = run?.derived ?? (derivedKey === "" || refused === derivedKey ? plain : derived?.key === derivedKey ? derived.scenario : undefined);
  if (settled || shown.current.of !== of || !route.scenario) shown.current = { of, scenario: settled };
  const scenario = shown.current.scenario;
  const model = useModel(topology, scenario);
  const beside = useMemo(() => {
    if (!topology || !run) return undefined;
    const { both, derived, recorded } = run.sides;
    return { lead: buildModel(topology, run.derived, both), derived: buildModel(topology, run.derived, derived), recorded: buildModel(topology, run.recorded, recorded) };
  }, [topology, run]);
  const lead = beside?.lead ?? model;
  const marks = run?.marks;

  const playing = useRef({ story: "", auto: false });
  useEffect(() => {
    if (!lead) return player.pause();
    const story = `${route.example}/${route.scenario}`;
    const same = playing.current.story === story;
    const aside = lead.plan.recorded || player.model.plan.recorded; // another time: a step keeps its number in it
    const t = !same ? timeOfStep(lead, route.step) : !aside || player.t === 0 ? Math.min(player.t, lead.length) : player.ended ? lead.length : timeOfStep(lead, player.number);
    playing.current.story = story;
    player.load(lead, t);
    if (playing.current.auto) {
      playing.current.auto = false;
      player.seek(0);
      player.play();
    }
  }, [lead]);
  useEffect(() => {
    if (!route.scenario) {
      playing.current.story = "";
      setFailures(false);
      player.pause();
    }
    setSelection((old) => (old?.kind === "step" ? undefined : old));
  }, [route.scenario, player]);
  // The address follows the player when it stands still; the player follows the address when somebody changes that.
  useEffect(() => {
    if (!model || !route.scenario) return;
    const write = () => {
      if (player.playing || player.model !== lead) return;
      const number = player.t > 0 && !player.ended ? player.number : undefined;
      const here = parseRoute(location.hash);
      if (here.scenario !== route.scenario || here.example !== route.example) return;
      history.replaceState(null, "", formatRoute({ ...here, step: number }));
    };
    return player.onChange(write);
  }, [model, lead, player, route.example, route.scenario]);
  useEffect(() => {
    const asked = route.step;
    if (!model || player.model !== lead || !asked || playing.current.story !== `${route.example}/${route.scenario}`) return;
    const beat = beatOfNumber(player.model.plan, asked);
    if (player.beat === beat) return;
    player.pause();
    player.seek(restOf(beat));
  }, [route]);

  // ---------------------------------------------------------------- acts

  const remember = () => {
    if (document.activeElement instanceof HTMLElement || document.activeElement instanceof SVGElement) before.current = document.activeElement as HTMLElement;
  };
  const select = (next: Selection, focus = true) => {
    if (!selection) remember();
    setSelection(next);
    if (focus) requestAnimationFrame(() => heading.current?.focus());
  };
  const unselect = () => {
    setSelection(undefined);
    if (before.current?.isConnected) before.current.focus();
  };
  const start = () => {
    const first = data?.scenarios[0];
    if (!first) return say("The topology has no scenario: write one, and it can be played.");
    playing.current.auto = true;
    go({ ...route, scenario: first.name, step: undefined, switches: [] });
    requestAnimationFrame(() => playButton.current?.focus());
  };
  const stop = () => {
    setRun(undefined);
    go({ example: route.example!, sequence: false, switches: [] });
    requestAnimationFrame(() => runButton.current?.focus());
  };
  const choose = (name: string) => {
    if (name === route.scenario) return;
    playing.current.auto = true;
    go({ ...route, scenario: name, step: undefined, switches: [] });
  };
  const toSequence = () => go({ ...parseRoute(location.hash), sequence: !route.sequence }, false);
  const copy = async () => {
    if (!model) return;
    try {
      await navigator.clipboard.writeText(asText(model.plan));
      say("Copied as text.");
    } catch {
      say("The browser did not let the page copy.");
    }
  };
  const take = async (what: "svg" | "gif" | "html") => {
    if (!topology || !layout || !model) return;
    const exports = await import("./exports");
    const taken = { topology, layout, model: what === "svg" ? (beside?.derived ?? model) : model };
    const { t } = player;
    if (what === "svg") {
      const sheets = route.sequence ? [...document.querySelectorAll<SVGSVGElement>(".sequence svg.lanes, .sequence svg.rows")] : [];
      exports.offer(exports.fileName(model, t, "svg"), exports.asSvg(taken, t, sheets), "image/svg+xml");
    } else if (what === "html") {
      exports.offer(exports.fileName(model, 0, "html"), await exports.asHtml(taken), "text/html");
    } else {
      cancel.current = false;
      setProgress(0);
      const gif = await exports.asGif(taken, setProgress, () => cancel.current);
      setProgress(undefined);
      if (!gif) return;
      exports.offer(exports.fileName(model, 0, "gif"), gif as BlobPart, "image/gif");
    }
    say(`Saved as ${what.toUpperCase()}.`);
  };
  const isLive = live?.up === true && live.example === route.example;
  const traffic = useTraffic(isLive && watching);
  const flip = async (id: string, to: boolean) => {
    const ids = to ? [...route.switches, id] : route.switches.filter((other) => other !== id);
    go({ ...parseRoute(location.hash), switches: ids }, false);
    if (isLive && switches.find((one) => one.id === id)?.real === "now") await api.liveSwitch(id, to).catch((error: Error) => say(error.message));
  };
  const runForReal = async () => {
    say("Running it on the live system …");
    try {
      const [{ pair, marksOf }, reply] = await Promise.all([import("./pairs"), api.liveRun(route.scenario!, route.switches)]);
      const here = parseRoute(location.hash); // another may have been chosen meanwhile
      if (here.example !== route.example || here.scenario !== route.scenario || `${here.switches}` !== `${route.switches}`) return;
      setRun({ ...reply, sides: pair(reply), marks: marksOf(reply) });
      player.seek(0);
      say(reply.verdict === "same" ? "The recorded trace is as derived." : "The recorded trace differs from the derived one.");
    } catch (error) {
      say((error as Error).message);
    }
  };

  // ---------------------------------------------------------------- keys

  useLayoutEffect(() => { // with the page: a key that follows at once meets what is shown
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (document.querySelector("dialog[open]")) return; // its own key; `help` is told of its end a moment later
      if (event.key === "Escape") {
        if (drawer) setDrawer(false);
        else if (failures) setFailures(false);
        else if (selection) unselect();
        else if (route.scenario) stop();
        else return;
        return event.preventDefault();
      }
      if (!keys || pressing(event)) return;
      const key = event.key.toLowerCase();
      const open: Record<string, () => void> = { "?": () => setHelp(true), e: () => setEditing((old) => old ?? {}), r: start };
      const acts = { sequence: toSequence, copy: () => void copy() };
      const zoomButton = document.querySelector<HTMLElement>(`.zoom [data-key="${CSS.escape(key === "=" ? "+" : key)}"]`);
      if (model && route.scenario && playerKey(event, player, acts)) event.preventDefault();
      else if (open[key]) {
        open[key]!();
        event.preventDefault();
      } else if (zoomButton) {
        zoomButton.click();
        event.preventDefault();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });

  // ---------------------------------------------------------------- the page

  const seekTo = (number: number) => {
    if (!model || !number) return;
    player.pause();
    player.seek(restOf(beatOfNumber(player.model.plan, number)));
    select({ kind: "step", entry: model.plan.steps[number - 1]! }, false);
  };
  const canvas = (shown: typeof model, label?: string) => (
    <Canvas
      key={label ?? "only"}
      layout={layout!}
      title={topology!.title}
      label={label}
      near={failures && cramped}
      player={player}
      model={shown}
      selected={selectionId(selection)}
      marked={marks?.edges}
      traffic={traffic}
      onNode={(id) => select({ kind: "node", id })}
      onEdge={(name) => select({ kind: "edge", name })}
    />
  );
  const busy = route.scenario !== undefined || editing !== undefined;
  const entry = examples.find(({ id }) => id === route.example);
  document.title = topology ? `${scenario ? `${scenario.title} · ` : ""}${topology.title} · ecom studio` : "ecom studio";
  return (
    <div class={narrow || (busy && !roomy) ? "app drawer" : "app"}>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")!.focus())}>
        To the diagram
      </a>
      <Sidebar
        examples={examples}
        current={route.example}
        scenario={route.scenario}
        live={live}
        theme={theme}
        onTheme={setTheme}
        onHelp={() => setHelp(true)}
        open={drawer}
        onClose={() => setDrawer(false)}
      />
      <main class="main" id="main" tabIndex={-1}>
        <header class="top">
          <button type="button" class="tool drawer-open" aria-label="Examples" aria-expanded={drawer} aria-controls="sidebar" onClick={() => setDrawer(!drawer)}>
            <Icon name="menu" />
          </button>
          <h1>{topology?.title ?? entry?.title ?? "ecom studio"}</h1>
          {draft && <span class="note">not saved</span>}
          <div class="top-tools">
            {isLive && (
              <button type="button" class="tool wide" aria-pressed={watching} onClick={() => setWatching(!watching)} title="Show the traffic of the running system">
                <Icon name="live" />
                <span>Live</span>
              </button>
            )}
            <button type="button" class="tool wide" aria-pressed={editing !== undefined} onClick={() => setEditing(editing ? undefined : {})} disabled={!data} title="Edit the topology (E)">
              <Icon name="edit" />
              <span>Edit</span>
            </button>
            {route.scenario ? (
              <button type="button" class="tool wide" onClick={stop} title="Close the player (Esc)">
                <Icon name="close" />
                <span>Close player</span>
              </button>
            ) : (
              <button type="button" class="tool wide primary" ref={runButton} onClick={start} disabled={!topology} title="Run (R)">
                <Icon name="play" />
                <span>Run</span>
              </button>
            )}
          </div>
        </header>
        {problem && (
          <p class="problem banner" role="alert">
            {problem}
          </p>
        )}
        <div class="work">
          {editing && route.example && data && (
            <EditorPane
              key={route.example}
              example={route.example}
              line={editing.line}
              onDraft={setDraft}
              onSaved={() => void load(route.example!).then(() => setDraft(undefined))}
              onClose={() => {
                setEditing(undefined);
                setDraft(undefined);
              }}
            />
          )}
          <div class="views">
            {!layout || !topology ? (
              !problem && <Nothing data={data} onLine={(line) => setEditing({ line })} />
            ) : model && route.sequence ? (
              <>
                <SequenceView topology={topology} model={beside?.derived ?? model} player={player} onStep={seekTo} marks={marks?.derived} label={beside && "Derived"} />
                {beside && <SequenceView topology={topology} model={beside.recorded} player={player} onStep={seekTo} marks={marks?.recorded} label="Recorded" />}
              </>
            ) : (
              <>
                {canvas(beside?.derived ?? model, beside ? "Derived" : undefined)}
                {beside && canvas(beside.recorded, "Recorded")}
              </>
            )}
            <div class="toasts">
              {progress !== undefined && (
                <div class="toast" role="status">
                  <label>
                    GIF <progress value={progress} max={1} />
                  </label>
                  <button type="button" class="link" onClick={() => (cancel.current = true)}>
                    Cancel
                  </button>
                </div>
              )}
              <div class={said ? "toast shown" : "toast empty"} role="status">
                {said}
              </div>
            </div>
          </div>
          {failures && model && switches.length > 0 && (
            <Switches switches={switches} nodes={topology!.nodes} on={route.switches} live={isLive} onFlip={flip} onClose={() => setFailures(false)} />
          )}
          {topology && (model || selection) && data && (
            <aside class={selection ? "side with-details" : "side"} aria-label={model ? "Steps and details" : "Details"}>
              {run && <Verdict run={run} onClose={() => setRun(undefined)} />}
              {model && !(narrow && selection) && (
                <Steps model={lead!} player={player} marks={marks} onOpen={(entry) => select({ kind: "step", entry }, false)} />
              )}
              {selection && (
                <Details
                  example={route.example!}
                  topology={topology}
                  selection={selection}
                  scenario={route.scenario}
                  onSelect={select}
                  onClose={unselect}
                  heading={heading}
                  onLine={(line) => setEditing({ line })}
                  draft={draft !== undefined}
                />
              )}
            </aside>
          )}
        </div>
        {model && (
          <Dock
            model={lead!}
            player={player}
            scenarios={data!.scenarios}
            scenario={route.scenario!}
            onScenario={choose}
            sequence={route.sequence}
            onSequence={toSequence}
            playButton={playButton}
            switches={<SwitchedOn switches={switches} on={route.switches} onFlip={flip} />}
          >
            {isLive && (
              <button
                type="button"
                class="tool wide"
                onClick={() => void runForReal()}
                disabled={unreal !== undefined}
                title={unreal ? `${unreal.label}: this changes only the derivation` : "Run the scenario on the live system and compare"}
              >
                <Icon name="live" />
                <span>Run for real</span>
              </button>
            )}
            {switches.length > 0 && <SwitchesButton on={route.switches.length} open={failures} onOpen={setFailures} />}
            <Menu
              label="Export"
              icon="more"
              actions={[
                { text: "Copy as text", hint: "C", run: () => void copy() },
                { text: "This moment as SVG", run: () => void take("svg") },
                { text: "The scenario as GIF", run: () => void take("gif") },
                { text: "The player as one HTML file", run: () => void take("html") },
              ]}
            />
          </Dock>
        )}
      </main>
      {help && <Help keys={keys} onKeys={setKeys} onClose={() => setHelp(false)} />}
    </div>
  );
}

/** In the place of a drawing that there is not. */
function Nothing({ data, onLine }: { data?: Example; onLine: (line: number) => void }) {
  const errors = data?.diagnostics.filter(({ severity }) => severity === "error") ?? [];
  if (!data || errors.length === 0) return <p class="empty">{data ? "The topology has no nodes yet." : "Reading …"}</p>;
  return (
    <div class="empty">
      <h2>The topology has errors, so there is nothing to draw</h2>
      <ul class="wrong">
        {errors.map(({ line, column, message, code }, i) => (
          <li key={i}>
            <button type="button" class="link" onClick={() => onLine(line)}>
              {line}:{column}
            </button>{" "}
            {message} <code>{code}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}
