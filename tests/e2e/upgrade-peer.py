# A new instance in the hand-over (spoa/operator/handover/handover.h) that ends at a step, as if it was killed there:
#   upgrade-peer.py SOCKET STEP [NODE]
# STEP: join, sockets, take, connection, go, decides; refuse: REFUSED after GO; hang: no DECIDES after GO for 5 s, then DECIDES; format: another format
import array, socket, struct, sys, time

HEAD = struct.Struct("=6I")
MAGIC, JOIN, SOCKET, SOCKETS, TAKE, CONNECTION, GO, DECIDES, REFUSED = 0x74676831, 2, 3, 4, 5, 6, 7, 8, 9
path, step = sys.argv[1:3]
node = (sys.argv[3] if len(sys.argv) > 3 else "a_b").encode()
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.settimeout(20)
s.connect(path)
held = []


def send(kind, data=b"", value=0):
    s.sendall(HEAD.pack(MAGIC if step != "format" else 7, kind, len(data), value, 0, 0) + data)


def receive():
    head, control, _, _ = s.recvmsg(HEAD.size, socket.CMSG_SPACE(4))
    for _, _, data in control:
        fds = array.array("i")
        fds.frombytes(data[:4])
        held.extend(fds)
    while head and len(head) < HEAD.size:
        head += s.recv(HEAD.size - len(head))
    if not head:
        return None, b""
    _, kind, n, _, _, _ = HEAD.unpack(head)
    data = b""
    while len(data) < n:
        data += s.recv(n - len(data))
    return kind, data


def until(*kinds):
    while True:
        kind, data = receive()
        if kind in (None, REFUSED):
            print("refused:", data.decode() or "closed")
            sys.exit(1)
        if kind in kinds:
            return kind


send(JOIN, node, 1)
if step != "join":
    until(SOCKETS)
    if step != "sockets":
        send(TAKE, struct.pack("=Q", time.monotonic_ns() // 1000))
        if step == "connection":
            until(CONNECTION)
        elif step != "take":
            until(GO)
            if step == "hang":
                time.sleep(5)
                try:
                    send(DECIDES)
                    print("sent")
                except OSError as e:
                    print("not sent:", e.strerror)
            elif step == "decides":
                send(DECIDES)
            elif step == "refuse":
                send(REFUSED, b"no room for it")
print("ended at", step)
