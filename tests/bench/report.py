"""Tables and drawings of what was measured: Markdown and SVG, from the results of the runs, nothing from memory."""
import json
import math
import os
import re

BEGIN, END = "<!-- bench: what stands here is written by ./ecom bench --write -->", "<!-- bench: end -->"
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")


def load(store, known):
    """The last result of each workload that there is, in the workloads' order."""
    out = []
    for name in known:
        path = os.path.join(store, name + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                out.append(json.load(file))
    return out


def counts(result, least):
    return not result["noisy"] and all(p["rounds"] >= least for p in result["points"])


def ratio(three):
    middle, low, high = three
    return "" if math.isnan(middle) else f"{middle:.2f} ({low:.2f} to {high:.2f})"


def thousands(n):
    return f"{n:,.0f}" if n >= 100 else f"{n:.3g}"


def rows(result, point):
    """One point: a row for each subject, the quickest for each CPU second first."""
    order = sorted(point["subjects"].items(), key=lambda item: -item[1]["per_cpu"][0])
    for name, got in order:
        yield (name, thousands(got["per_second"][0]), ratio(got["ratio"]["per_second"]), f"{got['cpu_us'][0]:.1f}",
               ratio(got["ratio"]["per_cpu"]), f"{got['p50_us'][0] / 1000:.2f}", f"{got['p99_us'][0] / 1000:.2f}")


def grid(head, lines):
    lines = [[str(cell) for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    out = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in [head, *lines]]
    out.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(out)


def fact(value):
    """As text: what was kept of before is."""
    return value if isinstance(value, str) else f"{value[0]:.1f} {value[1]}" if isinstance(value[0], float) else f"{value[0]:,} {value[1]}".rstrip()


def table(result):
    base = result["base"]
    memory = result["axis"] and any("memory" in got for point in result["points"] for got in point["subjects"].values())
    head = ["", f"{result['of']}/s", f"of {base}", "us of CPU", f"for each CPU second, of {base}", "p50 ms", "p99 ms", *(["MB"] if memory else [])]
    lines = []
    for point in result["points"]:
        for row in rows(result, point):
            if memory:
                row = [*row, f"{point['subjects'][row[0]]['memory']:.1f}" if "memory" in point["subjects"][row[0]] else ""]
            name = f"{row[0]}, {point['label']}" if point["label"] and not result["axis"] else row[0]
            lines.append([point["label"], *row] if result["axis"] else [name, *row[1:]])
    out = [grid([result["axis"], *head] if result["axis"] else head, lines)]
    for target in result["targets"]:
        of = result["of"] if target["figure"] == "per_second" else f"{result['of']} for each CPU second"
        got = target["got"]
        met = "not measured" if math.isnan(got[0]) else "met" if got[0] >= target["least"] else "not met"
        at = f", {target['at']}" if target.get("at") else ""  # what was kept of before has none
        out.append(f"- {target['name']} of {target['base']}, {of}{at}: {ratio(got)}; the target is {target['least']}: {met}.")
    for limit in result.get("limits", []):  # what was kept of before has none
        middle, low, high = limit["got"]
        around = f" ({thousands(low)} to {thousands(high)})" if low != high else ""
        rate = limit["figure"] == "per_second"
        what = result["of"] if rate else limit["figure"].removesuffix("_us")
        met = "met" if (middle >= limit["most"] if rate else middle <= limit["most"]) else "not met"
        met = f"the target is at {'least' if rate else 'most'} {limit['most']:,g} {limit['unit']}: {met}"
        at = f", {limit['at']}" if limit["at"] else ""
        told = "not measured" if math.isnan(middle) else f"{thousands(middle)} {limit['unit']}{around}; {met}"
        out.append(f"- {limit['name']}, {what}{at}: {told}.")
    facts = {(name, what): fact(value) for point in result["points"] for name, got in point["subjects"].items()
             for what, value in got["facts"].items()}
    for what in dict.fromkeys(what for _, what in facts):
        out.append(f"- {what}: " + ", ".join(f"{name} {value}" for (name, each), value in facts.items() if each == what) + ".")
    for name, why in result["missing"].items():
        out.append(f"- Without {name}: {why}.")
    points = result["points"]
    few = min(p["rounds"] for p in points)
    note = f"{few if few == max(p['rounds'] for p in points) else f'{few} and more'} rounds of {result['seconds']:g} s; "
    note += f"of {result['slices']} slices {result['thrown']} were thrown away, since others had the processors."
    if result["noisy"]:
        note += f" **Not to be counted: {result['noisy']} slices were disturbed and kept.**"
    elif few < result["asked"]:
        note += f" **Not to be counted: of {result['asked']} rounds that were asked for, {few} were quiet.**"
    machine = result["machine"]
    note += f" {machine['date']} UTC, {machine['commit']}; a system call took {machine['syscall_ns']} ns."
    return out[0] + "\n\n" + "\n".join(out[1:] + ["- " + note])


def svg(result):
    """Microseconds of CPU for each reply over the axis, both logarithmic: what grows linearly rises at 45 degrees."""
    xs = [float(point["label"]) for point in result["points"]]
    lines = {}
    for x, point in zip(xs, result["points"]):
        for name, got in point["subjects"].items():
            lines.setdefault(name, []).append((x, got["cpu_us"][0]))
    ys = [y for line in lines.values() for _, y in line if not math.isnan(y)]
    if not ys:
        return ""
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 0.01)
    left, top, width, height = 60, 20, 460, 260
    span = math.log10(max(xs)) - math.log10(min(xs)) or 1

    def at(x, y):
        return left + width * (math.log10(x) - math.log10(min(xs))) / span, top + height * (1 - (math.log10(y) - low) / (high - low))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 340" font-family="sans-serif" font-size="12" role="img">',
           f"<title>{result['title']}: microseconds of CPU for each reply</title>", '<rect width="720" height="340" fill="#fff"/>']
    for power in range(low, high + 1):
        y = at(min(xs), 10.0**power)[1]
        out.append(f'<path d="M{left} {y:.1f}h{width}" stroke="#d0d7de"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for x in xs:
        px = at(x, 10.0**low)[0]
        out.append(f'<text x="{px:.1f}" y="{top + height + 18}" text-anchor="middle">{x:g}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">{result["axis"]}</text>')
    for i, (name, line) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join("%.1f,%.1f" % at(x, y) for x, y in line)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{left + width + 12}" y="{top + 14 + 18 * i}" fill="{colour}">{name}</text>')
    return "\n".join(out) + "\n</svg>\n"


def body(results, folder, shown):
    """The Markdown of all results; drawings go to the folder, and are named `shown`/NAME.svg."""
    machine = results[0]["machine"] if results else None
    out = []
    if machine:
        out.append(f"Measured on {machine['cpus']} processors ({machine['cpu']}), {machine['memory_gb']} GB, Linux {machine['kernel']}, "
                   f"gcc {machine['gcc']}. A ratio is the median over the rounds of the ratio within a round, in brackets the quartiles.\n")
    for result in results:
        out.append(f"### {result['title']}\n\n    ./ecom bench {result['name']}\n\n{result['about']}\n\n{table(result)}\n")
        drawing = svg(result) if result["axis"] else ""
        if drawing:
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, result["name"] + ".svg"), "w", encoding="utf-8") as file:
                file.write(drawing)
            out.append(f"![{result['title']}: microseconds of CPU for each reply]({shown}/{result['name']}.svg)\n")
    return "\n".join(out)


def write(results, path, folder):
    with open(path, "w", encoding="utf-8") as file:
        file.write("# What ./ecom bench measured here\n\n" + body(results, folder, os.path.basename(folder)))


def write_into(results, path, folder):
    """Between the two marks of a document, which must be there."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    marks = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.S)
    if not marks.search(text):
        raise SystemExit(f"bench: {path} has no line '{BEGIN}'")
    inside = f"{BEGIN}\n{body(results, folder, os.path.basename(folder))}{END}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(marks.sub(lambda _: inside, text))
