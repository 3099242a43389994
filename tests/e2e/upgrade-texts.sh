# After `tollgate upgrade`, the instance that decides opens the sealed texts of both instances, while the other one runs
# and after it has ended. Each opening is recorded in the journal of the instance that decides.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/upgrade.bash"
cat >"$D/p.yaml" <<'Y'
tollgate: 1
name: sealed
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {dialect: openai, backend: openai}
routes:
  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: [openai], record: {prompt: full, response: full}}
default: permit
Y
auditor ann >"$D/mine.yaml"
upgrade_stack "$D/p.yaml" --config "$D/mine.yaml"
text_of() { "$build/tollgate" audit open "$1" --key "$D/ann.key" --part prompt -c "$D/tollgate.yaml" 2>&1; }
say() { # TEXT: sets $id
	req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"
	id=$(header x-tollgate-id)
}
one_runs() { [ "$(deciding | wc -l)" = 1 ]; }
opens_it() { says "$2" text_of "$1"; }

say 'told to the first instance'
first=$id
check "the first instance opens its text" wait_for opens_it "$first" 'told to the first instance'
check "the second instance takes over" upgrade
check "the first instance ends" wait_for one_runs
say 'told to the second instance'
second=$id
check "the second instance opens its own text" wait_for opens_it "$second" 'told to the second instance'
check "it opens the text of the first instance too" opens_it "$first" 'told to the first instance'
like "the opening is recorded by the instance that decides, with the other node" \
	"$(cat "$D"/journal-b/*.jsonl | tr -d '\0' | jq -c "select(.type == \"read\") | select(tostring | contains(\"$first\")) | [.node, (tostring | contains(\"\\\"node\\\":\\\"a\\\"\"))]" | tail -1)" '"a_b"'
unlike "verify reports no text as damaged" "$("$build/tollgate" audit verify --texts -c "$D/tollgate.yaml" 2>&1)" 'damaged'
check "the first instance takes over again" upgrade
check "the second instance ends" wait_for one_runs
check "the first instance opens the text of the second one" opens_it "$second" 'told to the second instance'
check "and its own" opens_it "$first" 'told to the first instance'
