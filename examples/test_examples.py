"""Compiles and runs what is to be copied into programs of other languages. Standard library only.

    python3 examples/test_examples.py [-v]

The notifiers (Java, Go) hand in to a small server that plays the gateway; the verifiers of webhooks (Python, Java, Go,
Rust) all judge one table. A tool that is missing (javac, go, cargo) skips its part aloud, and fails it where CI=true.
"""

import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]
# Arguments and logs are UTF-8, whatever the machine speaks.
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}
# How long a program may take at most, in seconds: it waits 5 s for the gateway.
PATIENCE = 20

scratch = None
pool = None
builds = {}
judged = {}


class Missing(Exception):
    """A tool is not on this machine."""


def setUpModule():
    global scratch, pool
    scratch = Path(tempfile.mkdtemp(prefix="examples-"))
    ENVIRONMENT.setdefault("GOCACHE", str(Path(os.environ.get("HOME", scratch)) / ".cache/go-build"))
    pool = ThreadPoolExecutor(len(BUILDS) + len(VERIFIERS))
    for name, build in BUILDS.items():
        (scratch / name).mkdir()
        builds[name] = pool.submit(build, scratch / name)
    for name in VERIFIERS:  # While the notifiers wait for gateways that are away.
        judged[name] = pool.submit(judge, name)


def tearDownModule():
    pool.shutdown()
    shutil.rmtree(scratch)


def tool(*command, cwd=HERE, **environment):
    if not shutil.which(command[0]):
        raise Missing(command[0])
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**ENVIRONMENT, **environment}, timeout=300,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )
    if done.returncode:
        raise AssertionError(f"{command} fails: {done.stdout}")


def notify_java(out):
    tool("javac", "--release", "11", "-Xlint:all", "-Werror", "-d", out, *(HERE / "notify_java").glob("*.java"))
    return [*JAVA, out, "Example"]


def notify_go(out):
    tool("go", "vet", "./...", cwd=HERE / "notify_go")
    tool("go", "build", "-o", out / "example", "./example", cwd=HERE / "notify_go")
    return [out / "example"]


def verify_python(out):
    (out / "bounded.py").write_text(BOUNDED["verify_python"])
    shutil.copy(HERE / "status_webhook/verify.py", out)
    return [sys.executable, "-B", out / "verify.py"], [sys.executable, "-B", out / "bounded.py"]


def verify_java(out):
    (out / "Bounded.java").write_text(BOUNDED["verify_java"])
    sources = HERE / "status_webhook/Verify.java", out / "Bounded.java"
    tool("javac", "--release", "11", "-Xlint:all", "-Werror", "-d", out, *sources)
    return [*JAVA, out, "Verify"], [*JAVA, out, "Bounded"]


def verify_go(out):
    (out / "bounded.go").write_text(BOUNDED["verify_go"])
    shutil.copy(HERE / "status_webhook/verify.go", out)
    tool("go", "vet", "verify.go", cwd=out)
    tool("go", "build", "-o", "verify", "verify.go", cwd=out)
    tool("go", "build", "-o", "bounded", "verify.go", "bounded.go", cwd=out)
    return [out / "verify"], [out / "bounded"]


def verify_rust(out):
    (out / "src/bin").mkdir(parents=True)
    (out / "src/bin/bounded.rs").write_text(BOUNDED["verify_rust"])
    shutil.copy(HERE / "status_webhook/verify.rs", out / "src/main.rs")
    (out / "Cargo.toml").write_text(
        '[package]\nname = "verify"\nversion = "0.0.0"\nedition = "2024"\n'
        '[dependencies]\nhmac = "0.13"\nsha2 = "0.11"\nsubtle = "2"\nhex = "0.4"\n[workspace]\n'
    )
    build = ("cargo", "build", "--quiet", "--manifest-path", out / "Cargo.toml")
    try:  # The workspace uses the same crates: as a rule they are here.
        tool(*build, "--offline", CARGO_TARGET_DIR=str(out / "target"))
    except AssertionError:
        tool(*build, CARGO_TARGET_DIR=str(out / "target"))
    return [out / "target/debug/verify"], [out / "target/debug/bounded"]


BUILDS = {
    "notify_java": notify_java,
    "notify_go": notify_go,
    "verify_rust": verify_rust,
    "verify_java": verify_java,
    "verify_go": verify_go,
    "verify_python": verify_python,
}

NOTIFIERS = [name for name in BUILDS if name.startswith("notify")]
VERIFIERS = [name for name in BUILDS if name.startswith("verify")]

# The verifiers as a library that remembers two nonces; the arguments are nonces, each with its signature.
BOUNDED = {
    "verify_python": """
import sys
from verify import Refused, Seen, verify
seen = Seen(2)
for nonce, signature in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        verify(b"s", "1000", nonce, signature, b"", 1000, seen)
        print("ok")
    except Refused as why:
        print(why)
""",
    "verify_java": """
class Bounded {
    public static void main(String[] args) {
        Verify.Seen seen = new Verify.Seen(2);
        for (int i = 0; i < args.length; i += 2) {
            try {
                Verify.verify(new byte[] {'s'}, "1000", args[i], args[i + 1], new byte[0], 1000, seen);
                System.out.println("ok");
            } catch (Verify.Refused why) {
                System.out.println(why.getMessage());
            }
        }
    }
}
""",
    "verify_go": """
package main

import (
	"fmt"
	"os"
)

func init() {
	seen := &Seen{Cap: 2}
	for i := 1; i < len(os.Args); i += 2 {
		if err := Verify([]byte("s"), "1000", os.Args[i], os.Args[i+1], nil, 1000, seen); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
	os.Exit(0)
}
""",
    "verify_rust": """
#[allow(dead_code)]
#[path = "../main.rs"]
mod verify;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seen = verify::Seen::new(2);
    for pair in arguments.chunks(2) {
        match verify::verify(b"s", ["1000", &pair[0], &pair[1]], b"", 1000, &seen) {
            Ok(()) => println!("ok"),
            Err(why) => println!("{}", format!("{why:?}").to_lowercase()),
        }
    }
}
""",
}


class Case(unittest.TestCase):
    def each(self, names, check, kinds=()):
        """Runs a check for each language, and each kind of trouble, all at once."""
        with ThreadPoolExecutor(len(names) * max(len(kinds), 1)) as work:
            if kinds:
                jobs = {
                    (name, kind): work.submit(lambda name, kind: check(builds[name].result(), kind), name, kind)
                    for name in names
                    for kind in kinds
                }
            else:
                jobs = {(name,): work.submit(lambda name: check(builds[name].result()), name) for name in names}
            self.collect(jobs)

    def collect(self, jobs):
        for what, job in jobs.items():
            with self.subTest(" ".join(what)):
                try:
                    job.result()
                except Missing as gone:
                    if os.environ.get("CI") == "true":
                        self.fail(f"`{gone}` is not on this machine")
                    print(f"skipped: {what[0]}, as `{gone}` is not on this machine", file=sys.stderr)
                    self.skipTest(f"no {gone}")


class Gateway:
    """Answers hand-ins with the given states, one after another, then with 202."""

    def __init__(self, *states):
        self.states = list(states)
        self.calls = []  # state, headers, body
        self.lock = threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with gateway.lock:
                    state = gateway.states.pop(0) if gateway.states else 202
                    if self.path != "/v1/messages":
                        state = 404
                    gateway.calls.append((state, self.headers, body))
                answer = ('{"id": "msg_1"}' if state == 202 else f'{{"error": "因为{state}"}}').encode()
                self.send_response(state)
                self.send_header("Content-Length", str(len(answer)))
                if state == 401:
                    self.send_header("WWW-Authenticate", "Bearer")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def events(self):
        return [(state, headers["Idempotency-Key"]) for state, headers, _ in self.calls]

    def texts(self):
        return [json.loads(body)["text"] for _, _, body in self.calls]


def spool_of(directory):
    return Path(directory) / "spool"


def line(event, text):
    """A line of the spool."""
    return f'{event}\t{json.dumps({"to": {"users": ["zhangsan"]}, "text": text}, ensure_ascii=False)}\n'


def tell(program, url, directory, text, event, users="zhangsan"):
    """Runs the example; it exits with 0 always. Returns what it logged, and how long it took."""
    # The newline is what a key read from a file ends with.
    hongyan = {"HONGYAN_URL": url, "HONGYAN_API_KEY": "hyk_1\n", "HONGYAN_SPOOL": spool_of(directory)}
    started = time.monotonic()
    done = subprocess.run(
        [*program, users, text, event], env={**ENVIRONMENT, **hongyan}, cwd=directory, timeout=PATIENCE,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
    assert "hyk_1" not in done.stdout, done.stdout
    return done.stdout, time.monotonic() - started


class Notifiers(Case):
    def test_a_text_is_handed_in_until_it_is_taken_and_arrives_as_it_is(self):
        text = 'a "quoted" \\ text\nwith\ttabs\r, \x01, <@all> & </a>, \u2028, 中文，🀄 \x7f {"}'

        def check(program):
            with tempfile.TemporaryDirectory() as directory, Gateway(503) as gateway:
                log, _ = tell(program, gateway.url, directory, text, "event-1", users='zhangsan,"li"')
                assert "503" in log and "因为503" in log, log
                assert gateway.events() == [(503, "event-1"), (202, "event-1")], gateway.events()
                (_, headers, body), (_, _, again) = gateway.calls
                assert body == again  # Else the idempotency key would be used for another request.
                assert json.loads(body) == {"to": {"users": ["zhangsan", '"li"']}, "text": text}, body
                assert headers["Authorization"] == "Bearer hyk_1"
                assert headers["Content-Type"] == "application/json"
                assert spool_of(directory).read_bytes() == b""

        self.each(NOTIFIERS, check)

    def test_an_event_is_any_text(self):
        def check(program):
            with tempfile.TemporaryDirectory() as directory, Gateway() as gateway:
                log, _ = tell(program, gateway.url, directory, "t", "订单 1\n\t~")
                assert gateway.events() == [(202, "%E8%AE%A2%E5%8D%95 1%0A%09~")], gateway.events()
                assert log == "", log

        self.each(NOTIFIERS, check)

    def test_with_the_gateway_away_it_ends_all_the_same_and_the_next_run_hands_in(self):
        def check(program, kind):
            with tempfile.TemporaryDirectory() as directory, socket.socket() as nobody, Gateway() as gateway:
                nobody.bind(("127.0.0.1", 0))
                url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
                told = ["一\n", "二"]
                if kind == "silent":  # Connects, and never answers.
                    nobody.listen()
                elif kind == "no url":
                    url = "no url"
                elif kind == "half":  # A process died inside a character: what is told now is not written onto it.
                    spool = line("event-0", "零").encode() + line("half", "半").encode()[:-5]
                    spool_of(directory).write_bytes(spool)
                    told = ["零", *told]
                elif kind == "full":
                    spool_of(directory).write_text("".join(line(f"event-{i}", "满") for i in range(1000)), "utf-8")
                log, took = tell(program, url, directory, "一\n", "event-one")
                assert took < 10, took
                assert "the next run does it" in log, log
                assert log.count("is tried again") <= 1, log  # A trouble is logged once.
                assert ("1000 lines wait already; `event-one` is not told" in log) == (kind == "full"), log
                assert ("cannot be read" in log) == (kind == "half"), log
                if kind == "full":
                    assert spool_of(directory).read_text("utf-8").count("\n") == 1000
                    return
                tell(program, gateway.url, directory, "二", "event-two")
                assert gateway.texts() == told, gateway.texts()
                assert len({event for _, event in gateway.events()}) == len(told)
                assert spool_of(directory).read_bytes() == b""

        self.each(NOTIFIERS, check, ("down", "silent", "no url", "half", "full"))

    def test_with_a_spool_that_cannot_be_written_it_is_told_all_the_same(self):
        def check(program):
            with tempfile.TemporaryDirectory() as directory, Gateway() as gateway:
                spool_of(directory).mkdir()
                log, _ = tell(program, gateway.url, directory, "一", "event-1")
                assert gateway.events() == [(202, "event-1")], gateway.events()
                assert "waits in memory only" in log, log

        self.each(NOTIFIERS, check)

    def test_what_is_refused_is_logged_and_not_repeated(self):
        refused = (400, 401, 403, 413, 422)

        def check(program):
            with tempfile.TemporaryDirectory() as directory, Gateway(*refused) as gateway:
                spool_of(directory).write_text("".join(line(f"e{state}", "一") for state in refused[:-1]), "utf-8")
                log, _ = tell(program, gateway.url, directory, "二", "e422")
                for state in refused:
                    assert f"企业微信消息发送失败: e{state}: it answered {state}: " in log, log
                    assert f"因为{state}" in log, log
                tell(program, gateway.url, directory, "三", "e202")
                assert gateway.events() == [(state, f"e{state}") for state in (*refused, 202)], gateway.events()

        self.each(NOTIFIERS, check)

    def test_without_arguments_it_says_how_it_is_used(self):
        def check(program):
            done = subprocess.run(program, capture_output=True, encoding="utf-8", timeout=PATIENCE)
            assert done.returncode == 0 and "usage" in done.stderr, done

        self.each(NOTIFIERS, check)


def signed(secret, timestamp, nonce, body):
    message = f"{timestamp}\n{nonce}\n".encode() + body
    return "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def table():
    """Rows: secret, timestamp, nonce, signature, body, times, what is said at each time."""
    secret, stamp, nonce, body = "whsec_example", "1700000000", "n-1", b'{"a":1}'
    good = signed(secret, stamp, nonce, body)
    # printf '1700000000\nn-1\n{"a":1}' | openssl dgst -sha256 -hmac whsec_example
    assert good == "v1=6cdc77f3ba6f6976395da6bb889dc18b56d49c4be9d5cd3f56bdd635f8335cfd"
    bad = signed("an older secret", stamp, nonce, body)
    at = int(stamp)

    def row(said, secret=secret, stamp=stamp, nonce=nonce, signature=None, body=body, times=(at,)):
        made = signed(secret, stamp, nonce, body) if signature is None else signature
        return secret, stamp, nonce, made, body, [str(time) for time in times], said.split()

    yield row("ok")
    yield row("ok", stamp=str(int(time.time())), times=())
    for body_ in (b"", b"\n", "中文\r\n🀄".encode(), bytes(range(256)) * 300):
        yield row("ok", body=body_)
    yield row("ok", secret="密钥 with blanks")
    for nonce_ in ("n" * 128, "a nonce, of words"):
        yield row("ok", nonce=nonce_)

    # While a secret is rotated.
    for several in (f"{bad}, {good}", f"{good}, {bad}", f"{bad},{good}", f"v2=x, {good}"):
        yield row("ok", signature=several)
    yield row("signature", signature=f"{bad}, {bad}")

    # Signed by somebody else, or for something else.
    for other in (bad, good[3:], "v2=" + good[3:], good[:-1], good + "0", good.upper(), "v1=", ",", "v1=é中"):
        yield row("signature", signature=other)
    for change in ({"body": body + b"\n"}, {"body": b""}, {"nonce": "n-2"}, {"stamp": "1700000001"}, {"secret": "x"}):
        yield row("signature", signature=good, **change)
    yield row("signature", signature=signed(secret, stamp, "n", b"1\n" + body), nonce="n1")
    yield row("incomplete", nonce="n\n1")

    # Near in time, both ways.
    yield row("old", times=[at + 301])
    yield row("old", times=[at - 301])
    yield row("old", signature=bad, times=[at + 301])
    yield row("old", stamp="0")
    yield row("old", stamp="999999999999")

    # Once only, for as long as the timestamp could be taken.
    yield row("ok seen", times=[at, at])
    yield row("ok seen old", times=[at - 300, at + 300, at + 301])
    yield row("old ok seen", times=[at - 301, at, at + 1])

    # What is missing, or cannot be read.
    for odd in ("", "x", "-1700000000", "+1700000000", " 1700000000", "1_700_000_000", "１７０", "1" * 13):
        yield row("incomplete", stamp=odd)
    for odd in ("", "n" * 129, "é", "\x7f"):
        yield row("incomplete", nonce=odd)
    yield row("incomplete", signature="")
    yield row("secret", secret="")


def judge(name):
    program, _ = builds[name].result()
    for secret, stamp, nonce, signature, body, times, said in table():
        command = [*program, secret, stamp, nonce, signature, *times]
        done = subprocess.run(command, input=body, env=ENVIRONMENT, timeout=PATIENCE, capture_output=True)
        assert done.stdout.decode().split() == said, (body[:50], said, done)
        assert done.returncode == (0 if set(said) == {"ok"} else 1), done


class Verifiers(Case):
    def test_all_judge_alike(self):
        self.collect({(name,): judged[name] for name in VERIFIERS})

    def test_the_memory_is_bounded_and_only_what_fits_is_remembered(self):
        def check(programs):
            arguments = ["1", "v1=0"]
            for nonce in ("1", "2", "3", "1", "3"):
                arguments += [nonce, signed("s", "1000", nonce, b"")]
            done = subprocess.run([*programs[1], *arguments], env=ENVIRONMENT, timeout=PATIENCE, capture_output=True)
            assert done.stdout.decode().split() == ["signature", "ok", "ok", "ok", "ok", "seen"], done

        self.each(VERIFIERS, check)

    def test_without_arguments_they_say_how_they_are_used(self):
        def check(programs):
            done = subprocess.run(programs[0], capture_output=True, encoding="utf-8", timeout=PATIENCE)
            assert done.returncode == 2 and "usage" in done.stderr, done

        self.each(VERIFIERS, check)

    def test_the_receiver_takes_what_is_signed_once(self):
        command = [sys.executable, "-B", HERE / "status_webhook/verify.py", "--serve", "0", "密钥"]
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, encoding="utf-8") as receiver:
            try:
                port = int(receiver.stdout.readline().rsplit(":", 1)[1])
                stamp, body = str(int(time.time())), '{"state":"送达"}'.encode()
                headers = {"X-Hongyan-Timestamp": stamp, "X-Hongyan-Nonce": "n-1"}
                headers["X-Hongyan-Signature"] = signed("密钥", stamp, "n-1", body)

                def post(body, headers):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                    connection.request("POST", "/", body, headers)
                    status = connection.getresponse().status
                    connection.close()
                    return status

                for status, body_, headers_ in (
                    (401, body, {}),
                    (401, b"{}", headers),
                    (204, body, headers),
                    (401, body, headers),
                    (413, b"", {"Content-Length": "9999999"}),
                    (413, b"", {"Content-Length": "-1"}),
                ):
                    self.assertEqual(post(body_, headers_), status)
                said = [receiver.stdout.readline().strip() for _ in range(4)]
                expected = ["refused: incomplete", "refused: signature", 'taken: {"state":"送达"}', "refused: seen"]
                self.assertEqual(said, expected)
            finally:
                receiver.kill()


if __name__ == "__main__":
    unittest.main()
