"""Answers one request as a cloud's metadata service would, from the files of a folder: started by QEMU for each connection of the guest.

It stands in for the real service, which molecule has no cloud for; QEMU leads 169.254.169.254 of the guest here and nowhere else.
"""

import sys
from pathlib import Path

line = sys.stdin.buffer.readline().decode().split()
while sys.stdin.buffer.readline().strip():
    pass
file = Path(sys.argv[1]) / Path(line[1]).name if len(line) > 1 else Path("/nowhere")
known = line[1:2] in (["/openstack/latest/meta_data.json"], ["/openstack/latest/user_data"]) and file.is_file()
body = file.read_bytes() if known else b"not here"
status = "200 OK" if known else "404 Not Found"
sys.stdout.buffer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
sys.stdout.buffer.flush()
