"""Reads a page of metrics as Prometheus does, with its own client library.

Argument: `prometheus` or `openmetrics`. The page on standard input; on standard output a JSON object of families, each
with its type and its samples: [name, labels, value].
"""

import json
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus

PARSERS = {"prometheus": prometheus, "openmetrics": openmetrics}


def main() -> None:
    page = sys.stdin.read()
    families = PARSERS[sys.argv[1]].text_string_to_metric_families(page)
    told = {
        family.name: {
            "type": family.type,
            "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
        }
        for family in families
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
