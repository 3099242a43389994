# Sealed texts while the disk stands still. At most 64 MB of long responses wait for the disk. Further text is not
# kept, which records and a counter report, and it takes no memory.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
${CC:-cc} -shared -fPIC -o "$D/slow.so" "$root/tests/support/slow_disk.c" || { not_ok "slow_disk.c builds"; exit 1; }
printf '\0' >"$D/slow"
export SLOW_DISK=$D/slow
cat >"$D/mine.yaml" <<Y
workers: 2
$(auditor ann)
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: stalled
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full, response: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --preload "$D/slow.so"
unset SLOW_DISK
auth="authorization: Bearer $(token)"
hold() { printf "$1" | dd of="$D/slow" conv=notrunc status=none; }
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of tollgate)/status"; }

# ---- eight responses of 15 MB, 120 MB together ----
jq -nr '"data: " + ({id: "c", object: "chat.completion.chunk", model: "echo", choices: [{index: 0, delta: {content: ("w" * 15000)}}]} | tojson) + "\n\n" | . * 1040 + "data: [DONE]\n\n"' |
	jq -Rsc '{body: .[:-1], content_type: "text/event-stream", chunk_bytes: 65536, chunk_ms: 12, times: 8}' >"$D/control"
curl -s -o /dev/null "$PROVIDER/_control" -d "@$D/control"
jq -j .body "$D/control" >"$D/answer"
size=$(wc -c <"$D/answer")
ask() { # N
	curl -s -m 60 -o "$D/got.$1" -D "$D/head.$1" -w '%{http_code} %{exitcode}\n' -H "$auth" -H 'content-type: application/json' \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"at length"}]}' "$EDGE/v1/chat/completions" >"$D/end.$1"
}
all_begun() { [ "$(ls "$D"/got.* 2>/dev/null | wc -l)" = 8 ]; }
asking=()
for n in 1 2 3 4 5 6 7 8; do ask $n & asking+=($!); done
check "eight long responses begin" wait_for all_begun
before=$(rss)
hold '\1'
cut() { metric sealed_texts_cut_total; }
some_cut() { [ "$(cut)" -ge 1 ]; }
check "when 64 MB wait for the disk, texts are cut" wait_for some_cut
at_cut=$(rss)
all_cut() { [ "$(cut)" = 8 ]; }
check "each text is cut, and counted once" wait_for all_cut
came() { cat "$D"/got.* | wc -c; }
echo "# $((before / 1024)) MB before, $((at_cut / 1024)) at the first cut, $(($(rss) / 1024)) at the last, $(($(came) >> 20)) MB came"
flat=0
for _ in 1 2 3 4 5 6 7 8 9 10; do
	now=$(rss)
	[ "$now" -le $((at_cut + 8192)) ] || flat=$now
	nap 0.2
done
echo "# $(($(rss) / 1024)) then, $(($(came) >> 20)) MB came"
is "the rest of the responses takes no memory" "$flat" 0
check "the waiting text takes little more than its size" test $((at_cut - before)) -lt $((112 << 10))
hold '\0'
wait "${asking[@]}"
is "the callers receive the whole responses" "$(sort "$D"/end.* | uniq -c | tr -s ' ') $(sha256sum "$D"/got.* | cut -c 1-64 | sort -u)" " 8 200 0 $(sha256sum <"$D/answer" | cut -c 1-64)"
settled
cat "$JOURNAL"/*.jsonl | tr -d '\0' | jq -c 'select(.type == "completion") | .answer.kept' >"$D/kept"
is "each record states that its text is cut" "$(jq -c .cut "$D/kept" | sort | uniq -c | tr -s ' ')" ' 8 true'
is "no record states a complete text" "$(jq -c "select(.bytes >= $size)" "$D/kept" | wc -l)" 0
sum=$(jq -s 'map(.bytes) | add' "$D/kept")
echo "# $((sum >> 20)) MB are kept"
check "the kept text is the text that waited" test "$sum" -ge $((60 << 20)) -a "$sum" -le $((100 << 20))
id=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/head.1")
opened() { opens ann response "$id" >"$D/text"; }
check "a text that was cut opens" wait_for opened
is "it is the beginning of the response" "$(cmp "$D/text" "$D/answer" 2>&1 | grep -c 'EOF on .*text')" 1
like "the command reports that it is only the beginning" "$(cat "$D/opens.err")" 'only the beginning'
like "all texts verify" "$("$B/tollgate" audit verify --texts -c "$D/tollgate.yaml" | tail -1)" '^ok source=texts texts=16 .* cut=8 .*bad=0'
id=$(req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"after"}]}'; header x-tollgate-id)
settled
is "the next response is kept completely" "$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | jq -c "select(.type == \"completion\" and .id == \"$id\") | .answer.kept.cut")" null
exit $failed
