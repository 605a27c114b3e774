"""Certificates and keys for a service that asks for them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import trustme

KEY = "pk_conformance"


@dataclass(frozen=True)
class Access:
    """Files of a service and of its callers."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Access":
        """Issue certificates and a key."""
        folder.mkdir(exist_ok=True)
        ours, theirs = trustme.CA(), trustme.CA()
        for name, authority in (("ca", ours), ("other_ca", theirs)):
            authority.cert_pem.write_to_path(folder / f"{name}.pem")
        for name, authority, host in (
            ("service", ours, "127.0.0.1"),
            ("caller", ours, "caller"),
            ("other_caller", theirs, "caller"),
        ):
            pair = authority.issue_cert(host)
            pair.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
            pair.private_key_pem.write_to_path(folder / f"{name}.key")
        (folder / "keys").write_text(f"web {hashlib.sha256(KEY.encode()).hexdigest()}\n", encoding="utf-8")
        return cls(folder)

    @property
    def known(self) -> dict[str, str]:
        """What steps of a case may name."""
        files = {name: str(self.folder / f"{name}.pem") for name in ("ca", "other_ca", "caller", "other_caller")}
        keys = {f"{name}_key": str(self.folder / f"{name}.key") for name in ("caller", "other_caller")}
        return files | keys | {"api_key": KEY}

    def settings(self, how: str) -> dict[str, str]:
        """Return the variables of a service that tells callers apart by ``keys`` or by ``certificates``."""
        found = {
            "PENCHANT_ACCESS__CERT_FILE": str(self.folder / "service.pem"),
            "PENCHANT_ACCESS__KEY_FILE": str(self.folder / "service.key"),
        }
        if how == "keys":
            found["PENCHANT_ACCESS__API_KEYS_FILE"] = str(self.folder / "keys")
        elif how == "certificates":
            found["PENCHANT_ACCESS__CLIENT_CA_FILE"] = str(self.folder / "ca.pem")
        else:
            raise ValueError(how)
        return found
