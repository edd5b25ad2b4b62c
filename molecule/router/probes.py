"""Small programs the checks run on the machines of a lab. They need nothing there but Python."""

import json
from pathlib import Path

GUARD = (Path(__file__).parents[2] / "roles/router/files/dhcp_guard.py").read_text()

# argv: list of [host, port]. Prints for each: "open", or the name of the error ("EHOSTUNREACH" is a router's refusal).
# A kernel tells one machine of refusals six at once and then one a second (icmp_ratelimit); who is refused by many has to ask again.
CONNECT = """
import concurrent.futures, errno, json, socket, sys
def attempt(target):
    try:
        socket.create_connection(tuple(target), 45).close()
        return "open"
    except TimeoutError:
        return "timeout"
    except socket.gaierror as error:
        return "no name: " + str(error)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(attempt, targets))))
"""

# argv: list of addresses. Prints for each whether it answers a ping; a router's refusal is an answer at once.
PING = """
import concurrent.futures, json, subprocess, sys
def answers(address):
    return not subprocess.run(["ping", "-c", "1", "-W", "3", address], stdout=subprocess.DEVNULL).returncode
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(answers, json.loads(sys.argv[1])))))
"""

# argv: DNS server, list of names, list of addresses. Asks the server itself, so that no hosts file answers.
RESOLVE = """
import ipaddress, json, os, socket, struct, sys
server, names, addresses = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
def read_name(data, at):
    labels, end = [], None
    while data[at]:
        if data[at] >= 192:
            end = end or at + 2
            at = struct.unpack("!H", data[at:at + 2])[0] & 0x3fff
            continue
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), end or at + 1
def ask(name, kind):
    question = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + bytes(1) + struct.pack("!HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(5)
        link.sendto(os.urandom(2) + struct.pack("!5H", 0x100, 1, 0, 0, 0) + question, (server, 53))
        data = link.recv(4096)
    at, found = 12 + len(question), []
    for _ in range(struct.unpack("!H", data[6:8])[0]):
        at = read_name(data, at)[1]
        code, _, _, size = struct.unpack("!HHIH", data[at:at + 10])
        at += 10
        if code == kind:
            found.append(read_name(data, at)[0] if kind == 12 else str(ipaddress.ip_address(data[at:at + 4])))
        at += size
    return found
print(json.dumps({**{n: ask(n, 1) for n in names}, **{a: ask(ipaddress.ip_address(a).reverse_pointer, 12) for a in addresses}}))
"""

# argv: NTP server. Prints leap indicator and stratum (RFC 5905).
TIME = """
import json, socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    link.settimeout(5)
    link.sendto(bytes([0x23]) + bytes(47), (sys.argv[1], 123))
    data = link.recv(256)
print(json.dumps({"leap": data[0] >> 6, "stratum": data[1]}))
"""

# argv: forged source, destination, how many. Sends pings whose source is a lie.
SPOOF = """
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
source, destination = socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2])
ping = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
ping = ping[:2] + struct.pack("!H", checksum(ping)) + ping[4:]
header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(ping), 1, 0, 64, 1, 0, source, destination)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as link:
    for _ in range(int(sys.argv[3])):
        link.sendto(header + ping, (sys.argv[2], 0))
"""

# argv: interface, own address, seconds. A DHCP server that answers nobody but the guard, so it does no harm on a live
# site, and that ends by itself, even when the check that started it was killed.
ROGUE = """
import socket, struct, sys, time
interface, own, limit = sys.argv[1], socket.inet_aton(sys.argv[2]), time.monotonic() + float(sys.argv[3])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind((interface, 0x0800))
link.settimeout(0.5)
mac = link.getsockname()[4]
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
while time.monotonic() < limit:
    try:
        frame = link.recv(2048)
    except TimeoutError:
        continue
    if len(frame) < 282 or frame[23] != 17 or frame[36:38] != bytes([0, 67]) or b"dhcp-guard" not in frame:
        continue
    asked = frame[42:]
    reply = bytes([2, 1, 6, 0]) + asked[4:8] + bytes(2) + bytes([128, 0]) + bytes(4)
    reply += own[:3] + bytes([250]) + own + bytes(4) + asked[28:44] + bytes(192)
    reply += bytes([0x63, 0x82, 0x53, 0x63, 53, 1, 2, 54, 4]) + own + bytes([51, 4, 0, 0, 14, 16, 255])
    reply = reply.ljust(300, bytes(1))
    udp = struct.pack("!4H", 67, 68, 8 + len(reply), 0)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(reply), 0, 0, 64, 17, 0, own, bytes([255] * 4))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    link.send(bytes([255] * 6) + mac + bytes([8, 0]) + header + udp + reply)
"""


def run(host, program, *arguments):
    """Runs a program on a machine and returns what it printed, from JSON."""
    words = [argument if isinstance(argument, str) else json.dumps(argument) for argument in arguments]
    done = host.run("python3 -c %s" + " %s" * len(words), program, *words)
    if done.rc:
        raise AssertionError(f"{host.backend.get_pytest_id()}: {done.stderr}")
    return json.loads(done.stdout or "null")


def connect(host, *targets):
    """What comes of a TCP connection to each (host, port), all tried at once."""
    return run(host, CONNECT, [list(target) for target in targets])


def ping(host, *targets):
    """Whether each address answers a ping, all tried at once."""
    return run(host, PING, list(targets))
