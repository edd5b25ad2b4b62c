"""The simulator's state: one SQLite file, one transaction per request, so that a kill leaves all of a request or nothing of it."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Body = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS objects(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE(kind, parent, id));
CREATE INDEX IF NOT EXISTS by_id ON objects(kind, id);
CREATE TABLE IF NOT EXISTS tasks(seq INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, name TEXT NOT NULL, args TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """Objects by kind, parent and id; tasks with the time they are due; and a few values."""

    def __init__(self, file: Path) -> None:
        """Opens the file, or makes it."""
        self._lock = threading.RLock()
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        # A write-ahead log survives a kill of this process without waiting for the disk at every request.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in it, or nothing of it, also where it is inside another."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._database.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._database.execute("COMMIT")
            except BaseException:
                if self._depth == 1:
                    self._after.clear()
                    self._database.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1
            if self._depth == 0:
                after, self._after = self._after, []
                for call in after:
                    call()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Lets others at the state while something slow is done outside; only before anything was written."""
        self._database.execute("COMMIT")
        depth, self._depth = self._depth, 0
        for _ in range(depth):
            self._lock.release()
        try:
            yield
        finally:
            for _ in range(depth):
                self._lock.acquire()
            self._depth = depth
            self._database.execute("BEGIN IMMEDIATE")

    def after_commit(self, call: Callable[[], None]) -> None:
        """For what cannot be rolled back, such as removing a file."""
        self._after.append(call)

    def insert(self, kind: str, body: Body, parent: str = "") -> Body:
        """Keeps a new object, giving it an id where it has none."""
        body.setdefault("id", str(uuid.uuid4()))
        self._run("INSERT INTO objects(kind, parent, id, body) VALUES(?, ?, ?, ?)", kind, parent, body["id"], json.dumps(body))
        return body

    def save(self, kind: str, body: Body, parent: str = "") -> Body:
        """Keeps a changed object."""
        self._run("UPDATE objects SET body = ? WHERE kind = ? AND parent = ? AND id = ?", json.dumps(body), kind, parent, body["id"])
        return body

    def delete(self, kind: str, id: str, parent: str = "") -> None:
        """Forgets an object."""
        self._run("DELETE FROM objects WHERE kind = ? AND parent = ? AND id = ?", kind, parent, id)

    def delete_children(self, parent: str) -> None:
        """Forgets everything directly under an object."""
        self._run("DELETE FROM objects WHERE parent = ?", parent)

    def get(self, kind: str, id: str, parent: str | None = "") -> Body | None:
        """One object; with parent None whichever has this id."""
        where, values = ("", ()) if parent is None else (" AND parent = ?", (parent,))
        row = self._run(f"SELECT body FROM objects WHERE kind = ? AND id = ?{where}", kind, id, *values).fetchone()  # noqa: S608
        return None if row is None else json.loads(row[0])

    def all(self, kind: str, parent: str | None = "") -> list[Body]:
        """Every object of a kind in the order they were made; with parent None those of all parents."""
        where, values = ("", ()) if parent is None else (" AND parent = ?", (parent,))
        rows = self._run(f"SELECT body FROM objects WHERE kind = ?{where} ORDER BY seq", kind, *values)  # noqa: S608
        return [json.loads(row[0]) for row in rows.fetchall()]

    def parents(self, kind: str, id: str) -> list[str]:
        """The parents under which an object with this id is."""
        return [row[0] for row in self._run("SELECT parent FROM objects WHERE kind = ? AND id = ? ORDER BY seq", kind, id).fetchall()]

    def add_task(self, due: float, name: str, args: Body) -> None:
        """Something to do later; it is done also when the simulator is killed before."""
        self._run("INSERT INTO tasks(due, name, args) VALUES(?, ?, ?)", due, name, json.dumps(args))

    def tasks(self) -> list[tuple[int, float, str, Body]]:
        """What there is to do, the first first."""
        rows = self._run("SELECT seq, due, name, args FROM tasks ORDER BY due, seq").fetchall()
        return [(seq, due, name, json.loads(args)) for seq, due, name, args in rows]

    def end_task(self, seq: int) -> None:
        """It is done."""
        self._run("DELETE FROM tasks WHERE seq = ?", seq)

    def value(self, key: str, default: str = "") -> str:
        """A value kept under a name."""
        row = self._run("SELECT value FROM meta WHERE key = ?", key).fetchone()
        return default if row is None else str(row[0])

    def set_value(self, key: str, value: str) -> None:
        """Keeps a value under a name."""
        self._run("INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", key, value)

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        with self._lock:
            return self._database.execute(statement, values)
