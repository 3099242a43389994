# The program tollgate-extract, with Debian's pdftotext, pdftoppm and tesseract: the texts that it extracts, and the
# parts that it reports as not inspected. Then hostile files, and a compromised tool in the sandbox.
# Once: HAProxy does not affect the result.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

bin=$build/tollgate-extract sock=$D/extract.sock pid=''
chmod 711 "$D" # started as root, the program becomes the user nobody
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
# If a file timed out because the machine was busy, it is sent again, up to two times. Not used where the timeout
# itself is tested.
late='^\{"error":"(timeout|busy)"'
asks_in_time() { # PATH FILE
	local answer
	for _ in 1 2 3; do
		answer=$(asks "$1" -H 'tollgate-deadline-ms: 25000' --data-binary "@$2")
		grep -qE "$late" <<<"$answer" || break
	done
	printf '%s' "$answer"
}
pdf() { asks_in_time "pdf${2:-}" "$D/$1"; } # FILE [QUERY]
# a page for which no time is left has no text
pdf_read() { late="$late|no_text" pdf "$@"; }
image() { asks_in_time 'image?ocr=1' "$1"; }
texts() { jq -r '.texts[] | select(.page == '"$1"') | .text' <<<"$2" | sed '/^$/d' | paste -sd'|'; }
unread() { jq -r '[.unread[] | "\(.page) \(.why)"] | join(", ")' <<<"$1"; }
error_of() { jq -r '.error // "none"' <<<"$1"; }
# prints the program's peak memory in MB
peak() { awk '$1 == "VmHWM:" { print int($2 / 1024) }' /proc/$pid/status; }

if nm "$bin" | grep -q __[at]san_init; then
	skip "tollgate-extract in its sandbox" "a sanitized build needs more memory than the sandbox permits"
	exit $failed
fi
if ! "$bin" --check >"$D/check" 2>"$D/check.err"; then
	if ! grep -q '^not ok - \(pdf\|tess\).* runs' "$D/check"; then
		skip "tollgate-extract in its sandbox" "$(tail -1 "$D/check.err")"
		exit $failed
	fi
fi
node "$here/extract.mjs" "$D" || not_ok "files are made"

# ---- arguments that the program refuses ----
"$bin" --listen tcp@127.0.0.1:1 >"$D/out" 2>&1
is "an address that is no Unix socket is refused" "$? $(head -1 "$D/out")" "2 tollgate-extract: --listen tcp@127.0.0.1:1: unix@/PATH is accepted"
"$bin" --listen "unix@$sock" --mode 0666 >"$D/out" 2>&1
is "a mode that admits other users is refused" "$? $(head -1 "$D/out")" "2 tollgate-extract: --mode 0666: 0600 or 0660 is accepted, never wider"
"$bin" --listen "unix@$sock" --languages ../eng >"$D/out" 2>&1
is "a language that is a path is refused" "$? $(head -1 "$D/out")" "2 tollgate-extract: --languages ../eng: as eng+deu is accepted"
"$bin" >"$D/out" 2>&1
is "a missing socket is refused" "$? $(head -1 "$D/out")" "2 tollgate-extract: --listen is missing, and systemd passed no unix socket"
unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0" --check' "$bin" >"$D/out" 2>&1
like "without namespaces the program ends, and explains what to do" "$? $(tail -1 "$D/out")" '^1 tollgate-extract: no namespaces: .*max_user_namespaces.*RestrictNamespaces'

# ---- a tool that cannot be opened ----
mkdir "$D/shut"
chmod 700 "$D/shut"
[ "$(id -u)" = 0 ] || chmod 000 "$D/shut"
"$bin" --check --tools "$D/shut" >"$D/out" 2>&1
like "a folder without permission is named" "$(cat "$D/out")" "#?.*$D/shut(/pdftotext)?: Permission denied"
chmod 755 "$D/shut"
"$bin" --check --tools "$D/shut" >"$D/out" 2>&1
like "a missing tool is named" "$(cat "$D/out")" "#   $D/shut/pdftotext: No such file or directory"

# ---- a compromised tool ----
mkdir "$D/tools"
for t in pdftotext pdftohtml pdftoppm tesseract; do cp "$build/extract_tool" "$D/tools/$t"; done
chmod -R a+rX "$D/tools"
start --tools "$D/tools" --jobs 2
order() {
	printf '%%PDF-1.4\n%%do:%s\n1 0 obj<</Pages 2 0 R>>endobj\n2 0 obj<</Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF\n' "$1"
}
does() { order "$1" >"$D/order" && asks_in_time pdf "$D/order"; }
lasts() { order "$1" | asks pdf --data-binary @-; } # a request that must last until its timeout
for act in socket unix fork exec again ptrace code document crash; do
	is "a tool that tries $act is killed" "$(does $act)" '{"error":"killed"}'
done
files=$(texts 1 "$(does files)")
for f in /etc/passwd /proc/1/environ /home /root /run /tmp /var /dev/null /sys; do
	like "$f does not exist for the tool" "$files" "$f: No such file"
done
unlike "the tool has no file descriptors except its own three" "$files" 'descriptor'
like "the tool runs as nobody, in its own process namespace" "$files" 'user 65534, process [0-9] of 1, no environment'
is "the tool cannot write files" "$(texts 1 "$(does write)" | sed 's/: [^|]*/:/g')" "/x:|/usr/x:|/usr/bin/true:|unlink:|truncate:"
unlike "no write succeeds" "$(texts 1 "$(does write)")" 'done'
is "the tool's memory is limited" "$(does memory)" '{"error":"memory"}'
is "the tool's output is limited" "$(does huge)" '{"error":"too_large"}'
like "the tool's error messages are dropped" "$(texts 1 "$(does noise)")" 'noise: done'
is "invalid UTF-8 is replaced" "$(texts 1 "$(does bytes)" | tr -d '\001')" "bad $(printf '\xef\xbf\xbd\xef\xbf\xbd') bytes "
began=$EPOCHREALTIME
is "a tool that hangs is ended" "$(lasts sleep)" '{"error":"timeout"}'
is "it is ended at its timeout" "$(awk "BEGIN { t = $EPOCHREALTIME - $began; print (t < 14) }")" 1
is "a tool that loops is ended" "$(lasts spin)" '{"error":"timeout"}'
is "none of its processes is left" "$(pgrep -P $pid | wc -l)" 0
like "the program continues to serve requests" "$(asks health)" '"killed":9,.*"running":0'
# If the client disconnects, its file is dropped.
order sleep | $curl -s -m 1 -o /dev/null --unix-socket "$sock" http://extract/pdf --data-binary @-
check "the work for a client that disconnected ends" wait_for says '"running":0' asks health
is "none of the tool's processes is left" "$(pgrep -P $pid | wc -l)" 0
# All places are taken.
for i in 1 2; do lasts sleep >"$D/place.$i" & done
wait_for says '"running":2' asks health
lasts files >"$D/place.3"
is "a request that waits too long gets the error busy" "$(cat "$D/place.3")" '{"error":"busy"}'
wait_for says '"running":0' asks health
# SIGTERM while a tool hangs
lasts sleep >"$D/late" &
wait_for says '"running":1' asks health
stop_it
is "SIGTERM ends the program in two seconds, whatever runs" "$code" 0
wait

# ---- invalid requests; the socket comes from systemd ----
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
is "an unknown path is 404" "$(status_of x)" 404
is "an unknown method is 405" "$(status_of pdf)" 405
is "an image without ocr=1 is 400" "$(status_of image --data-binary x)" 400
is "an invalid query is 400" "$(status_of 'pdf?ocr=2' --data-binary x)" 400
is "a chunked body is 411" "$(status_of pdf -H 'transfer-encoding: chunked' --data-binary x)" 411
head -c 67108865 /dev/zero >"$D/large"
is "a body over 64 MB is 413" "$(status_of pdf --data-binary "@$D/large")" 413
rm "$D/large"
is "a file that is no PDF is unsupported" "$(asks pdf --data-binary 'plain')" '{"error":"unsupported"}'
is "an empty file is unsupported" "$(asks pdf --data-binary '')" '{"error":"unsupported"}'
is "a connection serves several requests" "$($curl -s --unix-socket "$sock" http://extract/health http://extract/health -w '%{num_connects}' | grep -o '}[01]' | tr -d '\n')" "}1}0"

# ---- PDFs ----
tools=$(asks health)
if ! grep -q '"pdftotext":true,"pdftohtml":true,"pdftoppm":true' <<<"$tools"; then
	skip "PDFs" "poppler-utils is not installed"
else
	r=$(pdf known.pdf)
	is "each page has its text" "$(texts 1 "$r")/$(texts 2 "$r")/$(texts 3 "$r")/$(jq -c '[.pages, .read, .unread]' <<<"$r")" 'first words/second words/third words/[3,"text",[]]'
	r=$(pdf hidden.pdf)
	for w in plain white invisible tiny 'off the page' 'far off'; do like "a text is extracted: $w" "$(texts 1 "$r")" "$w"; done
	like "the text of a rotated page is extracted" "$(texts 1 "$(pdf rotated.pdf)")" '^turned words.words off the turned page'
	r=$(pdf spaced.pdf)
	like "digits with spaces between them are extracted without spaces too, also from the second on" "$(error_of "$r") $(texts 1 "$r")" '^none (.*\|)?012888888881881(\||$)'
	r=$(pdf link.pdf)
	is "the address of a link is extracted" "$(texts 0 "$r") $(unread "$r")" 'https://example.com/?q=secret '
	is "the document's metadata is extracted" "$(texts 0 "$(pdf said.pdf)")" 'author name: été|The änderung|A <title>|of XMP'
	r=$(pdf note.pdf)
	is "the text of a note is extracted" "$(texts 0 "$r")/$(unread "$r")" 'a note/'
	r=$(pdf form.pdf)
	is "the value of a form field is extracted behind its name" "$(texts 0 "$r" | cut -d'|' -f1)/$(unread "$r")" 'name: a value/'
	r=$(pdf stamps.pdf)
	like "the text of a stamp is extracted" "$(texts 1 "$r")/$(unread "$r")" '^[^|]*words|.*a seal.*/$'
	like "the text of a hidden stamp is extracted" "$(texts 1 "$r")" 'a hidden seal'
	r=$(pdf script.pdf)
	is "a script in a stream is extracted" "$(texts 0 "$r")/$(unread "$r")" 'app.alert(1)/'
	r=$(pdf layer.pdf)
	like "the text of a hidden layer is extracted" "$(texts 1 "$r")/$(unread "$r")" 'words of a layer.*/$'
	r=$(pdf attachment.pdf)
	is "an attached text is extracted" "$(texts 0 "$r")/$(unread "$r")" 'a.bin|attached|lines/'
	r=$(pdf attached_pdf.pdf)
	like "an attached PDF is extracted" "$(texts 0 "$r")/$(unread "$r")/$(jq .pages <<<"$r")" 'begun on one page|.*ended on the next.*//1$'
	for f in picture scan twice; do is "an attachment is reported as not inspected: $f" "$(unread "$(pdf attached_$f.pdf)")" '0 attachments'; done
	r=$(pdf broken.pdf)
	like "the lines at the border of two pages are joined, without header and footer" "$(texts $((32768 + 1)) "$r")" '^begun on one page[|]ended on the next$'
	r=$(pdf open.pdf)
	is "a PDF with an empty password is read" "$(texts 0 "$r")/$(texts 1 "$r")/$(unread "$r")" 'a title/words/'
	is "a scanned page has no text; an empty page needs none" "$(unread "$(pdf scanned.pdf)")" '2 no_text'
	is "a scanned first page has no text" "$(unread "$(pdf scanned_first.pdf)")" '1 no_text'
	is "a page with drawn lines has no text" "$(unread "$(pdf drawn.pdf)")" '1 no_text'
	is "check boxes of a font without names are no text" "$(unread "$(pdf boxes.pdf)")" ''
	is "a line of letters without names has its page" "$(unread "$(pdf unnamed.pdf)")" '2 fonts'
	is "so has a value that stands upright" "$(unread "$(pdf unnamed_upright.pdf)")" '1 fonts'
	like "a form feed in a text does not make a page count as empty" "$(unread "$(pdf fed.pdf)")" 'no_text'
	is "a PDF with another password has the error encrypted" "$(error_of "$(pdf encrypted.pdf)")" encrypted
	is "a truncated PDF has the error damaged" "$(error_of "$(pdf cut.pdf)")" damaged
	is "a thousand pages are read" "$(jq -c '[.pages, ([.texts[] | select(.page <= 1000)] | length)]' <<<"$(pdf long.pdf)")" '[1000,1000]'
	is "1,001 pages are too many" "$(error_of "$(pdf too_long.pdf)")" too_many_pages
	is "a hundred thousand pages are too many" "$(error_of "$(pdf endless.pdf)")" too_many_pages
	is "a page that inflates to 400 MB times out" "$(error_of "$(asks pdf --data-binary "@$D/bomb.pdf")")" timeout
	is "metadata that inflate to 300 MB are refused" "$(error_of "$(pdf said_bomb.pdf)")" memory
	printf 'GIF89a' | cat - "$D/known.pdf" >"$D/two.pdf"
	like "a PDF after another file's head is read as a PDF" "$(pdf two.pdf)" 'first words'

	# fifty concurrent files of 10 MB each
	{ cat "$D/known.pdf"; head -c 10000000 /dev/zero | tr '\0' ' '; printf '%%%%EOF\n'; } >"$D/ten.pdf"
	for ((i = 0; i < 50; i++)); do asks pdf -H 'tollgate-deadline-ms: 25000' --data-binary "@$D/ten.pdf" >"$D/ten.$i" & done
	most=0
	while [ "$(jobs -rp | wc -l)" -gt 1 ]; do
		now=$(ls -l /proc/$pid/fd 2>/dev/null | grep -c memfd:file)
		[ "$now" -le $most ] || most=$now
		nap 0.02
	done
	# The number of files that are read in nine seconds depends on the machine.
	read=$(grep -l 'first words' "$D"/ten.* | grep -cv pdf) late=$(grep -lE '"(busy|timeout)"' "$D"/ten.* | grep -c .)
	is "fifty concurrent files are read, or get the error busy" "$((read + late)) $([ "$read" -ge 1 ] && echo some || echo "$read")" "50 some"
	is "two of them are in memory at the same time, the others wait in their sockets" "$([ $most -le 2 ] && echo yes || echo "$most")" yes
	is "the program's own memory stays below 30 MB" "$([ "$(peak)" -lt 30 ] && echo yes || echo "$(peak) MB")" yes
fi

# ---- OCR ----
if ! grep -q '"tesseract":true' <<<"$tools"; then
	skip "OCR" "tesseract-ocr is not installed"
	is "without tesseract, the error is no_tool" "$(asks 'image?ocr=1' --data-binary @"$D/wide.png")" '{"error":"no_tool"}'
elif grep -q '"pdftoppm":true' <<<"$tools"; then
	pdftoppm -r 150 -png "$D/known.pdf" "$D/seen"
	r=$(image "$D/seen-1.png")
	is "the text of an image is read" "$(texts 1 "$r") $(jq -c '[.pages, .read, .unread]' <<<"$r")" 'first words [1,"ocr",[]]'
	# a PDF with that image as a page
	node "$here/extract.mjs" "$D" "$D/seen-2.png"
	r=$(pdf_read pictured.pdf '?ocr=1')
	is "the text of a scanned page is read" "$(texts 1 "$r")/$(texts 2 "$r") $(jq -c '[.pages, .read, .unread]' <<<"$r")" 'typed words/second words [2,"ocr",[]]'
	is "without ocr=1 it is not read" "$(unread "$(pdf pictured.pdf)")" '2 no_text'
	is "an image without text has none" "$(unread "$(pdf drawn.pdf '?ocr=1')")" '1 no_text'
	is "an image of 60,000 by 60,000 pixels is too large" "$(error_of "$(asks 'image?ocr=1' --data-binary "@$D/wide.png")")" too_large
	is "a file that is no image is unsupported" "$(error_of "$(asks 'image?ocr=1' --data-binary '/etc/passwd')")" unsupported
	# 12 points at 72 dpi are letters of 12 pixels
	pdftoppm -r 72 -png "$D/code.pdf" "$D/code"
	pdftoppm -r 200 -W 1200 -H 320 -png "$D/code.pdf" "$D/large"
	is "a picture with small letters is read twice, once enlarged" "$(jq '.texts | length' <<<"$(image "$D/code-1.png")")" 2
	is "a picture with large letters is read once" "$(jq '.texts | length' <<<"$(image "$D/large-1.png")")" 1
	like "small letters are read" "$(jq -r '.texts[1].text' <<<"$(image "$D/code-1.png")")" 'AK[IT]AQE26[0O]NIXRRGDULWF'
	# pages at the same time: a tesseract that loops
	mkdir "$D/loop"
	for t in pdftotext pdftohtml pdftoppm; do cp "$(command -v $t)" "$D/loop"; done
	printf '#!/bin/sh\n[ "$1" = --help ] && exit\nwhile :; do :; done\n' >"$D/loop/tesseract"
	chmod -R a+rX "$D/loop" && chmod 755 "$D/loop/tesseract"
	stop_it
	start --tools "$D/loop" --jobs 3
	asks 'pdf?ocr=1' -H 'tollgate-deadline-ms: 6000' --data-binary "@$D/drawings.pdf" >"$D/loops" &
	pages_read() { [ "$(pgrep -c -P "$(pgrep -P $pid)" tesseract)" = "$1" ]; }
	check "three pages are read at the same time" wait_for pages_read 3
	wait $!
	is "pages for which no time was left have the reason timeout" "$(unread "$(cat "$D/loops")")" '1 timeout, 2 timeout, 3 timeout, 4 timeout, 5 timeout, 6 timeout'
	began=$EPOCHREALTIME
	is "a picture has the error timeout after the time that the request states" "$(error_of "$(asks 'image?ocr=1' -H 'tollgate-deadline-ms: 2000' --data-binary "@$D/seen-1.png")")" timeout
	is "and not after the usual time" "$(awk "BEGIN { t = $EPOCHREALTIME - $began; print (t < 6) }")" 1
	stop_it
	start --jobs 2
	head -c 900 "$D/seen-1.png" >"$D/half.png"
	like "a truncated image is damaged" "$(error_of "$(image "$D/half.png")")" 'damaged|killed'
fi
stop_it
is "SIGTERM ends the program" "$code" 0
like "each file has a line in the log" "$(cat "$D/extract.log")" 'event=extract.file read=encrypted ms='
unlike "the log contains no extracted text" "$(cat "$D/extract.log")" 'words'
exit $failed
