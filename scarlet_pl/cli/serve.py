"""`scarlet-pl serve`: a SuperLink, and a run on it whose clients are on other machines."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from scarlet_pl.cli.plain import Arguments, check_folder
from scarlet_pl.cli.signals import resumable
from scarlet_pl.cli.submitted import run_on
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.flower.link import Link
from scarlet_pl.run_files import CONFIG, FLOWER


def serve(arguments: list[str]) -> int:
    """`scarlet-pl serve …`; the exit code is that of `fit`."""
    text = "Runs what `scarlet-pl fit` runs, with the same settings, for clients that join from other machines."
    parser = Arguments(prog="scarlet-pl serve", description=text, allow_abbrev=False)
    parser.add_argument("--run_dir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; beyond this machine only with --tls")
    parser.add_argument("--port", type=int, default=8000, help="0 for any free one")
    parser.add_argument("--tls", type=Path, help="folder of ca.crt, server.crt, server.key and the nodes' NAME.pub")
    text = "let Flower's own SuperNodes outlive the SuperLink; ours do without, which is faster"
    parser.add_argument("--database", action="store_true", help=text)
    parser.add_argument("--resume", action="store_true", help="continue the run in run_dir")
    options, rest = parser.parse_known_args(arguments)
    check_folder("run_dir", options.run_dir)
    check_safe(options.host, options.tls)
    require(0 <= options.port < 1 << 16, "port", options.port, "an integer from 0 to 65535")
    require(not options.resume or (options.run_dir / CONFIG).is_file(), "run_dir", str(options.run_dir), "a run's")
    run_dir = options.run_dir.absolute()
    with Link(
        run_dir / FLOWER,
        host=options.host,
        port=options.port,
        tls=options.tls,
        registered_only=options.tls is not None,
        database=options.database,
    ) as link:
        for key in sorted(options.tls.glob("*.pub")) if options.tls else ():
            link.register(key, key.stem)
        print(f"SuperLink at {link.address}", flush=True)
        resumable(run_dir)
        resumed = ["--resume"] if options.resume else []
        return run_on(link, run_dir, [*rest, "--run_dir", str(run_dir), *resumed])


def check_safe(host: str, tls: Path | None) -> None:
    """Raise `ConfigError` where others than this machine could reach a SuperLink without certificates and keys."""
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ConfigError("host", host, "an address of this machine") from error
    require(near or tls is not None, "host", host, "127.0.0.1 without --tls: anyone could send code to nodes")
    for name in ("ca.crt", "server.crt", "server.key") if tls else ():
        ok = tls is not None and (tls / name).is_file()
        require(ok, "tls", str(tls), f"a folder with {name}, as scarlet-pl keys makes it")
