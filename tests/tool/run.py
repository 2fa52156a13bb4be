#!/usr/bin/env python3
"""What derives from the tables of commands and options: help, completions, the manual page; `ecomc init`, and `ecomc secrets`.

usage: run.py ECOMC
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import deploy_secrets

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ECOMC = str(pathlib.Path(sys.argv[-1]).resolve())
TABLE = (ROOT / "tool" / "options.h").read_text()
COMMANDS = {name.replace("_", "-"): summary
            for name, summary in re.findall(r'^X\((\w+), "(.*)"\)$', (ROOT / "tool" / "commands.h").read_text(), re.M)}
OPTIONS = [(command.replace("_", "-"), name, value)
           for command, name, value in re.findall(r'^OPTION\((\w+), "(.*?)", "(.*?)", ".*"\)$', TABLE, re.M)]
COMMON = re.findall(r'^COMMON\("(.*?)", "(.*?)", ".*"\)$', TABLE, re.M)
results = []
skipped = 0


def check(name, good, why=""):
    results.append(bool(good))
    if not good:
        print(f"FAIL {name}: {why}")


def skip(name, why):
    global skipped
    skipped += 1
    print(f"skip: {name}: {why}")


def ecomc(*args, cwd=None):
    return subprocess.run([ECOMC, *args], cwd=cwd, capture_output=True, text=True, timeout=60)


def help_of_each(temp):
    everything = ecomc("help").stdout
    check("there is a table", len(COMMANDS) > 10 and len(OPTIONS) > 15 and len(COMMON) == 3, f"{COMMANDS} {OPTIONS} {COMMON}")
    for name, summary in COMMANDS.items():
        run = ecomc(name, "--help")
        wanted = [option for command, option, _ in OPTIONS if command == name]
        check(f"{name} --help", run.returncode == 0 and not run.stderr, str(run))
        check(f"{name} --help says what it is", summary in run.stdout and f"usage: ecomc {name}" in run.stdout, str(run))
        found = re.findall(r"^  (-\S+)", run.stdout, re.M)
        check(f"{name} --help has its options", found == wanted + [option for option, _ in COMMON], f"{found}")
        check(f"help {name} says the same", ecomc("help", name).stdout == run.stdout)
        check(f"help lists {name}", f"\n  {name:<12} {summary}\n" in everything, everything)
        # Each command compares what it asks for with the table before anything else; 70 would be a difference.
        run = ecomc(name, "--no-such-option", cwd=temp)
        check(f"{name} and the table agree", run.returncode == 64 and "has no option --no-such-option" in run.stderr, str(run))
    for words, says in ((("--format", "xml"), "--format takes text, json, sarif or github"), (("--format",), "--format takes"), (("--color=red",), "--color takes")):
        run = ecomc("check", *words)
        check(f"check {words}", run.returncode == 64 and says in run.stderr, str(run))
    run = ecomc("help", "chekc")
    check("help of what there is not", run.returncode == 64 and "did you mean 'check'" in run.stderr, str(run))
    check("no command", ecomc().returncode == 64 and ecomc().stderr == everything)


def bash(script, *words):
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    program = f'. {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _ecomc; printf "%s\\n" "${{COMPREPLY[@]}}"'
    run = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    check(f"bash is content with {words}", run.returncode == 0 and not run.stderr, run.stderr)
    return set(run.stdout.split())


def completions(temp):
    scripts = {}
    for shell in ("bash", "zsh", "fish"):
        run = ecomc("completion", shell)
        scripts[shell] = temp / f"completion.{shell}"
        scripts[shell].write_text(run.stdout)
        check(f"completion {shell}", run.returncode == 0 and not run.stderr and len(run.stdout) > 2000, str(run)[:300])
        for name in COMMANDS:
            check(f"{shell} knows {name}", re.search(rf"\b{re.escape(name)}\b", run.stdout))
        for command, option, _ in OPTIONS:
            bare = option.lstrip("-") if shell == "fish" else option
            check(f"{shell} knows {command} {option}", re.search(rf"(?<![\w-]){re.escape(bare)}(?![\w-])", run.stdout))
    run = ecomc("completion", "tcsh")
    check("a shell that is not known", run.returncode == 64 and "bash|zsh|fish" in run.stderr, str(run))

    offered = bash(scripts["bash"], "ecomc", "")
    check("bash offers the commands", offered == {*COMMANDS, "--help", "--version"}, str(offered))
    check("bash completes a command", bash(scripts["bash"], "ecomc", "dea") == {"dead-letters"})
    for name in COMMANDS:
        offered = bash(scripts["bash"], "ecomc", name, "-")
        wanted = {option for command, option, _ in OPTIONS if command == name} | {option for option, _ in COMMON}
        check(f"bash offers the options of {name}", offered == wanted, str(offered))
    formats, brokers = {"text", "json", "sarif", "github"}, {"embedded", "apache"}
    for words, wanted in ((("up", "--kafka", ""), brokers), (("up", "--kafka", "=", "a"), {"apache"}), (("up", "--kafka", "="), brokers),
                          (("check", "--format", "s"), {"sarif"}), (("check", "--color=never", "--format", "=", ""), formats),
                          (("migrate", "order-svc", ""), {"up", "down", "status", "baseline"}), (("completion", ""), {"bash", "zsh", "fish"}),
                          (("up", "--replicas", ""), set()), (("check", "topo"), {"topology.ecom"}), (("help", "ini"), {"init"})):
        offered = bash(scripts["bash"], "ecomc", *words)
        check(f"bash offers after {words}", offered == wanted, str(offered))
    for shell, syntax in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
        if shutil.which(shell):
            run = subprocess.run([*syntax, scripts[shell]], capture_output=True, text=True)
            check(f"{shell} reads its completion", run.returncode == 0 and not run.stderr, run.stderr)
        else:
            skip(f"{shell} reads its completion", f"there is no {shell}")
        quotes = re.sub(r"\\.", "", scripts[shell].read_text().replace("'\\''", ""))
        odd = [line for line in quotes.splitlines() if not line.startswith("#") and line.count("'") % 2]
        check(f"the quotes of {shell} pair on each line", not odd, str(odd))


def manual(temp):
    run = ecomc("help", "--man")
    page = temp / "ecomc.1"
    page.write_text(run.stdout)
    lines = run.stdout.splitlines()
    check("the manual page", run.returncode == 0 and lines[0].startswith(".TH ECOMC 1 ") and not run.stderr, str(run)[:300])
    sections = [line[4:] for line in lines if line.startswith(".SH ")]
    wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "FILES", "ENVIRONMENT"]
    check("its sections", sections == wanted, str(sections))
    requests = (".TH", ".SH", ".SS", ".TP", ".B", ".I", ".RI")
    unknown = [line for line in lines if line.startswith((".", "'")) and line.split()[0] not in requests]
    check("it has only the requests of man", not unknown, str(unknown))
    subsections = [line for line in lines if line.startswith(".SS ")]
    check("a part for each command", len(subsections) == len(COMMANDS), str(subsections))
    for command, option, _ in OPTIONS:
        escaped = option.replace("-", "\\-")
        check(f"it has {command} {option}", f"\\fB{escaped}\\fR" in run.stdout)
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", page], capture_output=True, text=True)
        check("mandoc is content", done.returncode == 0, done.stdout)
    elif shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, text=True)
        check("groff is content", done.returncode == 0 and not done.stderr and "NAME" in re.sub(".\b", "", done.stdout), done.stderr)
    else:
        skip("a formatter is content", "there is neither mandoc nor groff")


def init(temp):
    run = ecomc("init", "notes", cwd=temp)
    file = temp / "notes" / "topology.ecom"
    check("init", run.returncode == 0 and "cd notes" in run.stdout and "ecomc up" in run.stdout and not run.stderr, str(run))
    text = file.read_bytes()
    run = ecomc("check", cwd=file.parent)
    check("what it writes has no error and no warning", run.returncode == 0 and not run.stdout + run.stderr, run.stderr)
    check("and is canonical", ecomc("fmt", "--check", cwd=file.parent).returncode == 0)
    run = ecomc("build", cwd=file.parent)
    check("and can be built", run.returncode == 0 and (file.parent / "generated" / "MANIFEST").exists(), run.stderr)
    run = ecomc("init", "notes", cwd=temp)
    check("nothing is written over", run.returncode == 1 and "stays as it is" in run.stderr and file.read_bytes() == text, str(run))
    file.unlink()
    file.symlink_to("elsewhere.ecom")
    run = ecomc("init", cwd=file.parent)
    check("nor through a link", run.returncode == 1 and not (file.parent / "elsewhere.ecom").exists(), str(run))
    file.unlink()
    check("init in the working folder", ecomc("init", cwd=file.parent).returncode == 0 and file.read_bytes() == text)
    run = ecomc("init", "no/such", cwd=temp)
    check("a folder that can't be made", run.returncode == 74 and len(run.stderr.splitlines()) == 1, str(run))


def secrets(temp):
    deploy_secrets.tests(ECOMC, temp, check)


def main():
    for part in (help_of_each, completions, manual, init, secrets):
        with tempfile.TemporaryDirectory() as temp:
            part(pathlib.Path(temp))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, {skipped} skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
