#!/usr/bin/env python3
"""A function that behaves as its path says; it announces its address as the runner does."""
import json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        body, (path, _, argument) = self.body(), self.path.partition("?")
        if path.startswith("/status/"):
            self.answer(int(path.removeprefix("/status/")), b"as asked", X_Own="kept")
        elif path == "/redirect":
            self.answer(302, Location=argument)
        elif path == "/die":
            os._exit(3)
        elif path == "/wait":
            while not os.path.exists(os.path.join(os.environ["RUNNER_STATE_DIR"], argument)):
                time.sleep(0.01)
            self.answer(200, b"waited")
        else:
            seen = {"method": self.command, "path": self.path, "body": body.decode(), "environment": dict(os.environ)}
            seen["headers"] = {name.lower(): value for name, value in self.headers.items()}
            self.answer(200, json.dumps(seen).encode(), X_Own="kept", Content_Type="application/json")

    do_GET = do_POST = do_DELETE = do_PUT = handle_any

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
