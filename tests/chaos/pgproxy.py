"""Stands between a service and its PostgreSQL, loses answers of commits that have happened, and holds up one direction.

The server's socket gets another name and the proxy listens at the old one, so that whoever connects from now on goes through it. It
reads the messages that the server sends: CommandComplete `COMMIT`, or, on the connection of the group lane (known by its lock_timeout), the
ReadyForQuery that ends an implicit transaction, comes after the commit is durable. That message is not handed on; both sides see the
connection break instead.

Held up, a direction is as one that the network loses: nothing comes through, an end of the connection neither, and what was sent
meanwhile comes afterwards, for TCP sends it again.
"""
import contextlib
import glob
import os
import socket
import threading


class Proxy:
    def __init__(self, system, service):
        folder = os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service))
        self.path, = [p for p in glob.glob(os.path.join(folder, ".s.PGSQL.*")) if not p.endswith((".lock", ".real"))]
        self.system, self.service, self.lock = system, service, threading.Lock()
        self.wanted, self.lost, self.connections, self.open = {"commit": 0, "group": 0}, {"commit": 0, "group": 0}, 0, set()
        self.held, self.flows = {"requests": 0, "answers": 0}, {"requests": threading.Event(), "answers": threading.Event()}
        for flow in self.flows.values():
            flow.set()

    def lose(self, kind, n=1):
        with self.lock:
            self.wanted[kind] += n

    @contextlib.contextmanager
    def hold(self, direction):
        """Inside, what goes this way does not arrive; `held` counts what is kept from arriving, an end too."""
        self.flows[direction].clear()
        try:
            yield
        finally:
            self.flows[direction].set()

    def passes(self, direction):
        if not self.flows[direction].is_set():
            self.held[direction] += 1
            self.flows[direction].wait()

    def take(self, kind):
        with self.lock:
            if not self.wanted[kind]:
                return False
            self.wanted[kind] -= 1
            self.lost[kind] += 1
            return True

    def __enter__(self):
        os.rename(self.path, self.path + ".real")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(64)
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()
        self.cut()
        return self

    def cut(self):
        """Everybody connects anew."""
        self.system.sql(self.service, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                      "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")

    def __exit__(self, kind, error, trace):
        for flow in self.flows.values():
            flow.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # a thread that still waits there would take what comes for the next one of this number
        self.acceptor.join()
        self.listener.close()
        os.rename(self.path + ".real", self.path)
        for sock in list(self.open):
            self.close(sock)

    def close(self, sock):
        self.open.discard(sock)
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.path + ".real")
            except OSError:
                client.close()
                continue
            self.open |= {client, server}
            self.connections += 1
            state = {"group": False}
            threading.Thread(target=self.requests, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self.answers, args=(server, client, state), daemon=True).start()

    def requests(self, client, server, state):
        try:
            while data := client.recv(65536):
                if b"lock_timeout" in data[:1000]:
                    state["group"] = True
                self.passes("requests")
                server.sendall(data)
        except OSError:
            pass
        self.passes("requests")
        self.close(server)

    def answers(self, server, client, state):
        buffer, wrote = b"", False
        try:
            while data := server.recv(65536):
                buffer += data
                at = 0
                while len(buffer) - at >= 5:
                    end = at + 1 + int.from_bytes(buffer[at + 1:at + 5], "big")
                    if end > len(buffer):
                        break
                    kind, body = buffer[at:at + 1], buffer[at + 5:end]
                    if kind == b"C" and body == b"COMMIT\0" and self.take("commit"):
                        return self.close(server)
                    if kind == b"C":
                        wrote |= body.startswith((b"INSERT", b"UPDATE", b"SELECT 1\0"))
                    if kind == b"Z":
                        if wrote and state["group"] and self.take("group"):
                            return self.close(server)
                        wrote = False
                    at = end
                self.passes("answers")
                client.sendall(buffer[:at])
                buffer = buffer[at:]
        except OSError:
            pass
        finally:
            self.passes("answers")
            self.close(client)
