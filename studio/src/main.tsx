import { render } from "preact";
import { App } from "./app";
import { asked, first } from "./first";
import { formatRoute, parseRoute } from "./route";

void asked.then(() => {
  const route = parseRoute(location.hash);
  if (!route.example && first.loaded) history.replaceState(null, "", formatRoute({ ...route, example: first.loaded.id }));
  render(<App />, document.getElementById("root")!);
});
