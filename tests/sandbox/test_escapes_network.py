"""Attempts to reach a listener on this machine. Judged by whether the listener was reached."""

from __future__ import annotations

import errno
import socket
from contextlib import closing
from typing import Any

from edgewise.sandbox import run, run_python_sync

CALL = """
import socket
try:
    s = socket.socket({family}, {kind}); s.settimeout(0.5)
    {action}
    print('SENT')
except OSError as error: print(error.errno)
"""


def listeners() -> list[tuple[socket.socket, str]]:
    """Open listeners, and for each the attack on it."""
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    name = f"\0edgewise-test-{tcp.getsockname()[1]}"
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    abstract.bind(name)
    abstract.listen()
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    datagram.bind(name + "d")
    inet, unix, stream, dgram = "socket.AF_INET", "socket.AF_UNIX", "socket.SOCK_STREAM", "socket.SOCK_DGRAM"
    pair = "p = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]; p.sendto(b'x', {!r})".format(name + "d")
    return [
        (tcp, CALL.format(family=inet, kind=stream, action=f"s.connect({tcp.getsockname()!r})")),
        (udp, CALL.format(family=inet, kind=dgram, action=f"s.sendto(b'x', {udp.getsockname()!r})")),
        (abstract, CALL.format(family=unix, kind=stream, action=f"s.connect({name!r})")),
        (datagram, CALL.format(family=unix, kind=dgram, action=f"s.sendto(b'x', {name + 'd'!r})")),
        (datagram.dup(), f"import socket\ntry: {pair}; print('SENT')\nexcept OSError as error: print(error.errno)"),
    ]


def was_reached(listener: socket.socket) -> bool:
    listener.settimeout(0.1)
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(10)
    except TimeoutError:
        return False
    return True


def test_the_attacks_work_without_the_sandbox(monkeypatch: Any) -> None:
    """Positive control: each listener can be reached by a program that is not confined."""
    monkeypatch.setattr(run, "recipes", lambda: ())
    for listener, source in listeners():
        with closing(listener):
            assert run_python_sync(source, allow_unsandboxed=True).stdout == "SENT\n"
            assert was_reached(listener)


def test_no_listener_is_reached(driver: Any) -> None:
    for listener, source in listeners():
        with closing(listener):
            done = driver.run(source)
            assert done.stdout == f"{errno.EPERM}\n", done
            assert not was_reached(listener)


def test_every_family_is_refused(driver: Any) -> None:
    source = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for family in range(0, 50):
    for kind in (1, 2, 3, 5):
        if libc.socket(family, kind, 0) >= 0 or ctypes.get_errno() != errno.EPERM: print('OPENED', family, kind)
print('done')"""
    assert driver.run(source).stdout == "done\n"


def test_no_interface_but_a_dead_loopback() -> None:
    """The network namespace holds even if a socket could be had."""
    source = "import socket\nprint(socket.gethostname())\ntry: socket.getaddrinfo('localhost', 80); print('resolved')\nexcept OSError: print('no')"
    done = run_python_sync(source)
    assert done.stdout == "sandbox\nno\n", done
