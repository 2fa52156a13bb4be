"""Writing back: only over what the writer has seen, whole or not at all."""
import concurrent.futures
import os
import random
import stat
import subprocess
import threading
import time

from run import ROOT

SOURCE = "/api/examples/ecommerce/source"


def put(studio, text, tag, path=SOURCE):
    return studio.ask("PUT", path, {"text": text}, if_match=tag)


def test_read_and_write(studio):
    reply = studio.get(SOURCE)
    text = studio.topology.read_text()
    assert reply.json == {"file": "topology.ecom", "etag": reply.headers["etag"], "text": text}, reply
    assert studio.get(SOURCE, if_none_match=reply.headers["etag"]).status == 304
    os.chmod(studio.topology, 0o640)
    changed = text.replace("E-Commerce Microservices", "Ein Geschäft")
    done = put(studio, changed, reply.headers["etag"])
    assert done.status == 204 and not done.body and studio.topology.read_text() == changed, done
    assert stat.S_IMODE(studio.topology.stat().st_mode) == 0o640
    assert studio.good("/api/examples/ecommerce")["title"] == "Ein Geschäft"
    assert studio.get(SOURCE).headers["etag"] == done.headers["etag"]
    assert put(studio, text, done.headers["etag"]).status == 204 and studio.topology.read_text() == text
    assert put(studio, "broken {", f'"other", {studio.get(SOURCE).headers["etag"]}').status == 204, "a text may be kept before it is right"
    assert studio.topology.read_text() == "broken {"
    assert sorted(os.listdir(studio.folder)) == ["ecom.lock", "examples", "stderr", "topology.ecom"], "nothing is left beside it"


def test_only_over_what_was_seen(studio):
    tag = studio.get(SOURCE).headers["etag"]
    text = studio.topology.read_text()
    assert put(studio, "x", None).problem == "unconditional"
    for wrong in ('"other"', "", tag.strip('"'), tag[:-1]):
        assert put(studio, "x", wrong).problem == "stale", wrong
    theirs = text + "// theirs\n"
    studio.topology.write_text(theirs)
    reply = put(studio, text + "// mine\n", tag)
    assert reply.status == 412 and reply.problem == "stale" and studio.topology.read_text() == theirs, reply
    assert put(studio, text, "*").status == 204 and studio.topology.read_text() == text, "who says so writes over anything"
    assert sorted(os.listdir(studio.folder)) == ["ecom.lock", "examples", "stderr", "topology.ecom"]


def test_one_of_many_wins(studio):
    """Ten write over the same text at once: one of them does, the others are told, and the file is that one's."""
    for n in range(5):
        tag = studio.get(SOURCE).headers["etag"]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            replies = list(pool.map(lambda k: put(studio, f"// {n} {k}\n" * 50000, tag), range(10)))
        won = [k for k, r in enumerate(replies) if r.status == 204]
        assert len(won) == 1 and sorted({r.status for r in replies}) == [204, 412], [r.status for r in replies]
        assert studio.topology.read_text() == f"// {n} {won[0]}\n" * 50000


def test_beside_another_program(studio):
    """Another program writes all the time, as an editor does: of its last text nothing is taken away but by who has seen it."""
    path, stop, lost = studio.topology, threading.Event(), []
    marker = studio.folder / "theirs"
    assert studio.get(SOURCE).status == 200  # so that its name is known
    path.write_text("// theirs 0\n")

    def edit():
        n = 0
        while not stop.is_set():
            n += 1
            marker.write_text(f"// theirs {n}\n")
            os.replace(marker, path)
            until = time.monotonic() + 2  # another text may stand there for the moment that it takes to see what stood there before
            while (seen := path.read_text()) not in (f"// theirs {n}\n", f"// studio over {n}\n") and time.monotonic() < until:
                pass
            if time.monotonic() >= until:
                lost.append((n, seen))
            time.sleep(random.choice((0, 0.03, 0.06)))
    thread = threading.Thread(target=edit)
    thread.start()
    written = stale = 0
    try:
        for _ in range(150):
            reply = studio.get(SOURCE)
            assert reply.status == 200, reply
            done = put(studio, f"// studio over {reply.json['text'].split()[-1]}\n", reply.headers["etag"])
            assert done.status in (204, 412), done
            written += done.status == 204
            stale += done.status == 412
    finally:
        stop.set()
        thread.join()
    assert not lost, lost[:3]
    assert written and stale, (written, stale)
    assert sorted(os.listdir(studio.folder)) == ["ecom.lock", "examples", "stderr", "topology.ecom"]
    print(f"     {written} written, {stale} refused")


def test_links(studio):
    """A link stays a link, what it leads to is written; one that leads nowhere is no file."""
    real = studio.folder / "real.ecom"
    os.rename(studio.topology, real)
    os.symlink("real.ecom", studio.topology)
    tag = studio.get(SOURCE).headers["etag"]
    assert put(studio, "// new\n", tag).status == 204
    assert studio.topology.is_symlink() and real.read_text() == "// new\n" and not real.is_symlink()
    real.unlink()
    assert studio.get(SOURCE).status == 503 and put(studio, "x", "*").status == 503 and not real.exists()


def test_no_permission(studio):
    if os.geteuid() == 0:  # who may do anything is stopped by the file system alone
        if subprocess.run(["chattr", "+i", studio.topology], capture_output=True).returncode:
            return
        try:
            reply = put(studio, "x", studio.get(SOURCE).headers["etag"])
        finally:
            subprocess.run(["chattr", "-i", studio.topology], check=True)
    else:
        os.chmod(studio.folder, 0o555)
        try:
            reply = put(studio, "x", studio.get(SOURCE).headers["etag"])
        finally:
            os.chmod(studio.folder, 0o755)
    assert reply.status == 409 and "topology.ecom" in reply.json["detail"], reply
    assert studio.topology.read_text() == (ROOT / "topology.ecom").read_text()
    assert sorted(os.listdir(studio.folder)) == ["ecom.lock", "examples", "stderr", "topology.ecom"]
