"""Random tables in the language, and random changes of them that the compiler must be able to follow.

A `Schema` renders to a topology. `evolve` makes the next version of one: adds, drops with their word, renames by `was`, other types,
defaults, bounds, checks, keys, indexes, values of enums. Columns keep an identity through renames, so that a test can tell whether their values
survived. Values are made from the number of their row, so that whatever is unique may be, and every bound that comes later still holds.
"""
import copy
import itertools

KINDS = ["text", "int", "float", "bool", "uuid", "time", "json", "enum", "email", "secret", "record", "list"]
DISTINCT = {"text", "int", "float", "uuid", "time", "email", "secret"}  # of which each row has another value
WIDENS = {"int": ["float", "text"], "bool": ["int", "text"], "float": ["text"], "uuid": ["text"], "time": ["text"]}
NAMES = ["amount", "name", "note", "size", "kind", "order", "user", "state", "label", "at", "code", "total", "left_side", "end"]
TABLES = ["items", "orders", "user", "group", "notes", "parts", "boxes", "tags"]
ids = itertools.count(1)


class Column:
    def __init__(self, name, kind, optional, default=None):
        self.id, self.name, self.kind, self.optional, self.default = next(ids), name, kind, optional, default
        self.pk = self.unique = False
        self.references = self.check = self.bounds = self.was = None
        self.distinct = kind in DISTINCT  # in the rows that there may be
        self.filled = True                # the rows that there may be have values that the test gave them
        self.retyped = self.required = False  # became so in this version

    def type(self):
        name = {"enum": "Color", "record": "Part", "list": "[Part]"}.get(self.kind, self.kind)
        return name + (self.bounds or "") + ("?" if self.optional else "")

    def text(self):
        words = [f"{self.name} {self.type()}"]
        words += ["primary key"] * self.pk + ["unique"] * self.unique
        if self.references:
            words.append(f"references {self.references.name}")
        if self.default:
            words.append(f"= {self.default}")
        if self.check:
            words.append(f"check ({self.check.format(quoted(self.name))})")
        if self.was:
            words.append(f"was({self.was})")
        return "  ".join(words)

    def value(self, row, color):
        return {"text": f"v{row}", "int": str(row), "float": f"{row}.5", "bool": "true" if row % 2 else "false", "enum": color,
                "uuid": f"00000000-0000-0000-0000-{row:012d}", "time": f"2024-01-01 00:{row // 60:02d}:{row % 60:02d}+00", "json": f'{{"a": {row}}}',
                "email": f"a{row}@b.c", "secret": f"s{row}", "record": f'{{"k": {row}}}', "list": f'[{{"k": {row}}}]'}[self.kind]


class Table:
    def __init__(self, name):
        self.id, self.name, self.was, self.columns = next(ids), name, None, []
        self.base, self.gone = name, []  # its name in the version before, and the names that columns had there
        self.touched = self.now_renamed = False
        self.primary, self.uniques, self.indexes, self.checks = [], [], [], []  # lists of columns; indexes of (column, form); checks of (column, form)

    def key(self):
        return next((c for c in self.columns if c.pk), None)

    def text(self):
        def names(columns):
            return ", ".join(quoted(c.name) for c in columns)
        lines = [f"was({self.was})"] if self.was else []
        lines += [c.text() for c in self.columns]
        lines += [f"primary key ({names(self.primary)})"] if self.primary else []
        lines += [f"unique ({names(u)})" for u in self.uniques]
        lines += [f"index ({', '.join(form.format(quoted(c.name)) for c, form in i)})" for i in self.indexes]
        lines += [f"check ({form.format(quoted(c.name))})" for c, form in self.checks]
        return f"    table {self.name} {{\n" + "".join(f"      {line}\n" for line in lines) + "    }\n"

    def uses(self, column):
        """Is it part of a key, an index or a check of several?"""
        lists = [self.primary, *self.uniques, *[[c for c, _ in i] for i in self.indexes], [c for c, _ in self.checks]]
        return any(column in columns for columns in lists)


def quoted(name):
    return f'"{name}"' if name in ("order", "user", "end", "group", "left") else name


class Schema:
    def __init__(self):
        self.tables, self.drops, self.colors = [], [], ["red", "green"]
        self.lossy = False  # what was dropped can't come back as it was
        self.mark, self.gone = 0, []  # what has a higher id is new in this version; names that tables had before

    def text(self):
        return ('topology "Random"\n\n' + f"enum Color {{ {' '.join(self.colors)} }}\nrecord Part {{ k: int }}\n\n"
                + 'service thing-svc "Things" {\n  database postgres {\n' + "".join(t.text() for t in self.tables) + "  }\n\n  op Ping() { return }\n}\n\n"
                + "".join(f'drop thing-svc.{what} "nobody reads it"\n' for what in self.drops))


# ------------------------------------------------------------------ the first

def default_of(r, kind, colors):
    return {"text": '"none"', "int": str(r.randint(0, 9)), "float": "1.5", "bool": "true", "time": "now()", "enum": colors[0],
            "email": '"a@b.c"'}.get(kind)


def free(r, taken, names):
    return r.choice([n for n in names if n not in taken] or [f"{names[0]}_{k}" for k in range(99) if f"{names[0]}_{k}" not in taken])


def column_names(table):
    return [c.name for c in table.columns] + [c.was for c in table.columns] + table.gone


def table_names(schema):
    return [t.name for t in schema.tables] + [t.was for t in schema.tables] + schema.gone


def new_column(r, schema, table, rows):
    """rows: there may be some, which must get along with it."""
    kind = r.choice(KINDS)
    column = Column(free(r, column_names(table), NAMES), kind, r.random() < 0.4)
    if r.random() < 0.4 or (rows and not column.optional):
        column.default = default_of(r, kind, schema.colors)
    if rows and not column.default:
        column.optional = True
    if rows:
        column.distinct = column.filled = False
    dress(r, column)
    if column.distinct and not column.optional and r.random() < 0.2:
        column.unique = True
    return column


def dress(r, column):
    """Bounds and a check that every value there is, or will be, fits."""
    column.bounds = column.check = None
    if column.kind == "int" and r.random() < 0.4:
        column.bounds = r.choice(["(0..100000)", "(0..)", "(..5000000)", "(-5..70000)"])
    if column.kind == "text" and r.random() < 0.4:
        column.bounds = r.choice(["(..40)", "(1..60)", "(1..)"])
    if r.random() < 0.25:
        forms = {"int": ["{} >= 0", "{0} <> -1 AND {0} > -7"], "text": ["{} <> 'x (y'", "char_length({}) < 900"], "float": ["{} > -1.5"],
                 "enum": ["char_length({}) > 2"], "list": ["jsonb_array_length({}) >= 0"], "time": ["{} > '2000-01-01'"]}
        column.check = r.choice(forms.get(column.kind, [None]))


def first(r):
    schema = Schema()
    for _ in range(r.randint(1, 3)):
        add_table(r, schema, False)
    return schema


def add_table(r, schema, rows):
    table = Table(free(r, table_names(schema), TABLES))
    for _ in range(r.randint(2, 6)):
        table.columns.append(new_column(r, schema, table, False))
    if r.random() < 0.7:
        key = Column("id", r.choice(["uuid", "int", "text"]), False)
        key.pk = True
        table.columns.insert(0, key)
    schema.tables.append(table)
    for _ in range(r.randint(0, 3)):
        r.choice([add_unique, add_index, add_reference, add_primary, add_check])(r, schema, table, rows)


def add_unique(r, schema, table, rows):
    columns = [c for c in table.columns if c.distinct]
    if columns:
        pick = r.sample(columns, min(len(columns), r.randint(1, 2)))
        if pick not in [*table.uniques, table.primary] and not (len(pick) == 1 and (pick[0].unique or pick[0].pk)):
            table.uniques.append(pick)


def add_index(r, schema, table, rows):
    forms = {"text": ["{}", "{} desc", "lower({})"], "int": ["{}", "{} desc", "({} + 1)"], "list": ["jsonb_array_length({})"], "json": [], "record": []}
    columns = [c for c in table.columns if forms.get(c.kind, ["{}"])]
    if columns:
        index = [(c, r.choice(forms.get(c.kind, ["{}"]))) for c in r.sample(columns, min(len(columns), r.randint(1, 3)))]
        if index not in table.indexes:
            table.indexes.append(index)


def add_check(r, schema, table, rows):
    columns = [c for c in table.columns if c.kind in ("int", "text")]
    if columns:
        column = r.choice(columns)
        check = (column, "{} IS NULL OR {} IS NOT NULL" if r.random() < 0.5 else "length({}::text) < 1000")
        check = (column, check[1].replace("{}", "{0}"))
        if check not in table.checks:
            table.checks.append(check)


def add_primary(r, schema, table, rows):
    columns = [c for c in table.columns if c.distinct and not c.optional]
    if columns and not table.key() and not table.primary:
        pick = r.sample(columns, min(len(columns), r.randint(1, 2)))
        if pick not in table.uniques and not (len(pick) == 1 and pick[0].unique):
            table.primary = pick


def add_reference(r, schema, table, rows):
    targets = [t for t in schema.tables if t.key() and t.key().distinct]
    if targets:
        target = r.choice(targets)
        column = Column(free(r, column_names(table), ["owner", "parent"]), target.key().kind, True)
        column.references, column.distinct, column.filled = target, False, not rows
        table.columns.append(column)


# ------------------------------------------------------------------ the next

def referenced(schema, table):
    return any(c.references is table for t in schema.tables for c in t.columns)


def drop_table(r, schema, table, rows):
    if len(schema.tables) < 2:
        return
    for t in schema.tables:
        for c in t.columns:
            if c.references is table:
                c.references = None
                schema.lossy = True
    schema.tables.remove(table)
    schema.drops.append(table.base)


def old_columns(schema, table, *without):
    """Those that the version before has, but for what a change can't be made to."""
    return [c for c in table.columns if c.id < schema.mark and not any(without_(c) for without_ in without)]


def is_key(c):
    return c.pk or c.references


def is_renamed(c):
    return c.was


def drop_column(r, schema, table, rows):
    columns = [c for c in old_columns(schema, table, is_key, is_renamed) if not table.uses(c)]
    if columns and len(table.columns) > 2 and not table.was:
        column = r.choice(columns)
        table.columns.remove(column)
        table.touched = True
        schema.drops.append(f"{table.name}.{column.name}")
        schema.lossy = True


def rename_table(r, schema, table, rows):
    """Its columns keep no old names at the time, and the view that keeps its own can't follow what else happens to them."""
    if not table.was and not table.touched and not any(c.was for c in table.columns):
        table.was, table.name, table.now_renamed = table.name, free(r, table_names(schema), TABLES), True


def rename_column(r, schema, table, rows):
    columns = [c for c in old_columns(schema, table, is_renamed) if not c.retyped]
    if columns and (not table.was or table.now_renamed):
        column = r.choice(columns)
        column.was, column.name = column.name, free(r, column_names(table), NAMES)


def add_column(r, schema, table, rows):
    table.columns.insert(r.randint(0, len(table.columns)), new_column(r, schema, table, True))


def retype(r, schema, table, rows):
    columns = [c for c in old_columns(schema, table, is_key, is_renamed) if c.kind in WIDENS and not table.uses(c)]
    if columns and not table.was:
        column = r.choice(columns)
        column.kind, column.retyped, table.touched = r.choice(WIDENS[column.kind]), True, True
        column.default = default_of(r, column.kind, schema.colors) if column.default else None
        column.distinct = column.filled = column.unique = False
        dress(r, column)


def redefault(r, schema, table, rows):
    columns = old_columns(schema, table, is_key)
    if columns:
        column = r.choice(columns)
        column.default = None if column.default and not column.required else default_of(r, column.kind, schema.colors)


def renull(r, schema, table, rows):
    columns = [c for c in old_columns(schema, table, is_key) if c not in table.primary]
    if not columns:
        return
    column = r.choice(columns)
    if not column.optional:
        column.optional, column.required = True, False
    elif default_of(r, column.kind, schema.colors) and not column.unique and not any(column in u for u in table.uniques):
        column.optional, column.default, column.distinct, column.required = False, default_of(r, column.kind, schema.colors), False, True


def redress(r, schema, table, rows):
    dress(r, r.choice(table.columns))


def reunique(r, schema, table, rows):
    column = r.choice(table.columns)
    if column.unique:
        column.unique = False
    elif column.distinct and not column.pk and [column] not in [*table.uniques, table.primary]:
        column.unique = True


def unlist(r, schema, table, rows):
    lists = [x for x in (table.uniques, table.indexes, table.checks) if x]
    if lists:
        some = r.choice(lists)
        some.remove(r.choice(some))


def rekey(r, schema, table, rows):
    """Another primary key."""
    if referenced(schema, table):
        return
    table.primary = []
    for column in table.columns:
        column.pk = False
    if r.random() < 0.8:
        add_primary(r, schema, table, rows)


def unreference(r, schema, table, rows):
    for column in table.columns:
        if column.references:
            column.references = None
            return


def recolor(r, schema, table, rows):
    if r.random() < 0.5:
        schema.colors.append(f"color_{len(schema.colors)}")
    else:
        r.shuffle(schema.colors)


CHANGES = [drop_table, drop_column, drop_column, rename_table, rename_column, rename_column, add_column, add_column, add_column, retype, redefault, renull,
           renull, redress, redress, reunique, unlist, rekey, unreference, recolor, add_unique, add_index, add_check, add_reference]


def evolve(r, schema):
    """The next version: a copy, changed."""
    schema = copy.deepcopy(schema)
    schema.drops, schema.gone, schema.mark = [], table_names(schema), next(ids)
    for table in schema.tables:
        table.touched = table.now_renamed = False
        table.base, table.gone = table.name, []
        table.gone = column_names(table)
        for column in table.columns:
            column.retyped = column.required = False
        if r.random() < 0.6:  # the old names are not wanted any more
            table.was = None
            for column in table.columns:
                column.was = None
    for _ in range(r.randint(1, 7)):
        old = [t for t in schema.tables if t.id < schema.mark]
        if old and r.random() < 0.9:
            r.choice(CHANGES)(r, schema, r.choice(old), True)
        else:
            add_table(r, schema, False)
    return schema
