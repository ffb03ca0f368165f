"""What every script here is given: where the front is, a local secret, and files to send. It knows no library."""

import base64
import json
import os
from pathlib import Path

ORIGIN = os.environ["FRONT_ORIGIN"]
SECRET = os.environ["FRONT_SECRET"]
CORP_ID = "wwdemo0000000001"
AGENT_ID = 1000002

FOLDER = Path(os.environ["FRONT_FOLDER"])
PLAN = FOLDER / "生产计划.txt"
PLAN.write_text("0123456789", encoding="utf-8")
PICTURE = FOLDER / "picture.png"
PICTURE.write_bytes(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    )
)


def report(answers):
    """Says, on a line of its own, what the library said."""
    print("\n" + json.dumps(answers, ensure_ascii=False), flush=True)
