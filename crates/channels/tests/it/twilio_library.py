"""Webhooks signed by Twilio's own library, and the library's verdict on changed ones.

Prints one JSON object a line for `twilio_library.rs`: twilio_library.py SEED CASES
"""

import json
import random
import sys
from urllib.parse import parse_qsl, quote, quote_plus

from twilio.request_validator import RequestValidator, add_port, remove_port, urlparse

NAMES = ["MessageSid", "AccountSid", "From", "To", "Body", "body", "NumMedia", "Tag", "A", "AB", "Ünï", "📦", "a b", ""]
VALUES = [
    "", "0", "whatsapp:+14155550123", "¿Dónde está mi pedido? 📦", "A&B=100%", "line\r\nline", "\0", "+ +", "%2B",
    "日本語", "'\"<>", "e\u0301", "x" * 3000,
]  # fmt: skip
QUERIES = ["", "?d=0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f", "?a=1&a=2&b", "?q=%C3%A9%20x+y", "?bodySHA256=0", "?a=b?c=d"]


class Parameters(dict):
    """Names with all of their values, as web frameworks hand them over."""

    def __init__(self, pairs):
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getall(self, name):
        return self[name]


def text(rng):
    if rng.random() < 0.7:
        return rng.choice(VALUES)
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x3040, 0x30FF), (0x1F300, 0x1F5FF), (0, 0x1F)]
    return "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(0, 20)))


def encoded(rng, pairs):
    quoted = rng.choice([quote_plus, lambda part: quote(part, safe=""), lambda part: quote(part, safe="/:@!'()*")])
    return "&".join(f"{quoted(name)}={quoted(value)}" for name, value in pairs)


def flipped(rng, data):
    data = bytearray(data)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def verdict(validator, call):
    try:
        pairs = parse_qsl(call["body"].decode("latin-1"), keep_blank_values=True, encoding="utf-8")
        signature = call["signature"].decode("latin-1")
        return validator.validate(call["base"] + call["path"], Parameters(pairs), signature)
    except (ValueError, UnicodeError):
        return False


def show(token, call, accepted, changed):
    line = {name: part.hex() if isinstance(part, bytes) else part for name, part in call.items()}
    print(json.dumps({"token": token, "accepted": accepted, "changed": changed, **line}))


def case(rng):
    token = rng.choice(["%032x" % rng.getrandbits(128), "short", "tökén"])
    base = rng.choice(["https", "http"]) + "://" + rng.choice(["support.example.com", "a-b.example"])
    base += rng.choice(["", "", ":443", ":80", ":8443"]) + rng.choice(["", "", "/prefix"])
    path = "/webhooks/whatsapp" + rng.choice(["", "/status", "/"]) + rng.choice(QUERIES)
    pairs = []
    for _ in range(rng.randint(0, 12)):
        name = rng.choice(NAMES) if rng.random() < 0.8 else text(rng)
        pairs.append(rng.choice(pairs) if pairs and rng.random() < 0.2 else (name, text(rng)))
    rng.shuffle(pairs)
    validator = RequestValidator(token)
    url = urlparse(base + path)
    signed = rng.choice([base + path, add_port(url), remove_port(url)])
    signature = validator.compute_signature(signed, Parameters(pairs)).encode()
    call = {"base": base, "path": path, "body": encoded(rng, pairs).encode(), "signature": signature}
    show(token, call, verdict(validator, call), None)

    changed = rng.choice(["body", "body", "signature", "path"] if call["body"] else ["signature", "path"])
    if changed == "path":
        at = rng.randrange(1, len(path))
        other = rng.choice("abcxyz019")
        call["path"] = path[:at] + (other if path[at] != other else "-") + path[at + 1 :]
    else:
        call[changed] = flipped(rng, call[changed])
    show(token, call, verdict(validator, call), changed)


def main():
    rng = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        case(rng)


main()
