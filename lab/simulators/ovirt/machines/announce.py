"""Sends what tells switches where a card is now: `announce.py INTERFACE MAC`, in the network namespace of the interface."""

from __future__ import annotations

import socket
import struct
import sys

REVERSE_ARP = 0x8035
REQUEST = 3


def frame(mac: str) -> bytes:
    """A reverse ARP request from the card to everybody, which nobody answers."""
    card = bytes.fromhex(mac.replace(":", ""))
    header = b"\xff" * 6 + card + struct.pack("!H", REVERSE_ARP)
    question = struct.pack("!HHBBH", 1, 0x0800, 6, 4, REQUEST) + card + bytes(4) + card + bytes(4)
    return (header + question).ljust(60, b"\0")


def main(interface: str, mac: str) -> None:
    """Three times, as a single frame may be lost."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        for _ in range(3):
            wire.send(frame(mac))


if __name__ == "__main__":
    main(*sys.argv[1:])
