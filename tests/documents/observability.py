"""generated/observability of a topology: by promtool (rules, configuration, and the rules' own tests), by Grafana's own types, and by what
the runtime tells (docs/metrics.md)."""
import json
import os
import re
import shutil
import subprocess
import sys

import tools

sys.path += [os.path.join(tools.ROOT, "tests"), os.path.join(tools.ROOT, "tests", "observe")]
import gotools  # noqa: E402
import metrics  # noqa: E402


def promtool(folder, *args):
    done = subprocess.run(["promtool", *args], cwd=folder, capture_output=True, text=True, timeout=300)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"promtool ended with {done.returncode}"


def panels(board):
    """Those of the rows, too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions(folder):
    """(where, expression) of all panels of a folder's dashboards."""
    for name in sorted(os.listdir(os.path.join(folder, "dashboards"))):
        with open(os.path.join(folder, "dashboards", name), encoding="utf-8") as file:
            board = json.load(file)
        for panel in panels(board):
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']} {target['refId']}", target["expr"]


def unseen(generated):
    """What services.json lacks or has too much: a row a process, a panel an edge of each process that is one of ours. By the model that studio has."""
    with open(os.path.join(generated, "studio", "topology.json"), encoding="utf-8") as file:
        model = json.load(file)
    with open(os.path.join(generated, "observability", "dashboards", "services.json"), encoding="utf-8") as file:
        rows = {row["title"]: [panel["title"] for panel in row["panels"] if " -> " in panel["title"]] for row in json.load(file)["panels"] if row["type"] == "row"}
    kinds = {node["id"]: node["kind"] for node in model["nodes"]}
    processes = {name for name, kind in kinds.items() if kind in ("service", "gateway")}
    if set(rows) != processes:
        yield f"rows {sorted(rows)}, processes {sorted(processes)}"
    for name in sorted(processes & set(rows)):
        mine = {f"{e['from']} -> {e['to']}" for e in model["edges"] if e["from"] == name and kinds[e["to"]] != "database"}
        mine |= {f"{e['from']} -> {e['to']}" for e in model["edges"] if e["to"] == name and kinds[e["from"]] == "bus"}
        if sorted(rows[name]) != sorted(mine):
            yield f"{name} has panels {sorted(rows[name])}, and edges {sorted(mine)}"


def untested(folder):
    """Rules that alerts_test.yml does not show to fire, or not to rest."""
    with open(os.path.join(folder, "alerts.yml"), encoding="utf-8") as file:
        names = set(re.findall(r"- alert: (\w+)", file.read()))
    with open(os.path.join(folder, "alerts_test.yml"), encoding="utf-8") as file:
        text = file.read()
    fires, rests = (set(re.findall(rf"alertname: (\w+)\n +exp_alerts:{how}\n", text)) for how in ("", r" \[\]"))
    return sorted(names - fires) + sorted(names - rests) + sorted((fires | rests) - names)


def overlaps(board):
    """Panels that lie on each other, of the top and of each row that is closed."""
    for level in [board["panels"], *(panel["panels"] for panel in board["panels"] if panel.get("panels"))]:
        places = [(p["title"], p["gridPos"]) for p in level]
        for i, (title, a) in enumerate(places):
            if not 0 <= a["x"] <= 24 - a["w"]:
                yield title
            yield from (f"{title}, {other}" for other, b in places[:i]
                        if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def names_of(folder):
    """What the rules and dashboards name and no process has."""
    text = open(os.path.join(folder, "alerts.yml"), encoding="utf-8").read() + "\n".join(expr for _, expr in expressions(folder))
    recorded = set(re.findall(r'record: "?([\w:]+)', text))
    return metrics.unknown(re.sub("|".join(map(re.escape, sorted(recorded))) or "$^", "", text))


def suite(check, folders):
    """Returns how many were skipped. folders: (what it is of, path of its `generated`)."""
    skipped = 0
    if not shutil.which("promtool"):
        print("skip: rules and their tests: there is no promtool (Debian: prometheus)")
        return 1
    boards = []
    for i, (of, generated) in enumerate(folders):
        folder = os.path.join(generated, "observability")
        why = promtool(folder, "check", "config", "prometheus.yml")
        # Rules are the same text wherever they are: their tests are run for the first, and for all with EC_LONG=1.
        if not why and (i == 0 or os.environ.get("EC_LONG") == "1"):
            why = promtool(folder, "test", "rules", "alerts_test.yml")
        check(f"Prometheus takes the rules of {of}", not why, why)
        unshown = untested(folder)
        check(f"each rule of {of} is shown to fire and to rest", not unshown, str(unshown))
        missing = list(unseen(generated))
        check(f"dashboards have a row a process and a panel an edge of {of}", not missing, str(missing))
        unknown = names_of(folder)
        check(f"processes have what is watched of {of}", not unknown, str(unknown))
        for name in sorted(os.listdir(os.path.join(folder, "dashboards"))):
            boards.append(os.path.join(folder, "dashboards", name))
            with open(boards[-1], encoding="utf-8") as file:
                wrong = list(overlaps(json.load(file)))
            check(f"panels of {of} have their places: {name}", not wrong, str(wrong))
    first = os.path.join(folders[0][1], "observability")
    with open(os.path.join(first, "alerts.yml"), encoding="utf-8") as file:
        rules = file.read()
    spoiled = os.path.join(first, "spoiled")
    os.makedirs(spoiled)
    path = os.path.join(first, "dashboards", "services.json")
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    board = json.loads(whole)
    lost = next(panel for row in board["panels"] for panel in row.get("panels", []) if " -> " in panel["title"])
    lost["title"] = lost["title"].replace(" -> ", " to ")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(board, file)
    check("an edge without a panel is told", len(list(unseen(folders[0][1]))) == 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(whole)
    for name, old, new in (("never", "ec_saga_stuck) > 0", "ec_saga_stuck) > 9"),
                           ("too early", "ec_outbox_lag_seconds) > 30", "ec_outbox_lag_seconds) > 3")):
        assert rules.count(old) == 1, old
        with open(os.path.join(spoiled, "alerts.yml"), "w", encoding="utf-8") as file:
            file.write(rules.replace(old, new))
        with open(os.path.join(first, "alerts_test.yml"), encoding="utf-8") as file:
            head, *tests = file.read().split("  - name: ")
        mine = [test for test in tests if re.match('"?(SagaStuck|OutboxLag) ', test)]
        with open(os.path.join(spoiled, "alerts_test.yml"), "w", encoding="utf-8") as file:
            file.write("  - name: ".join([head, *mine]))
        said = promtool(spoiled, "test", "rules", "alerts_test.yml")
        check(f"the tests of the rules see one that fires {name}", len(mine) == 4 and "FAILED" in said, said)
    program, why = gotools.program("dashboards")
    if why:
        print(f"skip: dashboards by Grafana's types: {why}")
        return skipped + 1
    done = subprocess.run([program, *boards], capture_output=True, text=True, timeout=120)
    check("Grafana's types read the dashboards", done.returncode == 0, done.stdout + done.stderr)
    with open(boards[0], encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(spoiled, "dashboard.json"), "w", encoding="utf-8") as file:
        file.write(text.replace('"collapsed"', '"colapsed"', 1))
    done = subprocess.run([program, os.path.join(spoiled, "dashboard.json")], capture_output=True, text=True, timeout=120)
    check("Grafana's types refuse what is not theirs", done.returncode == 1 and "colapsed" in done.stdout, done.stdout + done.stderr)
    return skipped
