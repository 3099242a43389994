# An older instance in the hand-over (spoa/operator/handover/handover.h) that resumes after GO, because DECIDES came
# too late:
#   upgrade-older.py AGENT_SOCKET ADMIN_SOCKET
# It passes its listening sockets, and shuts down its end before it sends GO. From TAKE on, a command waits at the
# admin socket: the new instance must not accept it. Prints whether the new instance accepted it: "accepted" or "not
# accepted".
import array, os, socket, struct, sys, time

HEAD = struct.Struct("=6I")
MAGIC, JOIN, SOCKET, SOCKETS, TAKE, CONNECTION, GO, DECIDES, REFUSED = 0x74676831, 2, 3, 4, 5, 6, 7, 8, 9
agent, admin = sys.argv[1:3]


def listen(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(path):
        os.unlink(path)
    s.bind(path)
    s.listen(16)
    return s


def send(to, kind, data=b"", fd=None):
    control = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    to.sendmsg([HEAD.pack(MAGIC, kind, len(data), 0, 0, 0) + data], control)


def receive(s):
    _, kind, n, _, _, _ = HEAD.unpack(s.recv(HEAD.size, socket.MSG_WAITALL))
    s.recv(n, socket.MSG_WAITALL) if n else b""
    return kind


hand, admin_fd = listen(agent + ".hand"), listen(admin)
shared = {"unix@" + agent: listen(agent), "unix@" + admin: admin_fd, agent + ".hand": hand}
print("listens", flush=True)
looks, _ = hand.accept()  # the new instance sees that another one decides, and leaves the processor to it
assert looks.recv(1) == b""
new, _ = hand.accept()
new.settimeout(30)
assert receive(new) == JOIN
for address, s in shared.items():
    send(new, SOCKET, address.encode(), s.fileno())
send(new, SOCKETS)
assert receive(new) == TAKE
command = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
command.connect(admin)
command.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
time.sleep(0.5)
new.shutdown(socket.SHUT_RD)
send(new, GO)
send(new, REFUSED, b"DECIDES came too late")
new.close()
admin_fd.settimeout(5)
try:
    admin_fd.accept()
    print("not accepted")
except TimeoutError:
    print("accepted")
