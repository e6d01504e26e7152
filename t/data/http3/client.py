"""An HTTP/3 client that does what each line of its input says, for t/lib/Http3.pm.

A line is a JSON list: the name of a function in class Client, and its arguments. Each line is answered
by one, which is the JSON of what the function returns, or of {"error": "..."}.
"""

import asyncio
import json
import ssl
import sys

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, StreamReset

TIME_LIMIT = 10


class Response:
    """What has come on a stream. `ended` has a result when nothing more will come."""

    def __init__(self):
        self.headers, self.body, self.ended = [], b"", asyncio.get_running_loop().create_future()

    def end(self, how):
        if not self.ended.done():
            self.ended.set_result(how)


class Connection(QuicConnectionProtocol):
    def __init__(self, quic):
        super().__init__(quic)
        self.http = H3Connection(quic)
        self.responses = {}

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for response in self.responses.values():
                response.end("closed")
        elif isinstance(event, StreamReset) and event.stream_id in self.responses:
            self.responses[event.stream_id].end("reset")
        for http_event in self.http.handle_event(event):
            response = self.responses.get(http_event.stream_id)
            if response is None:
                continue
            if isinstance(http_event, HeadersReceived):
                response.headers += http_event.headers
            elif isinstance(http_event, DataReceived):
                response.body += http_event.data
            if getattr(http_event, "stream_ended", False):
                response.end("complete")


class Client:
    def __init__(self):
        self.connections = []

    async def connect(self, port, certificate, key):
        """A new connection, with a client certificate unless that is None. Returns its number."""
        configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
        configuration.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            configuration.load_cert_chain(certificate, key)
        quic = QuicConnection(configuration=configuration)
        _, connection = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Connection(quic), local_addr=("127.0.0.1", 0)
        )
        connection.connect(("127.0.0.1", port))
        await connection.wait_connected()
        self.connections.append(connection)
        return len(self.connections) - 1

    async def send(self, number, method, uri, lines, body):
        """Sends a request, and returns the number of its stream. Lines are names and values in turn."""
        connection = self.connections[number]
        stream = connection._quic.get_next_available_stream_id()
        fields = [":method", method, ":scheme", "https", ":authority", "localhost", ":path", uri, *lines]
        connection.responses[stream] = Response()
        encoded = [field.encode("latin-1") for field in fields]
        connection.http.send_headers(stream, list(zip(encoded[::2], encoded[1::2])), end_stream=body is None)
        if body is not None:
            connection.http.send_data(stream, body.encode("latin-1"), end_stream=True)
        connection.transmit()
        return stream

    async def response(self, number, stream):
        """Waits for the end of a response: how it ended, its header lines and its body."""
        response = self.connections[number].responses[stream]
        how = await response.ended
        lines = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in response.headers]
        return {"end": how, "lines": lines, "body": response.body.decode("latin-1")}

    async def reset(self, number, stream):
        """Leaves a stream, as a client does that no longer wants the response."""
        connection = self.connections[number]
        connection._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        connection.transmit()

    async def close(self, number):
        connection = self.connections[number]
        connection.close()
        await connection.wait_closed()


async def main():
    client = Client()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, *arguments = json.loads(line)
        try:
            result = await asyncio.wait_for(getattr(client, name)(*arguments), TIME_LIMIT)
        except Exception as error:  # the test shall see it
            result = {"error": f"{name}: {error!r}"}
        print(json.dumps(result), flush=True)


asyncio.run(main())
