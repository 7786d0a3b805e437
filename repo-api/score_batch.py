"""Score a file with a released model: `python score_batch.py --input rows.parquet --output scored.parquet`."""

import sys
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    if missing := [name for name in ("pyarrow", "tqdm") if find_spec(name) is None]:
        sys.stderr.write(f"{' and '.join(missing)} cannot be imported.\nNext: pip install 'edustream-api[batch]'\n")
        sys.exit(2)
    from edustream_api.offline.command import main

    sys.exit(main(env_file=Path(__file__).with_name(".env")))
