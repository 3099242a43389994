# tollgate top: the last decisions, as lines, as JSON, and on a terminal. Then a hostile daemon, and users without
# permission.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

echo 'workers: 2' >"$D/two.yaml"
stack_up --config "$D/two.yaml"
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>"$D/err"; }
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }

tg top
is "before the first decision there is no line" "$? $(wc -c <"$D/out")" "0 0"
ask mymodel 'hello'
ask mymodel 'write to jane.doe@example.com'
id=$(header x-tollgate-id)
ask 'bad\u001b[31m\u009b2Jmod\u202eel of two words' 'hi'
req POST /v1/chat/completions -H "$json" -d '{"model":"m","messages":[]}'
tg top
is "each decision has a line" "$? $(wc -l <"$D/out")" "0 4"
like "a line has the request's values and its id" "$(cat "$D/out")" "^20[0-9T:.-]+Z [01] redact alice [a-z]+ [a-z-]+ mymodel [a-z-]+ [0-9]+\.[0-9]{3} $id\$"
like "a denial has its status, and its rule or code" "$(cat "$D/out")" ' deny 401 service-account chat [a-z]+ m no-anonymous '
unlike "no line contains a text of a prompt" "$(cat "$D/out")" 'jane|example|hello'
is "the oldest decision is first" "$(cut -d' ' -f1 "$D/out" | sort -c && echo sorted)" sorted
like "control characters become question marks" "$(cat "$D/out")" ' bad\?\[31m\?2Jmod\?el_of_two_words [a-z-]+ [0-9]+\.[0-9]{3} [0-9A-Z]+$'
is "there is no escape character" "$(LC_ALL=C grep -c "$(printf '[\033\233]')" "$D/out")" 0
odd=$(sed -n 's/.*_of_two_words .* //p' "$D/out")
tg audit list
like "audit list prints such a name as one word" "$(cat "$D/out")" "^20[^ ]+Z permit +alice [a-z]+ bad\\?\[31m\\?2Jmod\\?el_of_two_words [a-z-]+ - $odd\$"
tg audit show "$odd"
is "audit show escapes it" "$(python3 -c 'import json,sys; print(ascii(json.load(open(sys.argv[1]))[0]["model"]))' "$D/out")" "'bad\\x1b[31m\\x9b2Jmod\\u202eel of two words'"
is "audit show prints no escape character" "$(LC_ALL=C grep -c "$(printf '[\033\233]')" "$D/out")" 0
tg audit explain "$odd"
is "audit explain prints no escape character" "$? $(LC_ALL=C grep -c "$(printf '[\033\233]')" "$D/out")" "0 0"
tg audit explain --json "$odd"
is "audit explain --json prints no escape character" "$? $(LC_ALL=C grep -c "$(printf '[\033\233]')" "$D/out")" "0 0"
tg top --json
check "top --json lists the decisions" python3 - "$D/out" "$id" <<'PY'
import json, sys
text = open(sys.argv[1]).read()
assert text.isascii() and "\033" not in text
o = json.loads(text)
assert len(o["workers"]) == 2 and o["node"] and "@" in o["policy"], o
all = [d for w in o["workers"] for d in w["recent"]]
assert sum(w["decisions"] for w in o["workers"]) == len(all) == 4, o
d = next(d for d in all if d["id"] == sys.argv[2])
assert set(d) == {"decided_at", "decision", "via", "person", "route", "target", "model", "rule", "took_us", "id", "answer"}, d
assert d["answer"] == "200", d
deny = next(d for d in all if d["decision"] == "deny")
assert deny["status"] == 401 and ("code" in deny or "rule" in deny) and "via" not in deny, deny
PY
for i in $(seq 70); do ask "m$i" hi; done
tg top --json
check "a worker keeps its last 64 decisions" python3 - "$D/out" <<'PY'
import json, sys
o = json.load(open(sys.argv[1]))
n = [len(w["recent"]) for w in o["workers"]]
assert all(k <= 64 for k in n) and all(k == min(64, w["decisions"]) for k, w in zip(n, o["workers"])), n
models = [d.get("model") for w in o["workers"] for d in w["recent"]]
assert "m70" in models and sum(w["decisions"] for w in o["workers"]) == 74
PY

is "over TCP, requests need a token" "$(curl -s -o /dev/null -w '%{http_code}' "$ADMIN/recent") $(curl -s -o /dev/null -w '%{http_code}' -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/recent")" "401 200"

# on a terminal
cat >"$D/screen.py" <<'PY'
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time
mode, tollgate, config, edge, auth = sys.argv[1:6]
master, slave = pty.openpty()
def size(rows, cols): fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
size(10, 100)
before = termios.tcgetattr(slave)
p = subprocess.Popen([tollgate, "top", "-c", config], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
got = b""
def read(seconds, until=None):
    global got
    end = time.time() + seconds
    while time.time() < end:
        if select.select([master], [], [], 0.05)[0]: got += os.read(master, 65536)
        if until and re.search(until, got): return True
    return not until
def frame(): return got.split(b"\x1b[H")[-1]
def rows(): return [re.sub(rb"\x1b\[[0-9]*[KJm]", b"", l) for l in frame().split(b"\r\n")]
END = rb"(?s)\x1b\[H.*\n.*\x1b\[0m.*\x1b\[0m"
def want(ok, what):
    if not ok: print(what, repr(frame())); p.kill(); sys.exit(1)
want(read(30, END), "no screen is drawn")
want(len(rows()) == 10 and all(len(l) <= 100 for l in rows()), "the output does not have the size of the screen")
want(b"tollgate" in rows()[0] and b"MODEL" in rows()[1], "the header is missing")
want(not re.search(rb"\x1b(?!\[(\?1049[hl]|\?25[hl]|H|2K|J|7m|0m))", got), "the output has an unexpected escape sequence")
if mode == "refresh":
    subprocess.run(["curl", "-s", "-o", "/dev/null", "-H", auth, "-H", "content-type: application/json", "-d", '{"model":"fresh-one","messages":[]}', edge + "/v1/chat/completions"])
    want(read(30, rb"fresh-one"), "a new decision does not appear")
    want(b"fresh-one" in rows()[2], "the new decision is not in the first line")
    got = b""; size(5, 60); os.killpg(p.pid, signal.SIGWINCH)
    want(read(30, END), "the screen is not drawn again after a change of its size")
    want(len(rows()) == 5 and all(len(l) <= 60 for l in rows()), "the output does not have the new size of the screen")
    os.write(master, b"q")
elif mode == "gone":
    os.kill(int(sys.argv[6]), signal.SIGTERM)
    want(read(30, rb"is tollgate running"), "the end of the daemon is not reported")
    want(b"fresh-one" in got, "the earlier decisions disappear")
    os.write(master, b"q")
elif mode == "SIGTSTP":
    os.kill(p.pid, signal.SIGTSTP)
    want(read(30, rb"\x1b\[\?1049l"), "the alternate screen is not left when the program is stopped")
    end = time.time() + 30 # until the program has stopped
    while open(f"/proc/{p.pid}/stat").read().rpartition(") ")[2][0] != "T" and time.time() < end: time.sleep(0.01)
    want(termios.tcgetattr(slave) == before, "the terminal settings are not restored when the program is stopped")
    got = b""
    os.kill(p.pid, signal.SIGCONT)
    want(read(30, END) and b"\x1b[?1049h" in got, "the screen is not drawn again when the program continues")
    os.write(master, b"q")
else:
    os.kill(p.pid, getattr(signal, mode))
read(1)
try: code = p.wait(30)
except subprocess.TimeoutExpired: want(False, "the program does not exit")
read(0.2)
want(code == 0, f"the exit status is {code}")
want(got.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), "the screen is not restored at exit")
want(termios.tcgetattr(slave) == before, "the terminal settings are not restored at exit")
PY
for mode in refresh SIGINT SIGTERM SIGTSTP; do
	check "on a terminal: $mode" python3 "$D/screen.py" $mode "$B/tollgate" "$D/tollgate.yaml" "$EDGE" "$auth"
done

# a hostile server in place of the daemon
cat >"$D/liar.py" <<'PY'
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
evil = "\\u001b]0;owned\\u0007\\u009b31m"
page = {b"/recent": '{"node":"%s","policy":"%s","workers":[{"decisions":1,"recent":[{"decided_at":"%s","decision":"%s","id":"%s","person":"%s"}]}]}' % ((evil,) * 6),
	b"/status": '{"version":"%s","node":"%s","started":"%s","workers":1,"routes":1,"rules":1,"policy":"%s"}' % ((evil,) * 4),
	b"/readyz": "policy: \x1b]0;owned\x07\nready\n", b"/reload": '{"errors":["%s"]}' % evil}
while True:
    c, _ = s.accept()
    head = c.recv(65536)
    body = page[head.split(b" ")[1]].encode()
    c.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    c.close()
PY
python3 "$D/liar.py" "$D/liar.sock" &
liar=$!
sed "s#unix@[^ \"]*admin[^ \"]*.sock#unix@$D/liar.sock#" "$D/tollgate.yaml" >"$D/liar.yaml"
wait_for test -S "$D/liar.sock"
for command in top status reload 'top --json' 'status --json'; do
	# shellcheck disable=SC2086
	"$B/tollgate" $command -c "$D/liar.yaml" >"$D/out" 2>&1
	check "$command prints something" test -s "$D/out"
	is "a hostile response writes no escape character: $command" "$(LC_ALL=C grep -c "$(printf '[\033\007\233]')" "$D/out")" 0
done
kill $liar

# permissions
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	admin=$(sed -n 's/.*unix@\([^ "]*admin[^ "]*\.sock\).*/\1/p' "$D/tollgate.yaml" | head -1)
	mkdir "$D/closed" && chmod 700 "$D/closed"
	sed "s#$admin#$D/closed/admin.sock#" "$D/tollgate.yaml" >"/tmp/tgtop.$$.yaml"
	chmod 755 "$D"
	cp "$B/tollgate" "/tmp/tgtop.$$"
	for command in status top reload; do
		setpriv --reuid=65534 --regid=65534 --clear-groups "/tmp/tgtop.$$" $command -c "/tmp/tgtop.$$.yaml" >"$D/out" 2>"$D/err"
		is "a user without permission gets exit 2: $command" "$?" 2
		like "the error names who has permission" "$(cat "$D/err")" "tollgate: $command: .*Permission denied: only root and the daemon's user may use this socket.*$D/closed is for root"
		unlike "the error does not claim that the daemon is not running" "$(cat "$D/err")" 'is tollgate running'
	done
	rm -f "/tmp/tgtop.$$" "/tmp/tgtop.$$.yaml"
else
	skip "a user without permission" "not root, or no setpriv"
fi
check "top reports a daemon that has ended, and continues" python3 "$D/screen.py" gone "$B/tollgate" "$D/tollgate.yaml" "$EDGE" "$auth" "$(awk '$3 == "tollgate" { print $1 }' "$D/.pids")"
"$root/tests/support/stack" down --dir "$D"
tg top
is "without a daemon, the exit status of top is 2" "$?" 2
like "the error asks whether tollgate is running" "$(cat "$D/err")" 'is tollgate running'
exit $failed
