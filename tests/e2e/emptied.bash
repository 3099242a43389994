# Functions for the tests that use emptied.yaml.
# shellcheck shell=bash disable=SC2154
# some PERSON N: prints how many of a person's N requests pass, and the status of the last
some() {
	local passed=0 auth
	auth="authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")"
	for _ in $(seq "$2"); do
		req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' \
			-d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
		[ "$status" = 200 ] && passed=$((passed + 1))
	done
	echo "$passed $status"
}
