"""A client of `ecomc lsp` that speaks the protocol over its pipes, keeps the texts as an editor does, and counts as an editor counts."""
import json
import os
import select
import subprocess
import time


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message = error["code"], error["message"]


class Text:
    """A text with places in the units that the session has agreed on."""

    def __init__(self, text, encoding):
        self.text, self.encoding = text, encoding

    def units(self, text):
        return len(text.encode("utf-8")) if self.encoding == "utf-8" else len(text.encode("utf-16-le")) // 2

    def position(self, offset):
        before = self.text[:offset]
        start = before.rfind("\n") + 1
        return {"line": before.count("\n"), "character": self.units(before[start:])}

    def offset(self, position):
        lines = self.text.split("\n")
        at = sum(len(line) + 1 for line in lines[:position["line"]])
        units = 0
        for char in lines[position["line"]]:
            if units >= position["character"]:
                break
            units += self.units(char)
            at += 1
        assert units == position["character"], f"{position} is inside a character or behind its line"
        return at

    def of(self, range_):
        return self.text[self.offset(range_["start"]):self.offset(range_["end"])]

    def range(self, start, end):
        return {"start": self.position(start), "end": self.position(end)}

    def edited(self, edits):
        """All edits are of the text as it was."""
        places = sorted(((self.offset(e["range"]["start"]), self.offset(e["range"]["end"]), i, e["newText"]) for i, e in enumerate(edits)))
        for (_, end, _, _), (start, _, _, _) in zip(places, places[1:]):
            assert end <= start, "edits overlap"
        out, at = [], 0
        for start, end, _, new in places:
            out += [self.text[at:start], new]
            at = end
        return "".join(out) + self.text[at:]


CAPABILITIES = {
    "general": {"positionEncodings": ["utf-16"]},
    "workspace": {"workspaceEdit": {"documentChanges": True, "changeAnnotationSupport": {}}},
    "textDocument": {"hover": {"contentFormat": ["markdown"]}, "documentSymbol": {"hierarchicalDocumentSymbolSupport": True}},
}


class Client:
    def __init__(self, ecomc, capabilities=None, start=True):
        self.process = subprocess.Popen([ecomc, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.buffer, self.next, self.texts, self.versions = b"", 1, {}, {}
        self.diagnostics, self.log, self.answers = {}, [], {}
        self.encoding = "utf-16"
        if start:
            self.server = self.ask("initialize", processId=os.getpid(),
                rootUri=None, capabilities=CAPABILITIES if capabilities is None else capabilities)
            self.encoding = self.server["capabilities"]["positionEncoding"]
            self.tell("initialized")

    # ---- frames

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        body = json.dumps(dict(message, jsonrpc="2.0"), ensure_ascii=False).encode()
        self.raw(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def read(self, timeout=20):
        """The next message, or None at the end of the stream."""
        end = time.monotonic() + timeout
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                length = int(head.split(b":")[1])
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return json.loads(rest[:length])
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], "the server is silent"
            data = self.process.stdout.read()
            if data == b"":
                return None
            self.buffer += data or b""

    def take(self, message):
        if message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self.diagnostics[params["uri"]] = (params.get("version"), params["diagnostics"])
        elif message.get("method") == "window/logMessage":
            self.log.append(message["params"]["message"])
        elif "id" in message:
            self.answers[message["id"]] = message

    # ---- requests

    def tell(self, method, **params):
        self.send({"method": method, "params": params})

    def ask(self, method, **params):
        number, self.next = self.next, self.next + 1
        self.send({"id": number, "method": method, "params": params})
        while number not in self.answers:
            message = self.read()
            assert message, "the server has gone"
            self.take(message)
        answer = self.answers.pop(number)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def settled(self, uri):
        """The diagnostics of the text as it is."""
        while self.diagnostics.get(uri, (None,))[0] != self.versions[uri]:
            self.take(self.read())
        return self.diagnostics[uri][1]

    # ---- documents

    def changed_beside(self, uri, path):
        """A file that the text stands beside has changed: its diagnostics are told anew."""
        self.diagnostics.pop(uri, None)
        self.tell("workspace/didChangeWatchedFiles", changes=[{"uri": path.as_uri(), "type": 2}])

    def open(self, text, uri="file:///t/topology.ecom"):
        self.texts[uri], self.versions[uri] = text, 1
        self.diagnostics.pop(uri, None)
        self.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "ecom", "version": 1, "text": text})
        return uri

    def text(self, uri):
        return Text(self.texts[uri], self.encoding)

    def edit(self, uri, start, end, new):
        change = {"range": self.text(uri).range(start, end), "text": new}
        self.texts[uri] = self.texts[uri][:start] + new + self.texts[uri][end:]
        self.versions[uri] += 1
        self.tell("textDocument/didChange", textDocument={"uri": uri, "version": self.versions[uri]}, contentChanges=[change])

    def replace(self, uri, text):
        self.texts[uri] = text
        self.versions[uri] += 1
        self.tell("textDocument/didChange", textDocument={"uri": uri, "version": self.versions[uri]}, contentChanges=[{"text": text}])

    def close(self, uri):
        self.tell("textDocument/didClose", textDocument={"uri": uri})

    def at(self, method, uri, offset, **more):
        return self.ask(method, textDocument={"uri": uri}, position=self.text(uri).position(offset), **more)

    def end(self):
        """Says goodbye; the exit code and what was said on standard error."""
        self.ask("shutdown")
        self.tell("exit")
        self.process.stdin.close()
        return self.process.wait(20), self.process.stderr.read().decode()

    def kill(self):
        self.process.kill()
        self.process.wait()
