#!/usr/bin/env python3
"""Every allocation of `ecomc` fails in turn: the end is one line and exit 70, and nothing is half-written.

usage: run.py ECOMC [--all]      ECOMC is built without a sanitizer: the allocator is the C library's, and fail.c stands in front of it

Where ecomc is linked with shared libraries a run has over a thousand allocations before main; without --all, of those each 20th is tried.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import each  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TOPOLOGY = HERE.parent / "topologies" / "parcel.ecom"


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Memory:
    def __init__(self, ecomc, temp):
        self.ecomc, self.temp, self.preload = ecomc, temp, temp / "fail.so"
        subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", self.preload, HERE / "fail.c", "-ldl"], check=True)

    def run(self, folder, args, fail_at=0):
        env = dict(os.environ, LD_PRELOAD=str(self.preload), EC_FAIL_AT=str(fail_at), EC_FAIL_COUNT=str(self.temp / "count"))
        return subprocess.run([self.ecomc, *args], cwd=folder, env=env, capture_output=True, text=True, timeout=60)

    def count(self, folder, args):
        done = self.run(folder, args)
        assert done.returncode == 0, done
        return int((self.temp / "count").read_text())

    def folder(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.temp))
        shutil.copy(TOPOLOGY, folder / "topology.ecom")
        return folder


def numbers(before, total, every):
    """All between the two that are ecomc's own, and of the rest each so-and-so-many-th."""
    return sorted({*range(1, before, every), *range(before, total + 1, 1 if total - before < 500 else every), *range(max(before, total - 30), total + 1)})


def test_check(memory, every):
    folder = memory.folder()
    for n in numbers(memory.count(folder, ["version"]), memory.count(folder, ["check"]), every):
        done = memory.run(folder, ["check"], n)
        assert done.returncode == 70 and done.stderr == "ecomc: out of memory\n" and not done.stdout, (n, done)
    assert list(tree(folder)) == ["topology.ecom"]


def test_build(memory, every):
    whole = memory.folder()
    assert memory.run(whole, ["build"]).returncode == 0
    whole = tree(whole)
    before, total = memory.count(memory.folder(), ["version"]), memory.count(memory.folder(), ["build"])
    after_writing = 0
    for n in numbers(before, total, every):
        folder = memory.folder()
        done = memory.run(folder, ["build"], n)
        assert done.returncode == 70 and done.stderr == "ecomc: out of memory\n", (n, done)
        left = tree(folder)
        beside = [path for path in left if path.startswith(".generated.new/")]  # not yet in its place: the next build removes it
        left = {path: content for path, content in left.items() if path not in beside}
        assert all(whole[path] == content for path, content in left.items()), (n, [path for path in left if whole.get(path) != left[path]])
        generated = [path for path in left if path.startswith("generated/")]
        assert not generated or len(generated) == len(whole) - 2, (n, generated)
        after_writing += bool(generated)
        if generated or beside:
            assert memory.run(folder, ["build"]).returncode == 0 and tree(folder) == whole, n
        shutil.rmtree(folder)
    assert after_writing < 10, f"{after_writing} allocations come after the files are written"


def test_no_room_at_all(memory, _):
    """The real thing: an address space that is too small."""
    folder = memory.folder()
    topology = (folder / "topology.ecom").read_text()
    (folder / "topology.ecom").write_text(topology + "".join(f"record Much{i} {{ a: text  b: int }}\n" for i in range(100000)))
    codes = set()
    for megabytes in range(60, 400, 20):
        done = subprocess.run(["sh", "-c", f"ulimit -v {megabytes * 1024}; exec {memory.ecomc} check"], cwd=folder, capture_output=True, text=True)
        if done.returncode == 127:  # the libraries alone do not fit
            continue
        codes.add(done.returncode)
        assert (done.returncode, done.stderr) == (70, "ecomc: out of memory\n") or done.returncode == 0, (megabytes, done.returncode, done.stderr[:500])
    assert codes == {0, 70}, codes


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    every = 1 if "--all" in sys.argv else 20
    with tempfile.TemporaryDirectory(prefix="ecom-memory-") as temp:
        memory = Memory(os.path.abspath(sys.argv[1]), pathlib.Path(temp))
        return each.run((test_check, test_build, test_no_room_at_all), lambda test: test(memory, every))


if __name__ == "__main__":
    sys.exit(main())
