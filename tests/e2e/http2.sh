# HTTP/2 at the frontend: :authority, bodies that arrive late, trailers.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "HTTP/2 clients" "node is not installed"; exit 0; }
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
forget
EDGE=$EDGE TOKEN=$(token) node "$here/http2.mjs" >"$D/http2.log" 2>&1 || echo "not ok - http2.mjs ends" >>"$D/http2.log"
cat "$D/http2.log"
grep -q '^not ok' "$D/http2.log" && failed=1
all=$(seen 100)
final unlike "no trailer reached the provider" "$all" 'x-trailer|leaked'
like "a body that arrives late reaches the provider" "$all" 'came late'
unlike "the host in another field is not used" "$all" 'hosted.other'
log=$(cat "$D/haproxy.log")
like "a body with a length and trailers takes the relay" "$log" 'POST [^ ]*/api/direct/trailers-length .*tollgate=permit/relay/'
like "trailers without a body take the relay" "$log" 'POST [^ ]*/api/direct/trailers-alone .*tollgate=permit/relay/'
like "a body with a length alone goes direct" "$log" 'POST [^ ]*/api/direct/length .*tollgate=permit/direct/'
