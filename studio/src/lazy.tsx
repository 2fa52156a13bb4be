// Components that come when they are needed for the first time, or, those that are wanted soon, when the first drawing is there.
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

const soonest: (() => void)[] = [];

/** The page has nothing else to do. */
export function fetchSoon() {
  const works = soonest.splice(0);
  if (works.length > 0) setTimeout(() => works.forEach((work) => work()), 300);
}

export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>, soon: boolean): FunctionComponent<P> {
  let loaded: FunctionComponent<P> | undefined;
  if (soon) soonest.push(() => void load().then((component) => (loaded = component), () => undefined));
  return function Lazy(props) {
    const [Component, set] = useState(() => loaded);
    const [problem, setProblem] = useState(false);
    useEffect(() => {
      if (!Component) load().then((component) => set(() => (loaded = component)), () => setProblem(true));
    }, []);
    if (Component) return <Component {...props} />;
    return <p class="empty">{problem ? "This could not be loaded. Does ecomc studio still run?" : "Reading …"}</p>;
  };
}
