"""A small service with `/add_user`: whoever is added is told to others, and adding never waits for that.

    python3 server.py [PORT]
"""

import json
import logging
import os
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hongyan import Hongyan

users = {}
hongyan = None


def add_users(new_user):
    event = uuid.uuid4().hex
    users[event] = new_user
    return {"success": True, "id": event}


class MyHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path == "/add_user":
            new_user = data.get("user") or {}
            resulting = add_users(new_user)
            if resulting.get("success"):
                # The key is the event, not the name: two people may be called the same.
                username = new_user.get("username") or "未知用户"
                hongyan.notify(f"新用户已加入：{username}", event="user-added-" + resulting["id"], escape=True)
            self._send_response({"success": True, "output": resulting})
        else:
            self.send_error(404)

    def _send_response(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    to = os.environ.get("NOTIFY_USERS", "zhangsan,lisi").split(",")
    hongyan = Hongyan(to=to, spool=os.environ.get("HONGYAN_SPOOL", "hongyan-spool.ndjson"))
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), MyHandler)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
