# SPDX-License-Identifier: Apache-2.0
"""Whether the gateway has each of a device's numbers once, verified and without a hole: readings.py SHOWN DEVICE COUNT

SHOWN is what `martlet-gateway run --json` wrote. What came twice is a `duplicate`, which counts as nothing."""

import collections
import json
import sys

shown, device, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
times, verdicts = collections.Counter(), {}
for line in open(shown):
    try:
        item = json.loads(line)
    except ValueError:
        continue  # the last one may not be whole yet
    if item.get("device") != device:
        continue
    if item["type"] in ("gap", "refused"):
        sys.exit(f"{item}")
    if item["type"] == "verdict":
        verdicts[item["lane"], item["sequence"]] = item["verdict"]
    if item["type"] == "reading" and item["verdict"] != "duplicate":
        verdicts[item["lane"], item["sequence"]] = item["verdict"]
        times[int(item["value"])] += 1
wrong = {number: times[number] for number in range(1, count + 1) if times[number] != 1}
bad = {place: verdict for place, verdict in verdicts.items() if verdict not in ("first", "linked")}
if wrong or bad or len(times) != count:
    sys.exit(f"of {count}: times {wrong}, verdicts {bad}, others {sorted(set(times) - set(range(1, count + 1)))}")
