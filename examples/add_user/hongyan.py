"""Tells people through Hongyan, without ever slowing or breaking what the caller does.

One file, standard library only: copy it. `notify` writes a line to a spool file and returns; a background thread hands
the lines in, again and again until the gateway has taken them, also those of an earlier run. Nothing here raises.

    hongyan = Hongyan(to=["zhangsan", "lisi"])
    hongyan.notify("新用户已加入：小明", event="user-added-42")

HONGYAN_URL and HONGYAN_API_KEY say where the gateway is. One process uses one spool file.
"""

import json
import logging
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

log = logging.getLogger("hongyan")

# Refused for good: the same request will never be taken.
REFUSED = (400, 401, 403, 413, 422)
# When an accepted message is asked about, in seconds after it was accepted.
ASKED_AFTER = (1, 5, 30, 300)
# What a header may hold as it is.
ASCII = "".join(map(chr, range(0x20, 0x7F)))


def in_header(event):
    """An event as a header may hold it, and a line of a log: what is not printable ASCII is percent-encoded."""
    return urllib.parse.quote(str(event), safe=ASCII, errors="replace")


class Hongyan:
    def __init__(self, to, url=None, key=None, spool="hongyan-spool.ndjson", cap=1000, timeout=5.0):
        self.to = list(to)
        self.url = (url or os.environ.get("HONGYAN_URL", "http://127.0.0.1:8686")).rstrip("/")
        self.key = key or os.environ.get("HONGYAN_API_KEY", "")
        self.spool = spool
        self.cap = cap
        self.timeout = timeout
        self.lock = threading.Lock()
        self.something = threading.Event()
        self.waiting = self._read_spool()
        self.asked = []  # (when, id, how often already)
        threading.Thread(target=self._work, name="hongyan", daemon=True).start()

    def notify(self, text, event, **more):
        """Queues a text; `event` names what happened, so that it is told once. False if the spool is full."""
        try:
            line = {"event": event, "body": {"to": {"users": self.to}, "text": text, **more}}
            written = json.dumps(line, ensure_ascii=False) + "\n"
            with self.lock:
                if len(self.waiting) >= self.cap:
                    log.error("企业微信消息发送失败: %s lines wait already; `%s` is not told", self.cap, in_header(event))
                    return False
                self.waiting.append(line)
                with open(self.spool, "a", encoding="utf-8") as spool:
                    spool.write(written)
        except Exception as error:  # The caller's own work is done: nothing that happens here may undo it.
            log.error("企业微信消息发送失败: %s", error)
        self.something.set()
        return True

    def _read_spool(self):
        waiting = []
        try:
            with open(self.spool, encoding="utf-8") as spool:
                for line in spool:
                    try:
                        waiting.append(json.loads(line))
                    except ValueError:  # The last one, of a process that died while it wrote it.
                        log.error("a line of the spool %s cannot be read: %s", self.spool, line.strip())
        except FileNotFoundError:
            pass
        except OSError as error:
            log.error("the spool %s cannot be read: %s", self.spool, error)
        return waiting

    def _work(self):
        pause = 1.0
        while True:
            self.something.clear()
            pause = 1.0 if self._hand_in() else min(pause * 2, 60.0)
            self._ask()
            idle = not self.waiting and not self.asked
            self.something.wait(None if idle else min(pause, 1.0) if self.asked else pause)

    def _hand_in(self):
        """Hands in what waits, in order; False if the gateway is away."""
        while self.waiting:
            line = self.waiting[0]
            try:
                receipt = self._call("POST", "/v1/messages", line["body"], {"Idempotency-Key": in_header(line["event"])})
                self.asked.append((time.monotonic() + ASKED_AFTER[0], receipt["id"], 0))
            except urllib.error.HTTPError as error:
                if error.code not in REFUSED:
                    return False
                why = error.read(2000).decode("utf-8", "replace")
                log.error("企业微信消息发送失败: %s: %s", in_header(line["event"]), why)
            except (OSError, ValueError, KeyError) as error:
                log.warning("the gateway is away: %s", error)
                return False
            with self.lock:
                self.waiting.pop(0)
                self._write_spool()
        return True

    def _write_spool(self):
        try:
            with open(self.spool + ".new", "w", encoding="utf-8") as spool:
                for line in self.waiting:
                    spool.write(json.dumps(line, ensure_ascii=False) + "\n")
            os.replace(self.spool + ".new", self.spool)
        except OSError as error:
            # At worst a line is handed in again: its event is told once all the same.
            log.warning("the spool %s cannot be written: %s", self.spool, error)

    def _ask(self):
        """Logs what became of messages that were accepted."""
        now, later = time.monotonic(), []
        for when, message, asked in self.asked:
            if when > now:
                later.append((when, message, asked))
                continue
            try:
                state = self._call("GET", "/v1/messages/" + message)["state"]
            except (OSError, ValueError, KeyError):
                state = "unknown"
            if state == "delivered":
                log.info("企业微信消息发送成功 %s", message)
            elif state in ("accepted", "sending", "unknown") and asked + 1 < len(ASKED_AFTER):
                later.append((now + ASKED_AFTER[asked + 1], message, asked + 1))
            elif state != "duplicate":
                log.error("企业微信消息发送失败: %s %s", message, state)
        self.asked = later

    def _call(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8")
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        request.add_header("Authorization", "Bearer " + self.key)
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            return json.load(answer)
