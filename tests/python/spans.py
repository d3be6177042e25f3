"""Reads what a collector got, with OpenTelemetry's own definitions.

An ExportTraceServiceRequest on standard input; on standard output the same as JSON.
"""

import sys

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def main() -> None:
    print(MessageToJson(ExportTraceServiceRequest.FromString(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
