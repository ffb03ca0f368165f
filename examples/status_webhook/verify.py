"""Tells whether a webhook is Hongyan's, is fresh, and was not taken before.

One file, standard library only: copy it. It knows nothing of what the webhook says. To try it, with a secret made for
that, on a body from standard input (each further NOW, in Unix seconds, is the same request once more):

    python3 verify.py SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body
    python3 verify.py --serve PORT SECRET
"""

import hashlib
import hmac
import re
import sys
import threading
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How far a timestamp may be from our clock, in seconds.
WINDOW = 300
# How long a nonce is remembered: as long as its timestamp may be taken, were it 300 s ahead.
REMEMBERED = 600
# The largest body that the receiver reads.
BODY_MAX = 1 << 20


class Refused(Exception):
    """secret, incomplete, old, signature or seen."""


class Seen:
    """The nonces that were taken lately; beyond `cap` the oldest are forgotten."""

    def __init__(self, cap=100_000):
        self.cap = cap
        self.taken = OrderedDict()
        self.lock = threading.Lock()

    def note(self, nonce, now):
        """Notes a nonce; False if it is there already."""
        with self.lock:
            while self.taken and now - next(iter(self.taken.values())) > REMEMBERED:
                self.taken.popitem(last=False)
            if nonce in self.taken:
                return False
            if len(self.taken) >= self.cap:
                self.taken.popitem(last=False)
            self.taken[nonce] = now
            return True


def verify(secret, timestamp, nonce, signature, body, now, seen):
    """Returns if the webhook may be taken, and raises `Refused` if not. Secret and body are bytes, `now` seconds.

    The others are the headers X-Hongyan-Timestamp, X-Hongyan-Nonce and X-Hongyan-Signature, or None.
    """
    if not secret:
        raise Refused("secret")  # Everybody can sign with an empty one.
    if not re.fullmatch("[0-9]{1,12}", timestamp or "") or not re.fullmatch("[ -~]{1,128}", nonce or ""):
        raise Refused("incomplete")
    if not signature:
        raise Refused("incomplete")
    if abs(now - int(timestamp)) > WINDOW:
        raise Refused("old")
    message = f"{timestamp}\n{nonce}\n".encode() + body
    expected = b"v1=" + hmac.new(secret, message, hashlib.sha256).hexdigest().encode()
    # Several while the secret is rotated.
    given = [one.strip().encode("utf-8", "replace") for one in signature.split(",")]
    if not any(hmac.compare_digest(one, expected) for one in given):
        raise Refused("signature")
    if not seen.note(nonce, now):
        raise Refused("seen")


def serve(port, secret):
    seen = Seen()

    class Receiver(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self):
            length = self.headers.get("Content-Length", "")
            if not re.fullmatch("[0-9]{1,9}", length) or int(length) > BODY_MAX:
                self.close_connection = True
                return self._answer(413)
            body = self.rfile.read(int(length))
            signed = [self.headers.get("X-Hongyan-" + name) for name in ("Timestamp", "Nonce", "Signature")]
            try:
                verify(secret, *signed, body, int(time.time()), seen)
            except Refused as why:
                print("refused:", why, flush=True)
                return self._answer(401)
            # Here the webhook is dealt with, or kept for later: the answer should not wait for long work.
            print("taken:", body.decode("utf-8", "replace"), flush=True)
            self._answer(204)

        def _answer(self, status):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "--serve":
        return serve(int(arguments[1]), arguments[2].encode())
    if len(arguments) < 4:
        print("usage: verify.py SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body", file=sys.stderr)
        return 2
    secret, signed, body, seen = arguments[0].encode(), arguments[1:4], sys.stdin.buffer.read(), Seen()
    code = 0
    for now in arguments[4:] or [time.time()]:
        try:
            verify(secret, *signed, body, int(now), seen)
            print("ok")
        except Refused as why:
            print(why)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
