# tollgate-extract, the program itself with Debian's own pdftotext, pdftoppm and tesseract: what it reads and what it
# says it did not; files made to hurt; and a tool that was taken over, in the cage.
# Once: nothing of HAProxy's is tried.
. "$(dirname "$0")/lib.sh"

bin=$build/tollgate-extract sock=$D/extract.sock pid=''
chmod 711 "$D" # it becomes nobody where it was started as root
curl=/usr/bin/curl
[ -x $curl ] || curl=$(PATH=/usr/local/bin:/usr/bin:/bin command -v curl)
start() {
	"$bin" --listen "unix@$sock" "$@" >>"$D/extract.log" 2>&1 &
	pid=$!
	note_pid $pid tollgate-extract
	wait_for answers
}
answers() { asks health >/dev/null; }
stop_it() {
	kill -TERM $pid
	wait $pid
	code=$?
}
asks() { $curl -s -m 30 --unix-socket "$sock" "http://extract/$@"; }
# A file whose time was over because the machine stood still is given again, twice: where time itself is not what is tried.
late='^\{"error":"(timeout|busy)"'
asks_in_time() { # path, file
	local answer
	for _ in 1 2 3; do
		answer=$(asks "$1" --data-binary "@$2")
		grep -qE "$late" <<<"$answer" || break
	done
	printf '%s' "$answer"
}
pdf() { asks_in_time "pdf${2:-}" "$D/$1"; } # file, query
# a page that no time is left for has no text
pdf_read() { late="$late|no_text" pdf "$@"; }
image() { asks_in_time 'image?ocr=1' "$1"; }
texts() { jq -r '.texts[] | select(.page == '"$1"') | .text' <<<"$2" | sed '/^$/d' | paste -sd'|'; }
unread() { jq -r '[.unread[] | "\(.page) \(.why)"] | join(", ")' <<<"$1"; }
error_of() { jq -r '.error // "none"' <<<"$1"; }
# its own memory at most, MB
peak() { awk '$1 == "VmHWM:" { print int($2 / 1024) }' /proc/$pid/status; }

if nm "$bin" | grep -q __[at]san_init; then
	skip "tollgate-extract in its cage" "a sanitized build wants more memory than a cage has"
	exit $failed
fi
if ! "$bin" --check >"$D/check" 2>"$D/check.err"; then
	if ! grep -q '^not ok - \(pdf\|tess\).* runs' "$D/check"; then
		skip "tollgate-extract in its cage" "$(tail -1 "$D/check.err")"
		exit $failed
	fi
fi
node "$here/extract.mjs" "$D" || not_ok "files are made"

# ---- what it refuses to start with ----
"$bin" --listen tcp@127.0.0.1:1 >"$D/out" 2>&1
is "an address that is no unix socket is refused" "$? $(head -1 "$D/out")" "2 tollgate-extract: --listen tcp@127.0.0.1:1: unix@/PATH is accepted"
"$bin" --listen "unix@$sock" --mode 0666 >"$D/out" 2>&1
is "and a mode that lets others in" "$? $(head -1 "$D/out")" "2 tollgate-extract: --mode 0666: 0600 or 0660 is accepted, never wider"
"$bin" --listen "unix@$sock" --languages ../eng >"$D/out" 2>&1
is "and a language that is a path" "$? $(head -1 "$D/out")" "2 tollgate-extract: --languages ../eng: as eng+deu is accepted"
"$bin" >"$D/out" 2>&1
is "and no socket at all" "$? $(head -1 "$D/out")" "2 tollgate-extract: --listen is missing, and systemd passed no unix socket"
unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0" --check' "$bin" >"$D/out" 2>&1
like "without namespaces it ends, and says what to do" "$? $(tail -1 "$D/out")" '^1 tollgate-extract: no namespaces: .*max_user_namespaces.*RestrictNamespaces'

# ---- a tool that may not be opened ----
mkdir "$D/shut"
chmod 700 "$D/shut"
[ "$(id -u)" = 0 ] || chmod 000 "$D/shut"
"$bin" --check --tools "$D/shut" >"$D/out" 2>&1
like "a folder that it may not open is named" "$(cat "$D/out")" "#?.*$D/shut(/pdftotext)?: Permission denied"
chmod 755 "$D/shut"
"$bin" --check --tools "$D/shut" >"$D/out" 2>&1
like "and a tool that is not there" "$(cat "$D/out")" "#   $D/shut/pdftotext: No such file or directory"

# ---- a tool that was taken over ----
mkdir "$D/tools"
for t in pdftotext pdftohtml pdftoppm tesseract; do cp "$build/extract_tool" "$D/tools/$t"; done
chmod -R a+rX "$D/tools"
start --tools "$D/tools" --jobs 2
order() { printf '%%PDF-1.4\ndo:%s\n%%%%EOF\n' "$1"; }
does() { order "$1" >"$D/order" && asks_in_time pdf "$D/order"; }
lasts() { order "$1" | asks pdf --data-binary @-; } # what has to last until its time is over
for act in socket unix fork exec again ptrace code document crash; do
	is "who tries $act is killed" "$(does $act)" '{"error":"killed"}'
done
files=$(texts 1 "$(does files)")
for f in /etc/passwd /proc/1/environ /home /root /run /tmp /var /dev/null /sys; do
	like "$f is not there" "$files" "$f: No such file"
done
unlike "no descriptor but its own three" "$files" 'descriptor'
like "it is nobody, in processes of its own" "$files" 'user 65534, process [0-9] of 1, no environment'
is "it writes nothing" "$(texts 1 "$(does write)" | sed 's/: [^|]*/:/g')" "/x:|/usr/x:|/usr/bin/true:|unlink:|truncate:"
unlike "not one of them" "$(texts 1 "$(does write)")" 'done'
is "memory has an end" "$(does memory)" '{"error":"memory"}'
is "and what it prints" "$(does huge)" '{"error":"too_large"}'
like "what it complains is dropped" "$(texts 1 "$(does noise)")" 'noise: done'
is "what is no UTF-8 is replaced" "$(texts 1 "$(does bytes)" | tr -d '\001')" "bad $(printf '\xef\xbf\xbd\xef\xbf\xbd') bytes "
began=$EPOCHREALTIME
is "one that hangs is ended" "$(lasts sleep)" '{"error":"timeout"}'
is "within its time" "$(awk "BEGIN { t = $EPOCHREALTIME - $began; print (t < 14) }")" 1
is "one that spins is ended" "$(lasts spin)" '{"error":"timeout"}'
is "none of its processes is left" "$(pgrep -P $pid | wc -l)" 0
like "it serves on" "$(asks health)" '"killed":9,.*"running":0'
# who goes away takes his file with him
order sleep | $curl -s -m 1 -o /dev/null --unix-socket "$sock" http://extract/pdf --data-binary @-
check "who no longer waits is not worked for" wait_for says '"running":0' asks health
is "and none of his processes is left" "$(pgrep -P $pid | wc -l)" 0
# a place is not to be had
for i in 1 2; do lasts sleep >"$D/place.$i" & done
wait_for says '"running":2' asks health
lasts files >"$D/place.3"
is "who waits too long is told so" "$(cat "$D/place.3")" '{"error":"busy"}'
wait_for says '"running":0' asks health
# SIGTERM with one that hangs
lasts sleep >"$D/late" &
wait_for says '"running":1' asks health
stop_it
is "SIGTERM ends it in two seconds, whatever runs" "$code" 0
wait

# ---- who asks wrongly; the socket is systemd's ----
cat >"$D/activate.py" <<'PY'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])
s.bind(sys.argv[1])
s.listen(64)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
PY
python3 "$D/activate.py" "$sock" "$bin" --jobs 2 >>"$D/extract.log" 2>&1 &
pid=$!
note_pid $pid tollgate-extract
wait_for answers
status_of() { $curl -s -m 30 -o /dev/null -w '%{http_code}' --unix-socket "$sock" "http://extract/$@"; }
is "a path that is none" "$(status_of x)" 404
is "a method that is none" "$(status_of pdf)" 405
is "a picture without OCR" "$(status_of image --data-binary x)" 400
is "a query that is none" "$(status_of 'pdf?ocr=2' --data-binary x)" 400
is "a body in chunks" "$(status_of pdf -H 'transfer-encoding: chunked' --data-binary x)" 411
head -c 67108865 /dev/zero >"$D/large"
is "a body over 64 MB" "$(status_of pdf --data-binary "@$D/large")" 413
rm "$D/large"
is "what is no PDF" "$(asks pdf --data-binary 'plain')" '{"error":"unsupported"}'
is "nothing" "$(asks pdf --data-binary '')" '{"error":"unsupported"}'
is "one connection takes several" "$($curl -s --unix-socket "$sock" http://extract/health http://extract/health -w '%{num_connects}' | grep -o '}[01]' | tr -d '\n')" "}1}0"

# ---- PDFs ----
tools=$(asks health)
if ! grep -q '"pdftotext":true,"pdftohtml":true,"pdftoppm":true' <<<"$tools"; then
	skip "PDFs" "poppler-utils is not installed"
else
	r=$(pdf known.pdf)
	is "texts at their pages" "$(texts 1 "$r")/$(texts 2 "$r")/$(texts 3 "$r")/$(jq -c '[.pages, .read, .unread]' <<<"$r")" 'first words/second words/third words/[3,"text",[]]'
	r=$(pdf hidden.pdf)
	for w in plain white invisible tiny 'off the page' 'far off'; do like "words: $w" "$(texts 1 "$r")" "$w"; done
	like "of a turned page, too" "$(texts 1 "$(pdf rotated.pdf)")" '^turned words.words off the turned page'
	r=$(pdf link.pdf)
	is "an address of a link is text" "$(texts 0 "$r") $(unread "$r")" 'https://example.com/?q=secret '
	is "what the document says of itself, too" "$(texts 0 "$(pdf said.pdf)")" 'The änderung|été|A <title>|of XMP'
	is "a note is not read" "$(unread "$(pdf note.pdf)")" '0 annotations'
	like "a form is not" "$(unread "$(pdf form.pdf)")" '^0 forms'
	is "an attachment is not" "$(unread "$(pdf attachment.pdf)")" '0 attachments'
	is "a layer that is off is not" "$(unread "$(pdf layer.pdf)")" '0 layers'
	like "an annotation in an object stream is found" "$(unread "$(pdf packed.pdf)")" '^0 annotations'
	is "a page that is a picture has no text, a blank one needs none" "$(unread "$(pdf scanned.pdf)")" '2 no_text'
	is "whichever page it is" "$(unread "$(pdf scanned_first.pdf)")" '1 no_text'
	is "nor has one of lines" "$(unread "$(pdf drawn.pdf)")" '1 no_text'
	like "a form feed in a text makes no page blank" "$(unread "$(pdf fed.pdf)")" 'no_text'
	is "an encrypted one" "$(error_of "$(pdf encrypted.pdf)")" encrypted
	is "one cut short" "$(error_of "$(pdf cut.pdf)")" damaged
	is "a thousand pages" "$(jq -c '[.pages, (.texts | length)]' <<<"$(pdf long.pdf)")" '[1000,1000]'
	is "one more" "$(error_of "$(pdf too_long.pdf)")" too_many_pages
	is "a hundred thousand" "$(error_of "$(pdf endless.pdf)")" too_many_pages
	is "a page that inflates to 400 MB" "$(error_of "$(asks pdf --data-binary "@$D/bomb.pdf")")" timeout
	is "objects that do" "$(error_of "$(pdf packed_bomb.pdf)")" too_large
	printf 'GIF89a' | cat - "$D/known.pdf" >"$D/two.pdf"
	like "a PDF after another head is read as one" "$(pdf two.pdf)" 'first words'

	# fifty at once, 10 MB each
	{ cat "$D/known.pdf"; head -c 10000000 /dev/zero | tr '\0' ' '; printf '%%%%EOF\n'; } >"$D/ten.pdf"
	for ((i = 0; i < 50; i++)); do asks pdf --data-binary "@$D/ten.pdf" >"$D/ten.$i" & done
	most=0
	while [ "$(jobs -rp | wc -l)" -gt 1 ]; do
		now=$(ls -l /proc/$pid/fd 2>/dev/null | grep -c memfd:file)
		[ "$now" -le $most ] || most=$now
		nap 0.02
	done
	# how many are read in nine seconds is the machine's affair
	read=$(grep -l 'first words' "$D"/ten.* | grep -cv pdf) late=$(grep -lE '"(busy|timeout)"' "$D"/ten.* | grep -c .)
	is "fifty at once are read, or told that it is busy" "$((read + late)) $([ "$read" -ge 1 ] && echo some || echo "$read")" "50 some"
	is "two of them in memory at a time, the rest waits in its sockets" "$([ $most -le 2 ] && echo yes || echo "$most")" yes
	is "of the program's own it is little" "$([ "$(peak)" -lt 30 ] && echo yes || echo "$(peak) MB")" yes
fi

# ---- OCR ----
if ! grep -q '"tesseract":true' <<<"$tools"; then
	skip "OCR" "tesseract-ocr is not installed"
	is "without tesseract it is said" "$(asks 'image?ocr=1' --data-binary @"$D/wide.png")" '{"error":"no_tool"}'
elif grep -q '"pdftoppm":true' <<<"$tools"; then
	pdftoppm -r 150 -png "$D/known.pdf" "$D/seen"
	r=$(image "$D/seen-1.png")
	is "a picture is read" "$(texts 1 "$r") $(jq -c '[.pages, .read, .unread]' <<<"$r")" 'first words [1,"ocr",[]]'
	# a PDF whose page is that picture
	node "$here/extract.mjs" "$D" "$D/seen-2.png"
	r=$(pdf_read pictured.pdf '?ocr=1')
	is "a page that is a picture is read" "$(texts 1 "$r")/$(texts 2 "$r") $(jq -c '[.pages, .read, .unread]' <<<"$r")" 'typed words/second words [2,"ocr",[]]'
	is "not without being asked" "$(unread "$(pdf pictured.pdf)")" '2 no_text'
	is "a picture without text has none" "$(unread "$(pdf drawn.pdf '?ocr=1')")" '1 no_text'
	is "60,000 by 60,000 points" "$(error_of "$(asks 'image?ocr=1' --data-binary "@$D/wide.png")")" too_large
	is "what is no picture" "$(error_of "$(asks 'image?ocr=1' --data-binary '/etc/passwd')")" unsupported
	head -c 900 "$D/seen-1.png" >"$D/half.png"
	like "half a picture" "$(error_of "$(image "$D/half.png")")" 'damaged|killed'
fi
stop_it
is "SIGTERM ends it" "$code" 0
like "each file has its line" "$(cat "$D/extract.log")" 'event=extract.file read=encrypted ms='
unlike "and no text of any" "$(cat "$D/extract.log")" 'words'
exit $failed
