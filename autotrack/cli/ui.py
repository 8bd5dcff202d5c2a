"""`autotrack ui`: the web page."""

from __future__ import annotations

import secrets
import socket
import webbrowser

import click

from autotrack.cli.opened import opened
from autotrack.errors import AutotrackError
from autotrack.store import NotFound

HOST, PORT = "127.0.0.1", 5180
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@click.option("--port", metavar="PORT", type=click.IntRange(0, 65535), default=PORT, help=f"0 for any. [{PORT}]")
@click.option("--host", metavar="ADDRESS", default=HOST, help=f"Where to listen. [{HOST}]")
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@click.option("--dir", "directory", metavar="DIR", help="Read this folder, instead of the nearest .autotrack.")
def command(port: int, host: str, no_browser: bool, directory: str | None) -> None:
    """Open the web page: see, compare and trace runs in a browser.

    It listens on this machine alone.  On another address (--host 0.0.0.0) it answers only who has the token: in the
    link that is printed, which is to be opened once in each browser.

    Examples:

    \b
      autotrack ui
      autotrack ui --port 0 --no-browser
      autotrack ui --host 0.0.0.0
    """
    try:
        from autotrack.web import files, server
    except ImportError as missing:
        raise AutotrackError(f"the web page needs {missing.name}: pip install 'autotrack-ml[ui]'") from None
    files.needed()
    try:
        with opened(directory):  # what there is to take in at first, with its progress
            pass
    except NotFound as nothing:  # the page says how to begin
        click.echo(f"autotrack: {nothing}", err=True)
    token = None if host in LOOPBACK else secrets.token_urlsafe(32)
    listening = _listening(host, port)
    number = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    link = f"http://{'localhost' if token is None and host != '::1' else shown}:{number}/"
    if token is not None:
        link += f"?token={token}"
    click.echo(link)
    if not no_browser:
        webbrowser.open(link)
    server.Server(directory, token=token).serve_on(listening)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.  Raises AutotrackError where that can't be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(100)  # who opens the link at once waits for an answer
    except OSError as error:
        raise AutotrackError(f"{host}:{port} can't be listened on ({error.strerror}); try --port 0") from None
    return listening
