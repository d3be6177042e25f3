"""A gRPC service, and a client of it: grpcio and nothing of ours. Messages are bytes, as they are.

Arguments: `serve`, which prints the port; or `call` or `watch`, the gateway's address, a file with its certificate or ``,
and an access token. `call` prints a line of JSON with what each call came to. `watch` opens a stream both ways, prints
`open`, and when the stream has ended a line of JSON with its status.
"""

import json
import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc


def unary(request, context):
    context.send_initial_metadata([("x-subject", dict(context.invocation_metadata()).get("x-user-id", "nobody"))])
    context.set_trailing_metadata([("x-length", str(len(request))), ("x-raw-bin", b"\x00\xff")])
    return request


def down(request, context):
    for number in range(int(request)):
        yield b"%d" % number * 20_000


def up(requests, context):
    return b",".join(b"%d" % len(request) for request in requests)


def both(requests, context):
    yield from requests


def fail(request, context):
    context.set_trailing_metadata([("x-why", "closed")])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: caf\u00e9 at 100%")


def slow(request, context):
    left = float("inf") if context.time_remaining() is None else context.time_remaining()
    print("deadline known" if left < 60 else "no deadline", flush=True)
    context.add_callback(lambda: print("cancelled", flush=True))
    while context.is_active():
        yield b"not yet"
        time.sleep(0.02)


def serve():
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Slow": grpc.unary_stream_rpc_method_handler(slow),
    }
    server = grpc.server(ThreadPoolExecutor(8))
    for name in ["test.Letters", "test.Closed"]:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    print("port", server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def status(error):
    return {"code": error.code().name, "details": error.details()}


def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        return status(error)
    return None


def call(channel, token):
    metadata = [("authorization", f"Bearer {token}"), ("x-user-id", "mallory")]
    letters = lambda name: f"/test.Letters/{name}"
    ask = channel.unary_unary(letters("Unary"))
    large = bytes(range(256)) * 12_000
    answer, facts = ask.with_call(large, metadata=metadata)
    trailers = dict(facts.trailing_metadata())
    lengths = [b"x" * length for length in (0, 1, 16_384, 65_536, 1_000_000)]
    failure = None
    try:
        channel.unary_unary(letters("Fail"))(b"", metadata=metadata)
    except grpc.RpcError as error:
        failure = status(error) | {"why": dict(error.trailing_metadata()).get("x-why")}
    told = {
        "same": answer == large,
        "subject": dict(facts.initial_metadata())["x-subject"],
        "trailers": [trailers["x-length"], trailers["x-raw-bin"].hex()],
        "down": [len(part) for part in channel.unary_stream(letters("Down"))(b"8", metadata=metadata)],
        "up": channel.stream_unary(letters("Up"))(iter(lengths), metadata=metadata).decode(),
        "both": [len(part) for part in channel.stream_stream(letters("Both"))(iter(lengths), metadata=metadata)],
        "failure": failure,
        "late": refused(lambda: list(channel.unary_stream(letters("Slow"))(b"", metadata=metadata, timeout=1)))["code"],
        "without": refused(lambda: ask(b""))["code"],
        "forged": refused(lambda: ask(b"", metadata=[("authorization", f"Bearer {token}x")]))["code"],
        "closed": refused(lambda: channel.unary_unary("/test.Closed/Unary")(b"", metadata=metadata))["code"],
        "unknown": refused(lambda: channel.unary_unary("/test.Nothing/Unary")(b"", metadata=metadata))["code"],
    }
    print(json.dumps(told), flush=True)


def watch(channel, token):
    # One that never says that it has no more.
    messages = queue.SimpleQueue()
    messages.put(b"first")
    both = channel.stream_stream("/test.Letters/Both")
    stream = both(iter(messages.get, None), metadata=[("authorization", f"Bearer {token}")])
    next(stream)
    print("open", flush=True)
    print(json.dumps(refused(lambda: list(stream))), flush=True)
    messages.put(None)


def main():
    if sys.argv[1] == "serve":
        return serve()
    what, address, certificate, token = sys.argv[1:]
    if certificate:
        with open(certificate, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        channel = grpc.secure_channel(address, credentials)
    else:
        channel = grpc.insecure_channel(address)
    {"call": call, "watch": watch}[what](channel, token)


main()
