# What belongs to one target stays with it: responses, signed reasoning, by caller; and what does not fit a
# target's window or its longest answer. Stories of other gateways are named by their issue.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

route pinned ab 'choose: {by: order}'
dialect=anthropic
route signed '[@a, @b]'
route dropped '[@a, @b]' 'on_failure: {signed: drop}'
dialect=openai
route window '[{provider: @a, model: gpt-4o}, {provider: @b, model: gpt-4}, {provider: @c, model: gpt-4.1}]'
route larger '[{provider: @a, model: gpt-4}, {provider: @b, model: gpt-4o}]'
route said-so '[{provider: @a, model: gpt-4o}, {provider: @b, model: gpt-4}, {provider: @c, model: gpt-4.1}]'
route largest '[{provider: @a, model: gpt-4.1}, {provider: @b, model: gpt-4o}]'
route none '[{provider: @a, model: gpt-4}, {provider: @b, model: gpt-3.5-turbo}]'
route ceiling '[{provider: @a, model: gpt-5}, {provider: @b, model: gpt-4o}]'
targets_up
mine=$auth
theirs="authorization: Bearer $(token --claims '{"sub":"bob"}')"

# ---- a response ----
path=/v1/responses
row pinned
fault 1 '{"status":503,"times":1}'
ask_body '{"model":"m","input":"hi"}'
is "a response that the second target made" "$status $from" "200 b"
made=$(jq -r .id <<<"$body")
next="{\"model\":\"m\",\"input\":\"and\",\"previous_response_id\":\"$made\"}"
ask_body "$next"
is "is gone on with there" "$status $from $(asked)" "200 b 1 2 0"
ask_body '{"model":"m","input":"and","previous_response_id":"resp_nobody"}'
is "one that nobody knows: the first target" "$status $from" "200 a"
as=$theirs ask_body "$next" # BerriAI/litellm PR#36146
is "another caller's name leads nowhere" "$status $from" "200 a"
as=$mine
row pinned
fault 2 '{"status":500}'
ask_body "$next"
is "where its target fails, no other is asked" "$status $(asked | cut -d ' ' -f1)" "500 0"
provider stop 2
ask_body "$next"
is "nor where it is gone" "$status $(asked | cut -d ' ' -f1)" "503 0"
provider start 2
path=

# ---- signed reasoning ----
signed() { # ID: the first target fails once, and the other one thinks
	row "$1"
	fault 1 '{"status":503,"times":1}'
	ask_body '{"model":"think","max_tokens":50,"messages":[{"role":"user","content":"a thought"}]}'
	history=$(jq -c '{model:"think",max_tokens:50,messages:[{role:"user",content:"a thought"},{role:"assistant",content:.content},{role:"user",content:"go on"}]}' <<<"$body")
	like "$1: reasoning of the second target" "$history" '"signature":"..*"'
}
signed signed # BerriAI/litellm#29733
ask_body "$history"
is "is gone on with there" "$status $(asked)" "200 1 2 0"
like "as it was" "$(sent_to 2 .body)" 'signature'
provider stop 2
ask_body "$history"
is "where that is gone no other is asked" "$status $(asked | cut -d ' ' -f1)" "503 1"
provider start 2
signed dropped # vercel/ai PR#14765
"$B/tollgate" target eject b-dropped -c "$D/tollgate.yaml" >/dev/null 2>&1
ask_body "$history"
is "or without it, where the policy says so" "$status $(said | cut -c1)" "200 a"
unlike "nothing that is signed goes along" "$(sent_to 1 .body)" 'signature'
"$B/tollgate" target admit b-dropped -c "$D/tollgate.yaml" >/dev/null 2>&1

# ---- what a target can read and write ----
long=$(printf 'word %.0s' $(seq 12000))
long_body="{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$long\"}]}"
row larger
ask_body "$long_body"
is "a target that cannot read so much is not asked" "$status $(asked)" "200 0 1 0"
row window # BerriAI/litellm#31557
fault 1 '{"status":503}'
ask_body "$long_body"
is "nor is it the end of a chain" "$status $(asked)" "200 1 0 1"
row said-so
fault 1 '{"fault":"context"}'
ask_body "$long_body"
is "one that says so itself: the next larger one" "$status $(asked) $(attempts)" "200 1 0 1 a refused_us 400, c done 200"
row largest
fault 1 '{"fault":"context"}'
ask_body "$long_body"
is "where none is larger it is the caller's" "$status $(jq -r .error.code <<<"$body") $(asked)" "400 context_length_exceeded 1 0 0"
row none
ask_body "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$long $long\"}]}"
is "too long for all: nothing is sent" "$status $(jq -r .error.code <<<"$body") $(asked)" "400 context_length_exceeded 0 0 0"
row ceiling # NousResearch/hermes-agent#70222
fault 1 '{"status":503}'
ask ',"max_tokens":100000'
is "an answer longer than the next target writes: that is lowered" "$status $(asked) $(sent_to 2 .body | jq -r . | jq -c .max_tokens)" "200 1 1 0 16384"
is "for that one alone" "$(sent_to 1 .body | jq -r . | jq -c .max_tokens)" 100000
exit $failed
