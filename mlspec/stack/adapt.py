"""What a binary that was unpacked from a Debian package needs, since its /usr/share is not where it was built to be.

Debian's Prometheus serves its pages from /usr/share/prometheus/web, and has a flag for it. Debian's Alertmanager reads
its default templates from /usr/share/prometheus/alertmanager, has no flag for it, and refuses to start without them. So
`relocate` replaces that path in the unpacked binary by one of the same length, relative to the working directory, as
conda does with the prefixes in its packages; `link_share` puts a symbolic link there. Go's strings carry their length,
so a replacement of the same length is safe.
"""

from pathlib import Path
from typing import Final

SHARE_LINK: Final = "mlspec-templates"
BUILT_IN: Final = b"/usr/share/prometheus/alertmanager"
RELOCATED: Final = b"./" * 9 + SHARE_LINK.encode()
MARKER: Final = ".mlspec-unpacked"


def relocate(binary: Path) -> None:
    """Make the unpacked Alertmanager (or amtool) `binary` read its templates from below its working directory."""
    if len(RELOCATED) != len(BUILT_IN):
        raise AssertionError("the replacement must have the length of what it replaces")
    content = binary.read_bytes()
    if BUILT_IN in content:
        binary.write_bytes(content.replace(BUILT_IN, RELOCATED))


def unpacked_share(binary: Path) -> Path | None:
    """The `usr/share/prometheus` that was unpacked with `binary`, None when the binary isn't from our cache."""
    tree = binary.resolve().parent.parent.parent
    return tree / "usr" / "share" / "prometheus" if (tree / MARKER).exists() else None


def extra_arguments(tool: str, binary: Path) -> list[str]:
    """The flags that an unpacked `tool` needs beside those of the plan."""
    share = unpacked_share(binary)
    if tool == "prometheus" and share and (share / "web").is_dir():
        return [f"--web.local-assets={share / 'web'}"]
    if tool == "node_exporter" and unpacked_share(binary):
        # On in Debian's build only; without systemd and its folder they log an error at each scrape.
        return ["--no-collector.systemd", "--no-collector.textfile"]
    return []


def link_share(binary: Path, directory: Path) -> None:
    """Put the link to an unpacked Alertmanager's templates into the working directory that it is to have."""
    share = unpacked_share(binary)
    if share is None or not (share / "alertmanager").is_dir():
        return
    link = directory / SHARE_LINK
    if link.is_symlink():
        link.unlink()
    link.symlink_to(share / "alertmanager")
