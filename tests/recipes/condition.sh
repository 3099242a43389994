printf 'tollgate: 1\nname: t\nidentity: [{none: {person: a}}]\nproviders: {p: {backend: b, dialect: openai, external: true, region: us}}\nroutes: [{name: chat, match: {path: /v1/chat/completions}, targets: [p]}]\nrules: [{name: many, when: "prompt.segments > 1", deny: true}]\ndefault: permit\n' >segments.yaml
(echo '{"method":"POST","path":"/v1/chat/completions","body":"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]}"}' | build/tollgate decide --policy segments.yaml; true) | jq -e '.rule == "many"'
build/tests/unit/test_replay
