"""A mail server for tests: aiosmtpd, with STARTTLS or TLS and a login.

Writes each mail to a file, prints its port, and answers by the address:
`gone…` is refused for good, `busy…` twice for the time being, `slow…` is taken and never answered.
"""

import argparse
import asyncio
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

parser = argparse.ArgumentParser()
parser.add_argument("--folder", type=pathlib.Path, required=True)
parser.add_argument("--mode", choices=["plain", "starttls", "tls"], default="plain")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--login", help="user:password")
options = parser.parse_args()


class Handler:
    taken = 0
    deferred = {}

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("gone"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy"):
            self.deferred[address] = self.deferred.get(address, 0) + 1
            if self.deferred[address] <= 2:
                return "451 4.7.1 later, please"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Handler.taken += 1
        head = f"X-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\nX-Tls: {session.ssl is not None or options.mode == 'tls'}\r\n"
        path = options.folder / f"{Handler.taken:04}.eml"
        path.with_suffix(".part").write_bytes(head.encode() + envelope.content)
        path.with_suffix(".part").rename(path)
        if any(address.startswith("slow") for address in envelope.rcpt_tos):
            await asyncio.sleep(3600)
        return f"250 2.0.0 queued as {Handler.taken}"


def authenticate(server, session, envelope, mechanism, data):
    wanted = options.login.split(":", 1)
    given = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()]
    return AuthResult(success=given == wanted, handled=given == wanted)


async def main():
    context = None
    if options.mode != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
    starttls = context if options.mode == "starttls" else None
    handler = Handler()

    def session():
        return SMTP(
            handler,
            hostname="mail.test",
            tls_context=starttls,
            require_starttls=options.mode == "starttls",
            auth_required=options.login is not None,
            auth_require_tls=options.mode == "starttls",
            authenticator=authenticate if options.login else None,
            enable_SMTPUTF8=True,
        )

    wrapped = context if options.mode == "tls" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=wrapped)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
