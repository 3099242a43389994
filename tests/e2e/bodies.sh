# Bodies of 10 KB to 2 MB with a secret at the end, over HTTP/1 with and without a length and over HTTP/2. None
# reaches the provider. Bodies without the secret arrive unchanged. If a body has a length and fits into HAProxy's
# buffer, a denial does not involve the relay.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
secret=AKIAQ3EGRTZK7VXW2YUB

# body BYTES TAIL: a JSON document of that size that ends with TAIL
body_of() {
	local n=$(($1 - 12 - ${#2}))
	{ printf '{"text":"'; yes 'some words ' | tr -d '\n' | head -c $n; printf ' %s"}' "$2"; } >"$D/body"
}
send() { # how
	case $1 in
	length) req POST "$2" -H "$auth" -H "$json" --data-binary "@$D/body" ;;
	chunked) req POST "$2" -H "$auth" -H "$json" -H 'transfer-encoding: chunked' --data-binary "@$D/body" ;;
	h2) req POST "$2" --http2-prior-knowledge -H "$auth" -H "$json" --data-binary "@$D/body" ;;
	h2-nolength) req POST "$2" --http2-prior-knowledge -H "$auth" -H "$json" -H 'content-length:' -T "$D/body" ;;
	esac
}
forget
for size in 10000 48000 64000 240000 262000 300000 1000000 2000000; do
	body_of $size $secret
	for how in length chunked h2 h2-nolength; do
		relays=$(metric requests_total 'via="relay"')
		deferred=$(metric deferred_total)
		send $how /api/direct/secret
		is "$size bytes, $how: a secret at the end is denied" "$status" 403
		if [ $size -le 49152 ] && { [ $how = length ] || [ $how = h2 ]; }; then
			is "$size bytes, $how: the agent decides without the relay" "$(metric deferred_total)" "$deferred"
		else
			is "$size bytes, $how: the relay reads the body" "$(metric deferred_total)" "$((deferred + 1))"
		fi
	done
	body_of $size 'the end'
	for how in length chunked h2 h2-nolength; do
		direct=$(metric requests_total 'via="direct"')
		send $how /api/direct/clean
		is "$size bytes, $how: the same body without the secret is permitted" "$status" 200
		is "$size bytes, $how: the permitted body arrives unchanged" \
			"$(seen 1 | sed 's/.*"body":"//; s/","ended".*//; s/\\"/"/g' | tr -d '\n' | cksum)" "$(cksum <"$D/body")"
		want=$direct
		[ $size -le 49152 ] && { [ $how = length ] || [ $how = h2 ]; } && want=$((direct + 1))
		is "$size bytes, $how: the path is the expected one" "$(metric requests_total 'via="direct"')" "$want"
	done
done
final unlike "no secret reached the provider" "$(seen 1000 | grep -c $secret)" '[1-9]'
# Encoded bodies are decoded for inspection, and forwarded decoded.
for enc in gzip deflate br; do
	case $enc in
	gzip) pack() { gzip -c; } ;;
	deflate) pack() { node -e 'process.stdin.pipe(require("zlib").createDeflate()).pipe(process.stdout)'; } ;;
	br) pack() { node -e 'process.stdin.pipe(require("zlib").createBrotliCompress()).pipe(process.stdout)'; } ;;
	esac
	if [ $enc != gzip ] && ! command -v node >/dev/null; then
		skip "$enc" "node is not installed"
		continue
	fi
	body_of 5000 $secret
	pack <"$D/body" >"$D/packed"
	req POST /api/direct/packed -H "$auth" -H "$json" -H "content-encoding: $enc" --data-binary "@$D/packed"
	is "$enc: an encoded secret is denied" "$status" 403
	body_of 5000 'the end'
	pack <"$D/body" >"$D/packed"
	req POST /api/direct/packed -H "$auth" -H "$json" -H "content-encoding: $enc" --data-binary "@$D/packed"
	is "$enc: a body without a secret is permitted" "$status" 200
	is "$enc: the body arrives decoded" "$(seen 1 | sed 's/.*"body":"//; s/","ended".*//; s/\\"/"/g' | tr -d '\n' | cksum)" "$(cksum <"$D/body")"
	unlike "$enc: the forwarded body has no content-encoding" "$(seen 1)" 'content-encoding'
done
# Bodies over the limit
head -c 33600000 /dev/zero | tr '\0' 'x' | sed 's/^/"/; s/$/"/' >"$D/body"
# HAProxy closes while the body is still being sent. The reset may reach the client before it has read the response.
for _ in 1 2 3; do
	send length /api/direct/large
	[ "$status" = 100 ] || [ "$status" = 000 ] || break
done
is "a content-length over 32 MB is refused from the head" "$status" 413
send chunked /api/direct/large
is "a chunked body is refused when it exceeds 32 MB" "$status" 413

# ---- a prompt that takes more work than its length allows ----
for path in /api/direct/work /api/relay/work; do
	{ printf '{"text":"'; yes '\\u0034token:４' | tr -d '\n' | head -c 240000; printf '"}'; } >"$D/body"
	req POST "$path" -H "$auth" -H "$json" --data-binary "@$D/body"
	is "$path: too much work is a 413 that no SDK retries" "$status $(jq -r .error.code <<<"$body" 2>&1) $(header x-should-retry)" "413 request_too_complex false"
	like "$path: the record has the status 413" "$(grep -a '"type":"decision"' "$(ls "$JOURNAL"/* | tail -1)" | tail -n 1)" '"status":413'
done
is "the metric counts both requests" "$(metric texts_overworked_total)" 2
