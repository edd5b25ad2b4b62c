#!/usr/bin/env python3
"""Ask each leg "is there a DHCP server?" and refuse (exit 1) when somebody else answers.

Only a DISCOVER is sent, never a REQUEST, so no lease is taken. Frames are sent and read below the
firewall and the IP stack: the leg needs no change, and a DHCP server on this very machine never
hears them. Also used with --json to see who offers what.
"""

import argparse
import concurrent.futures
import fcntl
import ipaddress
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

STAMP = Path("/run/dhcp-guard.passed")
VENDOR_CLASS = b"dhcp-guard"
COOKIE = b"\x63\x82\x53\x63"
END = b"\xff"
# dnsmasq pings an address for up to 3 seconds before it offers it.
LISTEN_SECONDS = 4.5
SEND_EVERY_SECONDS = 1.5
CARRIER_SECONDS = 10


class LegError(Exception):
    """The question cannot be put on this leg."""


def checksum(data):
    """Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def discover(source_mac, client_mac, xid):
    """Ethernet frame with a DISCOVER of `client_mac`; the broadcast flag makes servers answer to all."""
    options = b"\x35\x01\x01" + bytes([60, len(VENDOR_CLASS)]) + VENDOR_CLASS + bytes([55, 6, 1, 3, 6, 15, 26, 42]) + END
    bootp = struct.pack("!4BIHH16s16s64s128s", 1, 1, 6, 0, xid, 0, 0x8000, b"", client_mac, b"", b"")
    payload = (bootp + COOKIE + options).ljust(300, b"\0")
    udp = struct.pack("!4H", 68, 67, 8 + len(payload), 0)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return b"\xff" * 6 + source_mac + b"\x08\x00" + header + udp + payload


def options_of(data):
    """DHCP options as {code: bytes}."""
    found, at = {}, 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data):
            break
        code, size = data[at], data[at + 1]
        found[code] = data[at + 2 : at + 2 + size]
        at += 2 + size
    return found


def address(data):
    """First IPv4 address in `data` as text, or None."""
    return str(ipaddress.IPv4Address(data[:4])) if data and len(data) >= 4 else None


def offer(frame, xid):
    """The OFFER in an Ethernet frame that answers `xid`, else None."""
    start = 14 + (frame[14] & 15) * 4 if len(frame) > 34 else len(frame)
    bootp = frame[start + 8 :]
    if len(bootp) < 244 or frame[23] != 17 or bootp[0] != 2 or struct.unpack("!I", bootp[4:8])[0] != xid:
        return None
    options = options_of(bootp[240:])
    if bootp[236:240] != COOKIE or options.get(53) != b"\x02":
        return None
    return {
        "server": address(options.get(54)) or address(frame[26:30]),
        "mac": frame[6:12].hex(":"),
        "address": address(bootp[16:20]),
        "router": address(options.get(3)),
        "dns": address(options.get(6)),
        "ntp": address(options.get(42)),
        "domain": options.get(15, b"").rstrip(b"\0").decode(errors="replace"),
        "mtu": struct.unpack("!H", options[26])[0] if len(options.get(26, b"")) == 2 else None,
    }


def wait_for_carrier(interface):
    """True as soon as the interface is up with a carrier, False when it stays without one."""
    limit = time.monotonic() + CARRIER_SECONDS
    folder = Path("/sys/class/net") / interface
    while True:
        try:
            if (folder / "carrier").read_text().strip() == "1":
                return True
        except OSError:  # absent, or administratively down
            pass
        if time.monotonic() > limit:
            break
        time.sleep(0.2)
    if not folder.exists():
        raise LegError(f"no interface {interface} on this machine; fix: name the interface of this subnet in the site file, or plug it in")
    return False


def ask(interface, seconds):
    """All offers on one leg, one for each server."""
    if not wait_for_carrier(interface):
        return []  # nobody can answer on a cable that is not there
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as link:
        link.bind((interface, 0x0800))
        source_mac = fcntl.ioctl(link, 0x8927, struct.pack("256s", interface.encode()))[18:24]  # SIOCGIFHWADDR
        # A made-up client: no reservation matches it, and no real lease is touched.
        client_mac = b"\x02" + os.urandom(5)
        xid = int.from_bytes(os.urandom(4), "big")
        found, start, sent = {}, time.monotonic(), 0
        while (now := time.monotonic() - start) < seconds:
            if now >= sent * SEND_EVERY_SECONDS:
                link.send(discover(source_mac, client_mac, xid))
                sent += 1
            link.settimeout(max(0.05, min(seconds, sent * SEND_EVERY_SECONDS) - now))
            try:
                answer = offer(link.recv(2048), xid)
            except TimeoutError:
                continue
            if answer:
                found.setdefault(answer["server"], answer)
        return list(found.values())


def refusals(legs, seconds):
    """What stands against serving DHCP, one line for each leg and server; all legs at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(legs)) as pool:
        asked = {leg: pool.submit(ask, leg, seconds) for leg in legs}
    lines = []
    for leg, future in asked.items():
        try:
            lines += [
                f"leg {leg}: another DHCP server answers, {o['server']} (MAC {o['mac']}), and offers {o['address']}; "
                "two of them would hand out clashing addresses; fix: switch that server off, "
                "or take dhcp from this subnet in the site file, or move the cable to a separate network"
                for o in future.result()
            ]
        except (LegError, OSError) as problem:
            lines.append(f"leg {leg}: {problem}")
    return lines


def passed_within(seconds):
    """Whether this guard was content so recently that asking again says nothing new."""
    try:
        return time.time() - STAMP.stat().st_mtime < seconds
    except FileNotFoundError:
        return False


def main(argv=None):
    """0: nobody else answers. 1: refused, with the reasons on stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=LISTEN_SECONDS, help="how long to listen")
    parser.add_argument("--trust", type=float, default=0, metavar="SECONDS", help="take over a good result not older than this")
    parser.add_argument("--json", action="store_true", help="print the offers of each leg and judge nothing")
    parser.add_argument("leg", nargs="*")
    options = parser.parse_args(argv)
    if options.json:
        print(json.dumps({leg: ask(leg, options.seconds) for leg in options.leg}))
        return 0
    if not options.leg or (options.trust and passed_within(options.trust)):
        return 0
    lines = refusals(options.leg, options.seconds)
    if lines:
        STAMP.unlink(missing_ok=True)
        print("DHCP is not served:", *lines, sep="\n", file=sys.stderr)
        return 1
    STAMP.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
