"""The program works under the sandboxing of its unit, as far as that can be had without systemd; what, `jail` says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sync.share import CONFIG

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]
UNIT = CONFIG / "systemd" / "repairy-sync.service"
JAIL = Path(__file__).with_name("jail.py")
ROOT = Path(__file__).parents[2]


def jailed(*words: str) -> subprocess.CompletedProcess[str]:
    """This interpreter with these words, under the unit's sandboxing."""
    missing = [one for one in ("systemd-analyze", "unshare", "mount") if shutil.which(one) is None]
    if (missing or os.geteuid()) and os.environ.get("CI") != "true":
        pytest.skip(f"needs root, and {', '.join(missing) or 'nothing more'}: apt-get install systemd mount util-linux")
    line = ["unshare", "--mount", "--", sys.executable, str(JAIL), str(UNIT), sys.executable, *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=240)


FORBIDDEN = {
    "a file outside": "open('/opt/made-up', 'w')",
    "a file beside the program": f"open({str(ROOT / 'made-up')!r}, 'w')",
    "memory that is written and run": "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "raw packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "another user": "import os; os.setuid(0)",
    "another root": "import os; os.chroot('/tmp')",
    "a processor of its own": "import os; os.sched_setaffinity(0, os.sched_getaffinity(0))",
    "the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "a device": "open('/dev/kmsg')",
    "the machine's figures": "open('/proc/meminfo')",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_jail_is_one(what: str) -> None:
    """Each of these works outside, at least for root, and ends in an OSError inside."""
    done = jailed("-c", f"try:\n    {FORBIDDEN[what]}\nexcept OSError as error:\n    print('refused', error.errno)")
    assert done.stdout.startswith("refused"), done.stdout + done.stderr


def test_the_demo_runs_under_it() -> None:
    """Sandbox, shop, the real daemon with state, journal, page and webhooks: both sides agree at the end."""
    done = jailed("-m", "sync", "demo")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
