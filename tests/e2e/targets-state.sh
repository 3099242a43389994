# State that belongs to one target stays there, for each caller: responses, and signed reasoning. Then requests that
# exceed a target's context window or longest output. Cases from other gateways have the name of their issue.
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

# ---- responses ----
path=/v1/responses
row pinned
fault 1 '{"status":503,"times":1}'
ask_body '{"model":"m","input":"hi"}'
is "the second target creates a response" "$status $from" "200 b"
made=$(jq -r .id <<<"$body")
next="{\"model\":\"m\",\"input\":\"and\",\"previous_response_id\":\"$made\"}"
ask_body "$next"
is "a request that continues it uses the second target" "$status $from $(asked)" "200 b 1 2 0"
ask_body '{"model":"m","input":"and","previous_response_id":"resp_nobody"}'
is "an unknown response uses the first target" "$status $from" "200 a"
as=$theirs ask_body "$next" # BerriAI/litellm PR#36146
is "another caller's response is unknown" "$status $from" "200 a"
as=$mine
row pinned
fault 2 '{"status":500}'
ask_body "$next"
is "if its target fails, no other target is used" "$status $(asked | cut -d ' ' -f1)" "500 0"
provider stop 2
ask_body "$next"
is "if its target is gone, no other target is used" "$status $(asked | cut -d ' ' -f1)" "503 0"
provider start 2
path=

# ---- signed reasoning ----
signed() { # ID: the first target fails once, and the second target returns reasoning
	row "$1"
	fault 1 '{"status":503,"times":1}'
	ask_body '{"model":"think","max_tokens":50,"messages":[{"role":"user","content":"a thought"}]}'
	history=$(jq -c '{model:"think",max_tokens:50,messages:[{role:"user",content:"a thought"},{role:"assistant",content:.content},{role:"user",content:"go on"}]}' <<<"$body")
	like "$1: the second target returns reasoning" "$history" '"signature":"..*"'
}
signed signed # BerriAI/litellm#29733
ask_body "$history"
is "a request with this reasoning uses the second target" "$status $(asked)" "200 1 2 0"
like "the reasoning is unchanged" "$(sent_to 2 .body)" 'signature'
provider stop 2
ask_body "$history"
is "if that target is gone, no other target is used" "$status $(asked | cut -d ' ' -f1)" "503 1"
provider start 2
signed dropped # vercel/ai PR#14765
"$B/tollgate" target eject b-dropped -c "$D/tollgate.yaml" >/dev/null 2>&1
ask_body "$history"
is "if the policy permits it, another target is used without the reasoning" "$status $(said | cut -c1)" "200 a"
unlike "no signature is sent there" "$(sent_to 1 .body)" 'signature'
"$B/tollgate" target admit b-dropped -c "$D/tollgate.yaml" >/dev/null 2>&1

# ---- context windows and longest outputs ----
long=$(printf 'word %.0s' $(seq 12000))
long_body="{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$long\"}]}"
row larger
ask_body "$long_body"
is "a target with a smaller context window is not used" "$status $(asked)" "200 0 1 0"
row window # BerriAI/litellm#31557
fault 1 '{"status":503}'
ask_body "$long_body"
is "such a target is not used as the last one either" "$status $(asked)" "200 1 0 1"
row said-so
fault 1 '{"fault":"context"}'
ask_body "$long_body"
is "a target that refuses the length: the next larger one is used" "$status $(asked) $(attempts)" "200 1 0 1 a refused_us 400, c done 200"
row largest
fault 1 '{"fault":"context"}'
ask_body "$long_body"
is "without a larger target, the error is forwarded" "$status $(jq -r .error.code <<<"$body") $(asked)" "400 context_length_exceeded 1 0 0"
row none
ask_body "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"$long $long\"}]}"
is "a prompt that is too long for all targets is refused" "$status $(jq -r .error.code <<<"$body") $(asked)" "400 context_length_exceeded 0 0 0"
row ceiling # NousResearch/hermes-agent#70222
fault 1 '{"status":503}'
ask ',"max_tokens":100000'
is "max_tokens is lowered to the next target's longest output" "$status $(asked) $(sent_to 2 .body | jq -r . | jq -c .max_tokens)" "200 1 1 0 16384"
is "only for that target" "$(sent_to 1 .body | jq -r . | jq -c .max_tokens)" 100000
exit $failed
