"""A mail server that delivers nothing: it keeps what it is sent where it can be read.

    mailcatcher.py HOST PORT FOLDER [CERTIFICATE KEY USER PASSWORD]

With a certificate (PEM files) it takes mails after STARTTLS and a login only.

For the n-th mail that it accepts there are, in FOLDER, before the sender is told so:
    000n.eml   the mail, byte for byte as it came
    000n.txt   the same for people: envelope, headers and text, decoded
    000n.json  the same for programs
"""

import asyncio
import email
import email.policy
import json
import os
import signal
import ssl
import sys
from datetime import datetime, timezone

from aiosmtpd.smtp import SMTP, AuthResult

SHOWN = ("From", "To", "Reply-To", "Date", "Subject", "Message-ID")


def text_of(mail, kind):
    part = mail.get_body(preferencelist=(kind,))
    return part.get_content() if part else None


class Catcher:
    def __init__(self, folder):
        self.folder = folder
        taken = [name[:-4] for name in os.listdir(folder) if name.endswith(".eml")]
        self.count = max((int(name) for name in taken if name.isdigit()), default=0)

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        content = envelope.original_content
        mail = email.message_from_bytes(content, policy=email.policy.default)
        headers = {name: str(mail[name]) for name in SHOWN if mail[name] is not None}
        text, html = text_of(mail, "plain"), text_of(mail, "html")
        record = {
            "number": self.count,
            "received": datetime.now(timezone.utc).isoformat(),
            "sender": envelope.mail_from,
            "receivers": envelope.rcpt_tos,
            "headers": headers,
            "text": text,
            "html": html,
        }
        lines = [f"{name}: {value}" for name, value in headers.items()]
        readable = "\n".join(
            [f"(from <{envelope.mail_from}> for <{'>, <'.join(envelope.rcpt_tos)}>)"]
            + lines
            + ["", text if text is not None else html or ""]
        )
        self.keep("txt", readable.encode())
        self.keep("json", json.dumps(record, ensure_ascii=False).encode())
        # Last, because it is what is counted.
        self.keep("eml", content)
        return "250 OK kept as %04d" % self.count

    def keep(self, ending, content):
        name = os.path.join(self.folder, f"{self.count:04d}.{ending}")
        with open(name + "~", "wb") as file:
            file.write(content)
        os.replace(name + "~", name)


def secured(certificate, key, user, password):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def knows(server, session, envelope, mechanism, given):
        return AuthResult(
            success=(given.login, given.password) == (user.encode(), password.encode())
        )

    return {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": knows,
        "auth_required": True,
    }


async def main(host, port, folder, *security):
    catcher = Catcher(folder)
    options = secured(*security) if security else {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            catcher, hostname="localhost", enable_SMTPUTF8=True, loop=loop, **options
        ),
        host,
        int(port),
    )
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    print(f"listening on {host}:{port}, mails go to {folder}", flush=True)
    await asked.wait()
    server.close()


asyncio.run(main(*sys.argv[1:]))
