"""Runs a command under what of the unit's sandboxing can be had without systemd: `python jail.py UNIT COMMAND…`, as root.

Done here as systemd does it: the system call filter with its sets, MemoryDenyWriteExecute (the kernel's own switch), address
families, a read-only file system, a /tmp, /dev and /proc of its own, no home, an unprivileged user, no capabilities, no new
privileges. Not done, since only systemd can or the test would show nothing: LoadCredential, StateDirectory, PrivateUsers,
ProtectControlGroups, KeyringMode, RemoveIPC, RestrictNamespaces, RestrictRealtime, RestrictSUIDSGID, LockPersonality.
RULE: standard library only; it imports nothing of the program.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

NOBODY = 65534
NO_NEW_PRIVS, CAPBSET_DROP, SET_MDWE, REFUSE_EXEC_GAIN = 38, 24, 65, 1
ALLOW, EPERM, EQUAL = 0x7FFF0000, 0x00050001, 4  # libseccomp's words
DEVICES = ("null", "zero", "full", "random", "urandom")
_libc = ctypes.CDLL(None, use_errno=True)


class Compared(ctypes.Structure):
    """libseccomp's condition on one argument of a call."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def said(unit: str, key: str) -> list[str]:
    """The words of every line of this key."""
    return [word for line in re.findall(rf"(?m)^{key}=(.*)$", unit) for word in line.split()]


def calls(name: str) -> set[str]:
    """The system calls of a set, with those of the sets within it."""
    if not name.startswith("@"):
        return {name}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    inner = {line.strip() for line in shown.splitlines()[1:] if line.strip() and not line.strip().startswith("#")}
    return {call for one in inner for call in calls(one)}


def allowed(unit: str) -> set[str]:
    """What SystemCallFilter leaves: lines that open, then lines with ~ that close."""
    found = calls("@default")
    for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", unit):
        named = {call for word in line.removeprefix("~").split() for call in calls(word)}
        found = found - named if line.startswith("~") else found | named
    return found


def mounted(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def close_files(unit: str) -> None:
    """In a mount namespace of our own: nothing can be written but in /tmp."""
    mounted("--make-rprivate", "/")
    mounted("--rbind", "/", "/")
    mounted("-o", "remount,bind,ro", "/")
    os.chroot("/")
    if said(unit, "PrivateDevices") == ["yes"]:
        fresh = Path("/mnt")
        mounted("-t", "tmpfs", "tmpfs", str(fresh))
        for name in DEVICES:
            (fresh / name).touch()
            mounted("--bind", f"/dev/{name}", str(fresh / name))
        (fresh / "shm").mkdir(mode=0o1777)
        mounted("--rbind", str(fresh), "/dev")
    if said(unit, "ProtectProc") == ["invisible"] and said(unit, "ProcSubset") == ["pid"]:
        mounted("-t", "proc", "-o", "hidepid=invisible,subset=pid", "proc", "/proc")
    for folder in (Path("/home"), Path("/root")):
        close_folder(folder, "755")
        mounted("-o", "remount,ro", str(folder))
    close_folder(Path("/tmp"), "1777")


def close_folder(folder: Path, mode: str) -> None:
    """Empty, but for an interpreter or checkout that lies in it: those stand for a program in /opt."""
    needed = {Path(one).resolve() for one in (sys.base_prefix, sys.prefix, Path(__file__).parents[2])}
    kept = [one for one in sorted(needed) if one.is_relative_to(folder)]
    mounted("-t", "tmpfs", "tmpfs", "/mnt")
    for number, one in enumerate(kept):
        (Path("/mnt") / str(number)).mkdir()
        mounted("--bind", str(one), f"/mnt/{number}")
    mounted("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", str(folder))
    for number, one in enumerate(kept):
        one.mkdir(parents=True, exist_ok=True)
        mounted("--bind", f"/mnt/{number}", str(one))


def drop_rights() -> None:
    for capability in range(64):
        _libc.prctl(CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    demanded(_libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs")


def filter_calls(unit: str) -> None:
    """From here on, in this process and those it starts."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(EPERM))
    for name in allowed(unit) - {"socket"}:
        if (number := seccomp.seccomp_syscall_resolve_name(name.encode())) >= 0:
            demanded(seccomp.seccomp_rule_add(rules, ALLOW, number, 0) == 0, name)
    for family in said(unit, "RestrictAddressFamilies"):
        only = Compared(0, EQUAL, int(getattr(socket, family)), 0)
        number = seccomp.seccomp_syscall_resolve_name(b"socket")
        demanded(seccomp.seccomp_rule_add_array(rules, ALLOW, number, 1, ctypes.byref(only)) == 0, family)
    demanded(seccomp.seccomp_load(rules) == 0, "the filter")


def demanded(there: bool, what: str) -> None:
    if not there:
        raise SystemExit(f"jail: {what} could not be had")


def main(unit_file: str, *command: str) -> None:
    unit = Path(unit_file).read_text(encoding="utf-8")
    close_files(unit)
    drop_rights()
    if said(unit, "MemoryDenyWriteExecute") == ["yes"]:
        demanded(_libc.prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) == 0, "MemoryDenyWriteExecute")
    filter_calls(unit)
    os.chdir("/")
    os.execve(command[0], command, {"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"})


if __name__ == "__main__":
    main(*sys.argv[1:])
