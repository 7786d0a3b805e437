"""The floor for a worker's memory: imports what any such server imports, and prints its resident memory in KiB."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import imports_only  # noqa: F401 - imported for what it imports

(resident,) = (line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)
sys.stdout.write(f"{resident}\n")
