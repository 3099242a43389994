# Streams: each event leaves when it arrives, on both paths; a provider that cuts
# one leaves no normal end.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "streams" "node is not installed"; exit 0; }
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"say:one two three four five six seven eight","stream":true,"messages":[{"role":"user","content":"hi"}]}'
messages='{"model":"say:one two three four five six","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}'

# gaps URL BODY: of up to ten streams the least milliseconds to the first byte and the
# least longest gap, and the number of reads
gaps() {
	URL=$1 BODY=$2 AUTH=$auth node --input-type=module -e '
		let first = 1e9, longest = 1e9, reads = 0;
		for (let i = 0; i < 10 && !(first < 90 && longest < 290); i++) {
			const t0 = performance.now();
			const r = await fetch(process.env.URL, { method: "POST", body: process.env.BODY,
				headers: { "content-type": "application/json", authorization: process.env.AUTH.slice(15) } });
			let last = 0, began = 0, gap = 0, n = 0;
			for await (const chunk of r.body) {
				const now = performance.now() - t0;
				if (!n++) began = now; else gap = Math.max(gap, now - last);
				last = now;
			}
			first = Math.min(first, began); longest = Math.min(longest, gap); reads = Math.max(reads, n);
		}
		console.log(Math.round(first), Math.round(longest), reads);'
}
# The usage event of chat is hidden, so one gap there is two.
control '{"chunk_ms":100}'
for what in "chat /v1/chat/completions $chat" "messages /v1/messages $messages"; do
	read -r name path body <<<"$what"
	read -r first longest reads < <(gaps "$EDGE$path" "$body")
	check "$name: the first event comes at once (${first} ms)" test "$first" -lt 90
	check "$name: events 100 ms apart stay so (longest gap ${longest} ms, $reads reads)" test "$longest" -lt 290 -a "$reads" -ge 8
done
like "by the relay" "$(cat "$D/haproxy.log")" 'POST /v1/chat/completions .*tollgate=permit/relay/'
control '{"chunk_bytes":7}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$chat"
is "events cut anywhere arrive whole" "$(grep -c '^data: ' <<<"$body")" 11
unlike "and usage that nobody asked for is not shown" "$body" '"usage"'
control '{"cut_after_bytes":600}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$chat"
unlike "a stream that the provider cuts has no normal end" "$body" '\[DONE\]'
req POST /v1/messages -H "$auth" -H "$json" -d "$messages"
unlike "in the other dialect neither" "$body" 'message_stop'
control '{"status":500,"times":1}'
req POST /v1/chat/completions -H "$auth" -H "$json" -d "$chat"
is "a provider's own error passes" "$status" 500
control '{}'
