# Header fields that name a caller's address: an external provider receives none of them, on either path. An internal
# server receives them.
. "$(dirname "$0")/lib.sh"

sed -e 's/^providers:/&\n  own: {backend: local, dialect: rest, external: false}/' \
	-e 's/dialect: rest, backend: local,/dialect: rest, targets: [own],/' "$here/policy.yaml" >"$D/own.yaml"
stack_up --policy "$D/own.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"echo","messages":[{"role":"user","content":"hi"}]}'
from=(-H 'x-forwarded-for: 192.0.2.7' -H 'forwarded: for=192.0.2.7' -H 'referer: https://wiki.corp.example/192.0.2.7'
	-H 'via: 1.1 192.0.2.7' -H 'x-real-ip: 192.0.2.7' -H 'X_Forwarded_For: 192.0.2.7' -H 'true-client-ip: 192.0.2.7'
	-H 'x-forwarded-user: 192.0.2.7' -H 'x-original-forwarded-for: 192.0.2.7' -H 'cf-connecting-ip: 192.0.2.7'
	-H 'x-title: kept')

req GET /v1/models -H "$auth" "${from[@]}"
is "a direct request is permitted" "$status" 200
unlike "on the direct path, an external provider gets no header field with the caller's address" "$(seen)" '192\.0\.2\.7'
like "on the direct path, an external provider gets the other header fields" "$(seen)" '"x-title":"kept"'
req POST /v1/chat/completions -H "$auth" -H "$json" "${from[@]}" -d "$chat"
is "a relayed request is permitted" "$status" 200
unlike "through the relay, an external provider gets no header field with the caller's address" "$(seen)" '192\.0\.2\.7'
like "through the relay, an external provider gets the other header fields" "$(seen)" '"x-title":"kept"'
for path in direct relay; do
	req POST /api/$path/x -H "$auth" -H "$json" "${from[@]}" -d '{}'
	is "a request to an internal server is permitted, $path" "$status" 200
	for name in x-forwarded-for forwarded referer via x-real-ip; do
		like "an internal server gets $name, $path" "$(seen)" "\"$name\":\"[^\"]*192\.0\.2\.7"
	done
done
