# Replay states what recorded requests cannot show: requests were not searched for words, patterns and entities that a class
# got later. Replay and apply read the files that a policy names from the policy's own folder.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
rules='  - {name: no-secrets, when: "\"secret\" in prompt.classes", deny: true}
  - {name: no-falcon, when: "\"falcon\" in prompt.classes", deny: true}'
policy() { # CLASS [MORE]: prints a policy with this class, and further lines before its classes
	sed '/^rules:/,/^default:/d' "$here/policy.yaml" | CLASS=$1 awk '{ print } /^classes:/ { print "  falcon: " ENVIRON["CLASS"] }'
	printf '%s\nrules:\n%s\ndefault: permit\n' "${2:-}" "$rules"
}
mkdir "$D/mine"
first='{words: [Project Falcon], patterns: ["FLCN-[0-9]{4}"]}'
policy "$first" >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
ask 'what is Project Condor'
is "a word that no class has passes" "$status" 200
ask 'what is Project Falcon'
is "a word of the class is denied" "$status" 403
ask 'hello'

tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>&1; }
replay() { tg policy replay --policy "$D/new.yaml"; head -n 1 "$D/out"; }
policy "$first" >"$D/new.yaml"
is "the same class finds the same" "$(replay)" "3 decisions: 3 the same, 0 different"
policy "$first" | sed 's/name: no-falcon/name: renamed/' >"$D/new.yaml"
is "a rule with another name is compared" "$(replay)" "3 decisions: 2 the same, 1 different"
while IFS='|' read -r name class; do
	policy "$class" >"$D/new.yaml"
	is "$name: no decision that reads the class is compared" "$(replay)" "3 decisions: 0 the same, 0 different, 3 not compared"
	like "$name: the reason names the entity" "$(cat "$D/out")" 'not compared 3: FALCON was searched for in another way, and a rule reads it'
done <<'T'
another word|{words: [Project Falcon, Project Condor], patterns: ["FLCN-[0-9]{4}"]}
a word less|{patterns: ["FLCN-[0-9]{4}"]}
another pattern|{words: [Project Falcon], patterns: ["FLCN-[0-9]{4}", "CNDR-[0-9]{4}"]}
case|{words: [Project Falcon], patterns: ["FLCN-[0-9]{4}"], case: true}
a context|{words: [Project Falcon], patterns: ["FLCN-[0-9]{4}"], context: [codename]}
T
policy "$first" 'detectors: {thresholds: {US_SSN: 0.1}}' | sed 's/^  - {name: no-secrets.*/  - {name: ssn, when: "\\"US_SSN\\" in prompt.entities", deny: true}/' >"$D/new.yaml"
like "a lower threshold makes its entity uncertain" "$(replay; cat "$D/out")" 'US_SSN was (not searched for|searched for in another way), and a rule reads it'
# ---- files beside the policy ----

policy '{dictionary: terms.txt}' >"$D/mine/next.yaml"
echo 'Project Condor' >"$D/mine/terms.txt"
tg policy replay --policy "$D/mine/next.yaml"
like "replay reads the file beside the policy" "$(cat "$D/out")" 'FALCON was searched for in another way'
tg policy apply "$D/mine/next.yaml" --why 'a list of terms' --yes
is "apply reads it there too" "$? $(grep -c "^writes $D/terms.txt (a new file)" "$D/out") $(cat "$D/terms.txt")" "0 1 Project Condor"
ask 'what is Project Condor'
is "its terms are in force" "$status" 403
echo 'Project Heron' >"$D/mine/terms.txt"
tg policy apply "$D/mine/next.yaml" --why 'another term' --yes
is "a changed file replaces the installed one" "$? $(cat "$D/terms.txt")" "0 Project Heron"
ask 'what is Project Condor'
is "the former term passes" "$status" 200
rm "$D/mine/terms.txt"
tg policy apply "$D/mine/next.yaml" --why 'no list' --yes
is "without a file beside the policy, the installed one stays" "$? $(cat "$D/terms.txt")" "0 Project Heron"
exit $failed
