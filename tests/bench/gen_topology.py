#!/usr/bin/env python3
"""Writes a topology of N services, 5 N edges and 3 N SQL statements to standard output; the same N and seed give the same text.

usage: gen_topology.py N [SEED]        N is a multiple of 10

Three tiers, as grown backends have them. Stores (two fifths of the services) keep things and hold them for sagas; desks (two fifths)
answer with what several stores know, and note what changes; fronts (a fifth) stand behind a gateway and have a saga each. Nothing waits
in a circle."""
import random
import re
import sys

ADJECTIVES = "amber brisk calm dusky early faint grand humid inner jolly keen lunar mild noble outer plain quiet rapid solid tidy".split()
NOUNS = "anchor basket crate drum engine flask gear hinge inlet jar kiln lamp mast needle oven pump quill rack spool tray".split()
PROSE = ("kept for a season", "counted twice a day", "moved by hand", "sealed after use", "stored upright", "read from left to right")


class Topology:
    def __init__(self, n, seed):
        self.n, self.random, self.lines, self.edges = n, random.Random(seed), [], []
        self.fronts = [self.name(i) for i in range(n // 5)]
        self.desks = [self.name(n // 5 + i) for i in range(2 * n // 5)]
        self.stores = [self.name(n // 5 + len(self.desks) + i) for i in range(n - n // 5 - len(self.desks))]
        self.gateways = max(1, n // 50)
        self.providers = max(1, n // 20)

    @staticmethod
    def name(i):
        """Words of a service: (`amber-anchor-12-svc`, `AmberAnchor12`, `amber_anchor_12`)."""
        words = [ADJECTIVES[i % len(ADJECTIVES)], NOUNS[i * 7 % len(NOUNS)], str(i)]
        return f"{words[0]}-{words[1]}{words[2]}-svc", words[0].title() + words[1].title() + words[2], f"{words[0]}_{words[1]}{words[2]}"

    def say(self, text):
        self.lines.append(text)

    def edge(self, source, target, properties):
        self.edges.append(f"edge {source} -> {target} {{ {properties} }}")

    def pick(self, among, n):
        return self.random.sample(among, min(n, len(among)))

    def store(self, i, me, called):
        node, pascal, snake = me
        prose = self.random.choice(PROSE)
        self.say(f'''
record {pascal}Item {{ id: uuid  label: text(1..80)  amount: int(0..)  state: State  place: text? }}
event {pascal}Held v1 {{ item_id: uuid  hold_id: uuid  amount: int }}

service {node} "{pascal}, {prose}" {{
  database postgres {{
    table items {{
      id        uuid primary key
      label     text(1..80)
      amount    int  check (amount >= 0)
      held      int = 0  check (held >= 0)
      state     State = free
      place     text?
      changed   time = now()
      index (label, id)
      index (state, changed desc)
    }}
    table holds {{
      id        uuid primary key
      item_id   uuid references items
      amount    int  check (amount > 0)
      state     State = held
    }}
    seed items {{ id: "018f3a5e-0000-7000-8000-{i:012d}"  label: "{prose}"  amount: 100 }}
  }}
  op Get(id: uuid) -> {pascal}Item errors {{ Missing Busy }} {{
    let item = sql one """
      SELECT i.id, i.label, i.amount - coalesce(sum(h.amount) FILTER (WHERE h.state = 'held'), 0)::bigint AS amount, i.state, i.place
        FROM items i LEFT JOIN holds h ON h.item_id = i.id WHERE i.id = :id GROUP BY i.id"""  none -> fail Missing''')
        if called:
            self.say(f'''    let said = {called}.Tell(text: item.label, amount: item.amount)
    return {pascal}Item {{ ...item  place: said.id }}''')
            self.edge(node, called, "https external  timeout 200ms  on failure fail Busy")
        else:
            self.say("    return item")
        self.say(f'''  }}
  op Hold(id: uuid, hold_id: uuid, amount: int(1..1000)) errors {{ NotEnough }} {{
    tx {{
      let hold = sql one """
        WITH taken AS (UPDATE items SET held = held + :amount, changed = now() WHERE id = :id AND amount - held >= :amount RETURNING id)
        INSERT INTO holds (id, item_id, amount) SELECT :hold_id, id, :amount FROM taken RETURNING id, item_id, amount"""
        none -> fail NotEnough
      publish {pascal}Held {{ item_id: hold.item_id  hold_id: hold.id  amount: hold.amount }}
    }}
  }}
  op Release(hold_id: uuid) {{
    sql exec """
      WITH freed AS (UPDATE holds SET state = 'free' WHERE id = :hold_id AND state = 'held' RETURNING item_id, amount)
      UPDATE items i SET held = i.held - f.amount, changed = now() FROM freed f WHERE i.id = f.item_id"""
  }}
}}''')
        self.edge(node, "stream", f"publish {snake.replace('_', '-')}-held")

    def desk(self, i, me):
        node, pascal, snake = me
        heard = self.stores[i]
        held = heard[2].replace("_", "-")
        stores = [heard, *self.pick([store for store in self.stores if store != heard], 3)]
        self.say(f'''
record {pascal}View {{ id: uuid  label: text  total: int  rest: [int]  state: State }}
event {pascal}Changed v1 {{ id: uuid  label: text  state: State }}

service {node} "{pascal}" {{
  setting {snake}_limit: int env {snake.upper()}_LIMIT = {self.random.randint(10, 500)}
  database postgres {{
    table views {{
      id        uuid primary key
      label     text(1..80) = "{self.random.choice(PROSE)}"
      total     int = 0
      state     State = free
      changed   time = now()
      index (state, changed desc)
    }}
  }}
  op Get(id: uuid) -> {pascal}View errors {{ Missing Busy }} {{
    let view = sql one """SELECT id, label, total, state FROM views WHERE id = :id"""  none -> fail Missing''')
        for i, store in enumerate(stores):
            self.say(f"    let part{i} = {store[0]}.Get(id: view.id)")
            self.edge(node, store[0], "http  timeout 300ms  on failure fail Busy" if i else "http  use near")
        parts = [f"part{i}.amount" for i in range(len(stores))]
        self.say(f'''    fail Missing when {" + ".join(parts)} > {snake}_limit and view.state == free
    return {pascal}View {{ ...view  rest: [{", ".join(parts)}] }}
  }}
  op Change(id: uuid, label: text(1..80), state: State = held) -> {pascal}View errors {{ Missing Busy }} {{
    tx {{
      let view = sql one """
        INSERT INTO views (id, label, state) VALUES (:id, :label, :state)
        ON CONFLICT (id) DO UPDATE SET label = excluded.label, state = excluded.state, changed = now() WHERE views.total < :{snake}_limit
        RETURNING id, label, total, state"""  none -> fail Missing
      publish {pascal}Changed {{ ...view }}
    }}
    return {pascal}View {{ ...view  rest: [] }}
  }}
  on {heard[1]}Held(e) from {held}-held group {snake.replace("_", "-")}  retry 5 backoff 200ms..30s then dead-letter {{
    sql exec """UPDATE views SET total = total + :e.amount, changed = now() WHERE id = :e.item_id"""
  }}
}}''')
        self.edge(node, "stream", f"publish {snake.replace('_', '-')}-changed")
        self.edge("stream", node, f"consume {held}-held")

    def front(self, i, me):
        node, pascal, snake = me
        desks, stores = self.desks[2 * i:2 * i + 2], self.stores[2 * i:2 * i + 2]
        stores += self.pick([store for store in self.stores if store not in stores], 2)
        self.say(f'''
record {pascal}Request {{ id: uuid  item_id: uuid  amount: int(1..1000)  state: State }}

service {node} "{pascal}" {{
  database postgres {{
    table requests {{
      id        uuid primary key
      item_id   uuid
      amount    int  check (amount > 0)
      state     State = free
      reason    text?
      made      time = now()
      index (item_id, id desc)
    }}
  }}
  op Place(item_id: uuid, amount: int(1..1000)) -> {pascal}Request errors {{ NotEnough Missing Busy }} {{
    let id = new_id()
    tx {{
      let request = sql one """
        INSERT INTO requests (id, item_id, amount) VALUES (:id, :item_id, :amount)
        ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id, item_id, amount, state"""
      let placing = start {snake.replace("_", "-")}-saga(request: request)
    }}
    await placing  late {{ accept request }}
    return {pascal}Request {{ ...request  state: held }}
  }}
  op Look(id: uuid) -> {pascal}Request errors {{ Missing Busy }} {{
    let known = memo.{snake}[id]  found -> return known''')
        for i, desk in enumerate(desks):
            self.say(f"""    let view{i} = {desk[0]}.Get(id: id)
    let changed{i} = {desk[0]}.Change(id: id, label: view{i}.label)""")
            self.edge(node, desk[0], "http  timeout 3s  on failure fail Busy")
        fields = "id: view0.id  item_id: view1.id  amount: changed0.total + 1  state: changed1.state"
        self.say(f'''    let request = {pascal}Request {{ {fields} }}
    put memo.{snake}[id] = request
    return request
  }}''')
        for _, other, heard in desks:
            self.say(f'''  on {other}Changed(e) from {heard.replace("_", "-")}-changed group {snake.replace("_", "-")} {{
    put memo.{snake}[e.id] = {pascal}Request {{ ...e  item_id: e.id  amount: len(e.label) }}
  }}''')
        self.say(f'''}}
saga {snake.replace("_", "-")}-saga on {node} (request: {pascal}Request) {{''')
        for i, store in enumerate(stores):
            self.say(f'''  step hold{i}  do {store[0]}.Hold(id: request.item_id, hold_id: request.id, amount: request.amount)
              undo {store[0]}.Release(hold_id: request.id)''')
            self.edge(node, store[0], "http  timeout 300ms  on failure fail Busy")
        self.say('''  done { sql exec """UPDATE requests SET state = 'held' WHERE id = :request.id AND state = 'free'""" }
  failed { sql exec """UPDATE requests SET state = 'free', reason = :error WHERE id = :request.id""" }
}''')
        self.stories(me, desks, stores)
        self.edge("stream", node, "consume " + " ".join(f"{desk[2].replace('_', '-')}-changed" for desk in desks))
        self.edge(node, "memo", f"keyspace {snake}")

    def stories(self, me, desks, stores):
        node, _, snake = me
        path = snake.replace("_", "-")
        self.say(f'''scenario {path}-story "Nothing is left"  {{
  when   browser POST "/{path}/requests" {{ item_id: "018f3a5e-0000-7000-8000-000000000000"  amount: 2 }}
  assume {stores[0][0]}.Hold fails NotEnough
  expect 409 NotEnough
  say    {node} -> {stores[0][0]}  "The first store has not enough"
}}''')
        for i, desk in enumerate(desks):
            self.say(f'''scenario {path}-desk{i} "A part is cut off" {{
  when   browser GET "/{path}/requests/018f3a5e-0000-7000-8000-000000000000"
  assume memo.{snake} misses
  assume breaker {desk[0]} -> {self.stores[self.desks.index(desk)][0]} open
  expect 503 Busy
}}''')

    def gateway(self, k):
        name = f"gate-{k}"
        self.say(f'''
gateway {name} "Gate {k}" {{
  listen {8000 + k}
  limit 100/s burst 200  per address  in memo  when-down allow''')
        for node, _, snake in self.fronts[k::self.gateways]:
            path = snake.replace("_", "-")
            placed = f'reply 201  accepted at "/{path}/requests/{{id}}"  idempotent'
            self.say(f'''  route POST "/{path}/requests"       public -> {node}.Place(...body)  {placed}
  route GET  "/{path}/requests/{{id}}"  public -> {node}.Look(id: path.id)''')
            self.edge(name, node, "http  timeout 15s")
        self.say("}")
        self.edge("browser", name, "http")
        self.edge(name, "memo", "")

    def provider(self, k):
        self.say(f'''
external provider-{k} "Provider {k}" {{
  base "https://provider{k}.example"  env PROVIDER_{k}_URL
  auth bearer secret PROVIDER_{k}_KEY
  call Tell POST "/v1/told" json {{ text: text  amount: int }} -> {{ id: text  status: text }}
    idempotency header "Idempotency-Key"
  sandbox {{
    store told
    on Tell when text == "{self.random.choice(NOUNS)}" reply 503 {{ error: "busy" }}
    on Tell reply 201 {{ id: token("p{k}_")  status: "told"  amount: amount  text: text }} keep told[reply.id]
  }}
}}''')

    def whole(self):
        self.say(f'''// {self.n} services. Written by tests/bench/gen_topology.py.
topology "A backend of {self.n} services"

enum State {{ free held gone }}
error Missing    404 "There is no such thing"
error NotEnough  409 "There is not enough of it"
error Busy       503 "A part can't answer at the moment"
client browser "Browser"
policy near {{ timeout 300ms  breaker {{ trip 3 consecutive timeouts  open 10s  probe 1 }}  on failure fail Busy }}''')
        self.say('\nbus stream "Stream" {')
        for (_, pascal, snake), event, key in [*((s, "Held", "item_id") for s in self.stores), *((d, "Changed", "id") for d in self.desks)]:
            self.say(f"  topic {snake.replace('_', '-')}-{event.lower()}  key {key}  partitions 6  {{ {pascal}{event} }}")
        self.say('}\ncache memo "Memo" {')
        for _, pascal, snake in self.fronts:
            self.say(f"  keyspace {snake} [id: uuid] -> {pascal}Request  ttl 60s")
        self.say("}")
        for k in range(self.providers):
            self.provider(k)
        for i, me in enumerate(self.fronts):
            self.front(i, me)
        for i, me in enumerate(self.desks):
            self.desk(i, me)
        for k in range(self.gateways):
            self.gateway(k)
        rest = 5 * self.n - len(self.edges) - len(self.stores)  # as many stores ask a provider as edges are missing
        for i, me in enumerate(self.stores):
            self.store(i, me, f"provider-{i % self.providers}" if i < rest else None)
        self.say("")
        return "\n".join(self.lines + self.edges) + "\n"


def topology(n, seed=1):
    return Topology(n, seed).whole()


def without_statements(text):
    """The same with no SQL statement: what one would have found is made of what the operation was asked with. Tables stay."""
    out, pascal = [], None
    for part in re.split(r"(?m)^(?=service |saga |gateway |scenario |record |event |external )", text):
        service = re.match(r'service \S+ "(\w+)', part)
        pascal = service[1] if service else pascal
        instead = {"hold": "fail NotEnough when amount > 999",
                   "item": f'let item = {pascal}Item {{ id: id  label: "kept"  amount: 1  state: free }}',
                   "view": f'let view = {pascal}View {{ id: id  label: "kept"  total: 1  rest: []  state: free }}',
                   "request": f"let request = {pascal}Request {{ id: id  item_id: item_id  amount: amount  state: free }}"}
        part = re.sub(r'let (\w+) = sql one """.*?"""(\s*none -> fail \w+)?\n', lambda found, by=instead: by[found[1]] + "\n", part, flags=re.S)
        part = part.replace("item_id: hold.item_id  hold_id: hold.id  amount: hold.amount", "item_id: id  hold_id: hold_id  amount: amount")
        out.append(re.sub(r'sql exec """.*?"""', "", part, flags=re.S))
    return "".join(out)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not all(arg.isdigit() for arg in sys.argv[1:]) or int(sys.argv[1]) % 10 or sys.argv[1] == "0":
        sys.exit(__doc__.strip())
    sys.stdout.write(topology(*map(int, sys.argv[1:])))
