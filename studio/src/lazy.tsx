// Components that come when they are needed for the first time, or when the page has nothing else to do.
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>, soon: boolean): FunctionComponent<P> {
  let loaded: FunctionComponent<P> | undefined;
  if (soon && "requestIdleCallback" in window) requestIdleCallback(() => void load().then((component) => (loaded = component), () => undefined), { timeout: 3000 });
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
