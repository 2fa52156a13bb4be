"""What a workload is, and how one is run: each of its points is a comparison of its own."""
import dataclasses

import method
from world import Missing


@dataclasses.dataclass
class Target:
    """A ratio that is to be reached, within one round: at the point of that label, or at the first that has both."""
    name: str
    base: str
    figure: str  # of method.Slice
    least: float
    at: str = ""


@dataclasses.dataclass
class Limit:
    """What one of ours is to take at most, by itself: a time, or what a fact says; of a rate, what it is to reach at least. At the point of
    that label, or at the first that has it."""
    name: str
    figure: str  # p50_us, p99_us, per_second, or the name of a fact
    most: float  # in milliseconds, a second, or in the fact's unit
    at: str = ""


@dataclasses.dataclass
class Point:
    label: str
    subjects: dict  # {name: function(world) -> Subject, or raises Missing}
    connections: int = 64
    rate: int = 0  # requests a second of an open loop; 0: a closed one
    large: bool = False  # only with --large


@dataclasses.dataclass
class Workload:
    name: str
    title: str
    about: str
    points: list
    base: str  # the subject that the others are held against
    targets: list
    axis: str = ""  # of the points, when they are one: then it is drawn
    of: str = "requests"  # what is counted
    absent: list = dataclasses.field(default_factory=list)  # peers that can't be had anywhere
    limits: list = dataclasses.field(default_factory=list)


FIGURES = ("per_second", "per_cpu", "cpu_us", "p50_us", "p99_us")


def run_point(run, w, point, base, rounds, missing):
    """What is told of one point: of each subject its figures, and of the ratios to the base median and quartiles."""
    subjects = {}
    for name, start in point.subjects.items():
        if name in missing:
            continue
        try:
            subjects[name] = start(w)
        except Missing as why:
            missing[name] = str(why)
            run.say(f"  without {name}: {why}")
    if base not in subjects:
        raise SystemExit(f"bench: without {base} there is nothing to compare with: {missing.get(base)}")
    for subject in subjects.values():  # of ours only one is on the server's core
        method.pin(method.server(subject), w.server_core)
    got = run.rounds(subjects, point.connections, rounds, point.rate)
    told = {"label": point.label, "connections": point.connections, "rate": point.rate, "rounds": len(got[base]), "subjects": {},
            "got": got}
    for name, slices in got.items():
        told["subjects"][name] = {figure: method.spread([getattr(s, figure) for s in slices]) for figure in FIGURES}
        told["subjects"][name]["ratio"] = {figure: method.spread(method.ratios(got, name, base, figure))
                                           for figure in ("per_second", "per_cpu")}
        told["subjects"][name]["facts"] = subjects[name].facts
        pids = subjects[name].memory() if subjects[name].memory else method.server(subjects[name])
        if pids:
            told["subjects"][name]["memory"] = method.resident(pids) / 1024
        cpu = told["subjects"][name]["cpu_us"][0]
        ratio = told["subjects"][name]["ratio"]
        rate = told["subjects"][name]["per_second"][0]
        run.say(f"  {point.label:>16} {name:22} {rate:9.0f}/s {cpu:7.1f} us  {ratio['per_second'][0]:.2f} of {base}, "
                f"for each CPU second {ratio['per_cpu'][0]:.2f}")
    return told


def held(limit, points):
    """The limit with what was measured, in its unit: median and quartiles, or one value that counts for all three. None: nothing was."""
    for told in points:
        if limit.at not in ("", told["label"]) or limit.name not in told["subjects"]:
            continue
        got = told["subjects"][limit.name]
        if limit.figure == "per_second":
            return {**dataclasses.asdict(limit), "unit": "/s", "got": list(got[limit.figure])}
        if limit.figure in FIGURES:
            return {**dataclasses.asdict(limit), "unit": "ms", "got": [value / 1000 for value in got[limit.figure]]}
        if limit.figure in got["facts"]:
            value, unit = got["facts"][limit.figure]
            return {**dataclasses.asdict(limit), "unit": unit, "got": [value] * 3}
    return None


def run(method_run, w, workload, rounds):
    """The workload's result, ready for JSON. `w` holds what runs; who shares it shares our system."""
    method_run.say(f"{workload.title}")
    missing = {}
    points = [run_point(method_run, w, point, workload.base, rounds, missing) for point in workload.points]
    targets = []
    for target in workload.targets:
        for told in points:
            if target.at in ("", told["label"]) and target.name in told["got"] and target.base in told["got"]:
                reached = method.ratios(told["got"], target.name, target.base, target.figure)
                targets.append({**dataclasses.asdict(target), "got": method.spread(reached)})
                break
    limits = [got for got in (held(limit, points) for limit in workload.limits) if got]
    for told in points:
        del told["got"]
    return {"name": workload.name, "title": workload.title, "about": workload.about, "base": workload.base, "axis": workload.axis,
            "of": workload.of, "points": points, "targets": targets, "limits": limits, "missing": missing}
