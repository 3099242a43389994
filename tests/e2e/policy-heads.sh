# The head comment of each shipped policy: its steps, in order, in a folder that has a copy of the policy. Commands are run
# as printed; a step that lists backends is done from the names in it. If a step makes a key, requests with this key are
# sent to each route of the policy.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

mkdir "$D/bin"
ln -s "$build/tollgate" "$D/bin/tollgate"
PATH=$D/bin:$PATH
# head FILE: prints the comment before the first key
head_of() { sed '/^[^#]/,$d; s/^#$//; s/^# //' "$1"; }
# commands FILE: prints the commands of the head, one a line: at the beginning of a step or of a line, up to three spaces
# or the end, and between backticks
commands() {
	head_of "$1" | sed -nE 's/^ +([0-9]+\. )?(tollgate [^`]*)$/\2/; t cut; s/^[^`]*`(tollgate [^`]*)`.*/\1/; T; :cut; s/   +.*//; p' |
		sed -E "s#\bFILE\b#policies/${1##*/}#"
}
# each policy, and the other shipped files of which the head has commands
ran=0
for policy in "$root"/policies/*.yaml; do
	name=${policy##*/} name=${name%.yaml}
	mapfile -t lines < <(commands "$policy")
	[ ${#lines[@]} -gt 0 ] || continue
	work=$D/$name
	mkdir "$work"
	cp -r "$root/policies" "$work/"
	mapfile -t backends < <(head_of "$policy" | tr '\n' ' ' | grep -oE 'list the backends [^.]* in +tollgate.yaml' | grep -oE '`[^`]+`' | tr -d '`')
	(cd "$work" && git init -q . && cp "$root/spoa/base/arena.c" . && git add arena.c) >/dev/null 2>&1
	printf 'backends: [%s]\n' "$(IFS=,; echo "${backends[*]}")" >"$D/$name.more.yaml"
	config=''
	for line in "${lines[@]}"; do
		if [[ $line = 'tollgate key new'* ]]; then
			# the daemon runs with the policy, and each backend leads to the simulated provider
			{
				cat "$root/haproxy/haproxy.cfg"
				for b in "${backends[@]}"; do
					grep -q "^backend $b " "$root/haproxy/haproxy.cfg" || printf '\nbackend %s from provider\n    server local 127.0.0.1:1\n' "$b"
				done
			} >"$D/$name.cfg"
			stack_up --edge "$D/$name.cfg" --policy "$work/policies/$name.yaml" --config "$D/$name.more.yaml"
			config=$D/tollgate.yaml
			# the command names no configuration: the usual one
			line="$line -c $config"
		fi
		out=$(cd "$work" && bash -c "$line" 2>"$D/err" </dev/null)
		code=$?
		# check lists what this folder lacks as a machine
		case $line in
		'tollgate check -c'*) like "$name: $line" "$code" '^[01]$' ;;
		*) is "$name: $line" "$code $(grep -v 'shown only now' "$D/err")" "0 " ;;
		esac
		ran=$((ran + 1))
		case $line in 'tollgate key new'*) key=$(grep -o '^tg_[0-9a-z_]*' <<<"$out") ;; esac
	done
	[ -n "$config" ] || continue
	is "$name: check has no note on the key" "$(tollgate check -c "$config" 2>&1 | grep -c 'scopes')" 0
	while read -r route method path; do
		more=(-d '{"model":"gpt-5","max_tokens":9,"messages":[],"jsonrpc":"2.0","id":1,"method":"ping"}')
		case $method in GET) more=() ;; HEAD) more=(--head) ;; esac
		req "$method" "$path" -H "authorization: Bearer $key" -H 'content-type: application/json' "${more[@]}"
		unlike "$name: the key may be used on route $route" "$(header x-tollgate-rule) $body" 'not permitted|no-anonymous'
	done < <(sed -nE 's/^  - name: *([^ ]+).*/\1/; t name; s/^    match: \{methods: \[([A-Z]+).*path(_prefix)?: \[?([^],}]+).*/\1 \3/; T; H; x; s/\n/ /; p; d; :name; h' "$policy")
	if [ "$name" = agents-mcp ]; then
		req POST /v1/chat/completions -H "authorization: Bearer $key" -H 'content-type: application/json' -d '{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}'
		is "$name: a request with the key is permitted" "$status $(header x-tollgate-decision)" "200 permit"
		tollgate key new -c "$config" --person P --scopes chat,tools >"$D/out" 2>"$D/err"
		like "a scope that is no route is refused, with the routes" "$? $(cat "$D/out" "$D/err")" '^2 tollgate: key new: --scopes: the policy agents-mcp@[^ ]* has no route tools; its routes are chat, messages, hello, tickets-tools, wiki-tools, payments-tools'
		tollgate key new -c "$config" --person P --scopes ticket-tools >"$D/out" 2>"$D/err"
		like "the nearest route is named" "$(cat "$D/out" "$D/err")" 'no route ticket-tools, did you mean tickets-tools[?]'
		key=$(tollgate key new --live -c "$config" --person P --scopes chat,tools 2>&1)
		like "a run-time key with such a scope is refused, too" "$? $key" 'scopes: the policy agents-mcp@[^ ]* has no route tools'
		key=$(tollgate key new --live -c "$config" --person P --scopes chat,messages 2>/dev/null)
		req POST /mcp/tickets -H "authorization: Bearer $key" -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
		like "the refusal names the route and the key's scopes" "$status $body" '^403 .*the API key is not permitted on route tickets-tools: its scopes are chat, messages'
		# an earlier key, in the file
		sed -i 's/scopes: \["hello"/scopes: ["tools"/' "$work/policies/keys.yaml"
		like "check notes a key whose scope is no route" "$(tollgate check -c "$config")" 'note: .*keys.yaml: key [0-9a-z]* of P: scopes: the policy agents-mcp@[^ ]* has no route tools'
	fi
	if [ "$name" = coding-agents ]; then
		tollgate key new -c "$config" --person P --models 'gpt4*' >"$D/out" 2>"$D/err"
		like "a pattern of models that matches no model of the policy is reported" "$? $(cat "$D/err")" '^0 .*--models: the policy coding-agents@[^ ]* names no model that matches gpt4[*]'
		tollgate key new -c "$config" --person P --models 'gpt-5-mini,claude-opus*' >"$D/out" 2>"$D/err"
		unlike "patterns that match a model are not" "$(cat "$D/err")" 'names no model'
		key=$(tollgate key new -c "$config" --person P --models 'claude-*' 2>/dev/null)
		models_named() { says 'its models are claude-[*]' curl -s -m 9 "$EDGE/v1/chat/completions" -H "authorization: Bearer $key" -H 'content-type: application/json' -d '{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}'; }
		check "the refusal of a model names the key's models" wait_for models_named
	fi
	"$root/tests/support/stack" down --dir "$D"
done
check "the heads have commands" [ $ran -ge 9 ]
exit $failed
