"""A stand-in: answers on port 80 as a healthy engine does, and knows no other page."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class Health(BaseHTTPRequestHandler):
    """One page."""

    def do_GET(self) -> None:
        """The words of an engine."""
        known = self.path == "/ovirt-engine/services/health"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"DB Up!Welcome to Health Status!" if known else b"")


if __name__ == "__main__":
    HTTPServer(("", 80), Health).serve_forever()
