# The response cache under faults: a clock that is set, a response of 8 MB, a caller with very many requests, a new
# policy, a full Redis. Each is a cache miss, and never an error.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/answers-redis.bash"
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
clock() { python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2]) * 10**9))' "$D/skew.a" "$1"; }
head -c 16 /dev/zero >"$D/skew.a"
as() { auth="authorization: Bearer $(token --ttl 864000 "$@")"; }
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -H "host: own.test" -d "{\"model\":\"gpt-4o\",\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
cache() { header x-tollgate-cache; }
tell() { ask "$1"; echo "$status $(cache)"; }

cp "$here/cache.yaml" "$D/policy.yaml"
printf 'cache: {max_bytes: 512k}\n' >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --preload "$D/skew.so"
# ---- the clock ----
as
clock 700
ask clock
is "a response is stored and returned" "$(tell clock)" "200 hit"
clock 699
is "a clock that is a second behind still returns it" "$(tell clock)" "200 hit"
clock 100
is "a clock that was set back before the response was stored does not return it" "$(tell clock)" "200 miss"
clock 4400
is "a clock past the response's end does not return it" "$(tell clock)" "200 miss"
clock 0
is "after the clock is corrected, the response is stored again without a wait" "$(tell clock)" "200 miss"

# ---- a large response ----
python3 -c 'print("""{"body":"{\\"id\\":\\"x\\",\\"object\\":\\"chat.completion\\",\\"model\\":\\"m\\",\\"choices\\":[{\\"index\\":0,\\"finish_reason\\":\\"stop\\",\\"message\\":{\\"role\\":\\"assistant\\",\\"content\\":\\"%s\\"}}]}"}""" % ("x" * 8000000))' >"$D/large.json"
curl -s -o /dev/null --data-binary "@$D/large.json" "$PROVIDER/_control"
is "a response of 8 MB is forwarded" "$(tell large)" "200 miss"
ask large
is "a response of 8 MB is not stored" "$status $(cache) $((${#body} > 8000000))" "200 miss 1"
control '{}'

# ---- one caller with very many requests ----
as --claims '{"sub":"bob"}'
ask mine
as --claims '{"sub":"flood"}'
kept=$(metric cache_kept_total)
for ((i = 0; i < 250; i++)); do ask "flood $i $(head -c 600 /dev/zero | tr '\0' x)"; done
check "a caller can fill only a share of the cache ($(($(metric cache_kept_total) - kept)) of 250)" [ $(($(metric cache_kept_total) - kept)) -lt 200 ]
as --claims '{"sub":"bob"}'
is "other callers' responses stay in the cache" "$(tell mine)" "200 hit"

# ---- another policy ----
sed -i 's/^rules:/rules:\n  - {name: more, when: '"'"'model.name == "other"'"'"', deny: true}/' "$D/policy.yaml"
loads=$(metric policy_loads_total 'result="ok"')
kill -HUP "$(awk '$3 == "tollgate" { print $1 }' "$D/.pids")"
is_loaded() { [ "$(tell mine)" = "200 miss" ]; }
check "a new policy starts with an empty cache" wait_for is_loaded
"$root/tests/support/stack" down --dir "$D"

# ---- a full Redis ----
answers_redis "a Redis for responses"
printf 'cache: {redis: "redis://127.0.0.1:%s", max_bytes: 1g}\n' "$port" >"$D/config.yaml"
stack_up --policy "$here/cache.yaml" --config "$D/config.yaml"
as
n=0
is_kept() { n=$((n + 1)); [ "$(tell "kept $n")" = "200 miss" ] && [ "$(tell "kept $n")" = "200 hit" ]; }
check "responses are stored and returned" wait_for is_kept
redis config set maxmemory 1 >/dev/null
is "a full Redis stores no response" "$(tell full) $(tell full)" "200 miss 200 miss"
refused() { [ "$(metric cache_unkept_total)" -ge 1 ]; }
check "a metric counts the responses that were not stored" wait_for refused
is "responses that are stored are still returned" "$(tell "kept $n")" "200 hit"
redis config set maxmemory 0 >/dev/null
redis client pause 1000 all >/dev/null
began=$(date +%s%N)
is "a Redis that is slow by a second is a miss" "$(tell "kept $n")" "200 miss"
took=$((($(date +%s%N) - began) / 1000000))
check "the miss takes less than 0.9 s ($took ms)" [ $took -lt 900 ]
# An erasure may come while the daemon waits for the reply to SET, and be complete before Redis runs it.
redis flushall >/dev/null
before=0
control '{"delay_ms":600}'
ask "no reply to SET" &
asking=$!
sleep .3
kill -STOP $redis_pid
wait $asking
sleep .5
kill -CONT $redis_pid
control '{}'
newest() { redis --scan --pattern 'tollgate:cache:*' | grep -v asks | while read -r k; do echo "$(redis pttl "$k") $k"; done | sort -n; }
is_set() { newest >"$D/ttl" && [ "$(wc -l <"$D/ttl")" -gt "$before" ]; }
check "Redis runs a SET whose reply was too late" wait_for is_set
check "that response is kept for at most 10 s ($(head -n 1 "$D/ttl"))" [ "$(awk 'NR == 1 { print $1 }' "$D/ttl")" -le 10000 ]
ask "a reply to SET"
stays() { [ "$(redis pttl "$(redis --scan --pattern 'tollgate:cache:*' | grep -vFf <(cut -d' ' -f2 "$D/ttl") | grep -v asks)")" -gt 60000 ]; }
check "a response whose SET was answered stays" wait_for stays
"$root/tests/support/stack" down --dir "$D"

# ---- a recognizer's findings ----
node "$root/tests/support/recognizer.mjs" "$D/recognizer" >"$D/recognizer.log" 2>&1 &
beside=$!
check "a recognizer starts" wait_for test -s "$D/recognizer"
{ sed '/^rules:/,$d' "$here/cache.yaml"
cat <<-YAML
	detectors:
	  external:
	    - {name: ner, url: "$(cat "$D/recognizer")/analyze", entities: [PERSON], timeout: 12s, breaker: {failures: 1000}}
	default: permit
	output_default: 4096
	YAML
} >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml"
for who in ann ben; do
	as --claims "{\"sub\":\"$who\"}"
	for text in "hello there" "write to zor blax"; do
		req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -H 'host: org.test' -d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"$text\"}]}"
		got="${got:-}$(cache) "
	done
done
is "a response with a name is stored for its caller only, others are shared" "$got" "miss miss hit miss "
