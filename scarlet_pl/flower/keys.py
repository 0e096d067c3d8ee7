"""Keys and certificates for a trial, and the key of a node."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scarlet_pl.errors import ConfigError, require

_ITSELF = "localhost", "127.0.0.1", "::1"  # a SuperLink's own processes reach it so
CA, CERTIFICATE, SERVER_KEY = "ca.crt", "server.crt", "server.key"


def make_keys(folder: Path, hosts: Sequence[str], names: Sequence[str], days: float = 365) -> list[Path]:
    """Make what TLS and registered nodes need: the certificate of an authority (`ca.crt`, for everyone), the server's
    certificate and key (`server.crt`, `server.key`), and for each node a key (`NAME.key`) and its public half
    (`NAME.pub`), as SSH has them. The authority's key is not kept: nothing else can be signed with it.

    Args:
        hosts: names or IP addresses under which nodes reach the server, beside those of this machine for itself.
        names: of the nodes.
        days: that the certificates are valid.

    Returns:
        What was written.

    Raises:
        ConfigError: one of the files is there, a name is no file name, or a host none that a certificate can have.
    """
    require(len(hosts) > 0, "hosts", list(hosts), "at least one name or IP address of the server")
    for host in hosts:
        ok = host != "" and host.isascii() and host.isprintable()
        require(ok, "hosts", host, "names in ASCII (xn--… for others) or IP addresses of the server")
    for name in names:
        ok = name not in ("ca", "server") and name.replace("-", "").replace("_", "").isalnum() and name.isascii()
        require(ok, "names", name, "letters, digits, - and _, and neither ca nor server")
    require(len(set(names)) == len(names), "names", list(names), "each name once")
    files = {**_tls_files(hosts, days), **{file: text for name in names for file, text in _node_files(name).items()}}
    there = sorted(file for file in files if (folder / file).exists())
    require(not there, "folder", str(folder), f"one without {', '.join(there)}: no key is overwritten")
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / file, text) for file, text in files.items()]


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A node's private key.

    Raises:
        ConfigError: there is none that Flower takes.
    """
    allowed = "a file with an SSH key of a NIST curve, without a password"
    try:
        key = load_ssh_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("key", str(path), f"{allowed} ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError("key", str(path), allowed)
    return key


def _tls_files(hosts: Sequence[str], days: float) -> dict[str, bytes]:
    """An authority's certificate, and the server's with its key."""
    authority, server = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scarlet-pl trial authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    ca = _certificate(issuer, issuer, authority.public_key(), days, authority=True)
    ca = ca.add_extension(_key_usage(authority=True), critical=True)
    own = _certificate(subject, issuer, server.public_key(), days, authority=False)
    alternatives = [_san(host) for host in dict.fromkeys((*hosts, *_ITSELF))]
    own = own.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    own = own.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    own = own.add_extension(_key_usage(authority=False), critical=True)
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    own = own.add_extension(issued_by, critical=False)
    return {
        CA: ca.sign(authority, hashes.SHA384()).public_bytes(Encoding.PEM),
        CERTIFICATE: own.sign(authority, hashes.SHA384()).public_bytes(Encoding.PEM),
        SERVER_KEY: server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: float, authority: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


def _san(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _node_files(name: str) -> dict[str, bytes]:
    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return {f"{name}.key": private, f"{name}.pub": public + f" {name}\n".encode()}


def _write(path: Path, text: bytes) -> Path:
    """A new file; one with a key for its owner alone."""
    mode = 0o600 if path.suffix == ".key" else 0o644
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(text)
    return path
