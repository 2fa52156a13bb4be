// The page of one file: a player of one scenario, with the layout that it was made with. It fetches nothing.
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Canvas } from "./canvas";
import type { Scenario, Topology } from "./data";
import { Dock, playerKey } from "./dock";
import { buildModel, restOf } from "./frame";
import type { Layout } from "./layout";
import { pressing, typing, useOnePlayer } from "./player-view";
import { SequenceView } from "./sequence";
import { Steps } from "./steps";
import { asText } from "./text";
import { useTheme } from "./theme";
import { beatOfNumber } from "./schedule";

interface Data {
  topology: Topology;
  layout: Layout;
  scenario: Scenario;
}

function Alone({ topology, layout, scenario }: Data) {
  useTheme();
  const player = useOnePlayer();
  const model = useMemo(() => buildModel(topology, scenario), [topology, scenario]);
  const [sequence, setSequence] = useState(false);
  const [selected, setSelected] = useState("");
  const play = useRef<HTMLButtonElement>(null);
  useMemo(() => player.load(model), [player, model]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || pressing(event)) return;
      const acts = { sequence: () => setSequence((on) => !on), copy: () => void navigator.clipboard?.writeText(asText(model.plan)) };
      if (playerKey(event, player, acts)) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [player, model]);
  const seek = (number: number) => {
    player.pause();
    player.seek(restOf(beatOfNumber(model.plan, number)));
  };
  return (
    <main class="main alone">
      <header class="top">
        <h1>{topology.title}</h1>
      </header>
      <div class="work">
        {sequence ? (
          <SequenceView topology={topology} model={model} player={player} onStep={seek} />
        ) : (
          <Canvas layout={layout} title={topology.title} player={player} model={model} selected={selected} onNode={setSelected} onEdge={setSelected} />
        )}
        <aside class="side" aria-label="Steps">
          <Steps model={model} player={player} />
        </aside>
      </div>
      <Dock
        model={model}
        player={player}
        scenarios={[scenario]}
        scenario={scenario.name}
        onScenario={() => undefined}
        sequence={sequence}
        onSequence={() => setSequence(!sequence)}
        playButton={play}
      />
    </main>
  );
}

const data = JSON.parse(document.getElementById("data")!.textContent!) as Data;
render(<Alone {...data} />, document.getElementById("root")!);
