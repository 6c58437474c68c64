"""What the parent tells the child to do: one document, sent through a pipe before anything else."""

from __future__ import annotations

import marshal

HEADER = 8  # bytes of big-endian length before the document
GO = b"G"  # the parent's leave to execute the program
DEVICES = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"]


class Plan:
    """A run, ready to be carried out by the child.

    Attributes:
        recipe: ``"namespaces"``, ``"landlock"`` or ``"none"``; each layer a recipe requires must come into force.
        base: The throw-away directory on the host, empty, made by the parent.
        command: Argument list of the program; the first is the absolute path of the interpreter.
        files: Contents by relative path, the program's source among them.
        readable: Host files and directories that the program may read.
        links: Symbolic links of the host's root that are repeated, path to target (``/lib`` to ``usr/lib``).
        hidden: Directories inside ``readable`` that are covered (installed packages).
        granted: Paths for Landlock without a mount tree; true where only listing is granted.
        filters: seccomp filters by name: ``full`` refuses signals too, ``scoped`` leaves them to Landlock or a PID
            namespace.
        memory_mb, file_mb, processes, cpu_seconds: As in ``Limits``, whole numbers.
    """

    def __init__(
        self,
        *,
        recipe: str,
        base: str,
        command: list[str],
        files: dict[str, bytes],
        readable: list[str],
        links: dict[str, str],
        hidden: list[str],
        granted: list[tuple[str, bool]],
        filters: dict[str, bytes],
        memory_mb: int,
        file_mb: int,
        processes: int,
        cpu_seconds: int,
    ) -> None:
        self.recipe, self.base, self.command, self.files = recipe, base, command, files
        self.readable, self.links, self.hidden, self.granted = readable, links, hidden, granted
        self.filters, self.memory_mb, self.file_mb = filters, memory_mb, file_mb
        self.processes, self.cpu_seconds = processes, cpu_seconds

    def encode(self) -> bytes:
        """Header and document. Both ends are the same interpreter and the parent is trusted, so marshal will do."""
        document = marshal.dumps(vars(self))
        return len(document).to_bytes(HEADER, "big") + document

    @classmethod
    def decode(cls, document: bytes) -> Plan:
        """The plan in a document (without header)."""
        return cls(**marshal.loads(document))  # noqa: S302 - see encode
