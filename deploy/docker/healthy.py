# noqa: INP001 a script, copied into the images
"""Ask a Penchant process whether it is well: ``healthy.py grpc://HOST:PORT`` or ``healthy.py http://HOST:PORT/ready``.

Ends with 0 when it is, and otherwise with 1 and a line that says why not.
"""

import sys
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

PATIENCE = 3.0
"""Seconds that an answer may take."""


def why_not(address: str) -> str:
    """Return why the process at *address* is not well, and nothing when it is."""
    scheme, _, place = address.partition("://")
    try:
        return _grpc(place) if scheme == "grpc" else _http(address)
    except (grpc.RpcError, OSError) as error:
        return f"{address} does not answer: {error}"


def _grpc(target: str) -> str:
    with grpc.insecure_channel(target) as channel:
        asked = health_pb2.HealthCheckRequest()
        answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=PATIENCE, wait_for_ready=True)
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "" if serving else health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def _http(url: str) -> str:
    # An HTTPError is an OSError: any other answer than 2xx ends above.
    with urllib.request.urlopen(url, timeout=PATIENCE):  # noqa: S310 whoever runs this chose the address
        return ""


if __name__ == "__main__":
    sys.exit(why_not(sys.argv[1]) or 0)
