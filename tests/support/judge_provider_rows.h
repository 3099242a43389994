/* Findings of check --haproxy after one change that lets a request reach a provider's backend
 * without passing the gate, or with a credential that is not the company's. */
#ifndef SUPPORT_JUDGE_PROVIDER_ROWS_H
#define SUPPORT_JUDGE_PROVIDER_ROWS_H

#include "support/judge_rows.h"

static const struct row provider_rows[] = {
	{ "credential-unguarded", "by a variable", "backend anthropic\n",
		"backend other\n\thttp-request set-var(txn.k) env(API_KEY)\n\thttp-request "
		"set-header x-t "
		"%[var(txn.k)]\n\tserver a :1 check\nbackend anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "in the path", "backend anthropic\n",
		"backend other\n\thttp-request set-path /%[env(API_KEY)]%[path]\n\tserver a :1 "
		"check\nbackend anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "no guard", "backend anthropic\n",
		"backend other\n\thttp-request set-header x-api-key abc\n\tserver a :1 "
		"check\nbackend anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "a header of the environment", "backend anthropic\n",
		"backend other\n\thttp-request set-header x-own %[env(KEY)]\n\tserver a :1 "
		"check\nbackend anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "in the target", "backend anthropic\n",
		"backend other\n\thttp-request set-query key=%[env(KEY)]\n\tserver a :1 "
		"check\nbackend anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "a client certificate", "backend anthropic\n",
		"backend other\n\tserver a :1 check ssl crt /k.pem verify none\nbackend "
		"anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "by its defaults", "backend anthropic\n",
		"defaults keyed\n\tmode http\n\thttp-request set-header x-api-key abc\nbackend "
		"other from keyed\n\tserver a :1 check\nbackend anthropic from keyed\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "a listen", "backend anthropic\n",
		"listen other\n\tbind :81\n\thttp-request set-header api-key abc\n\tserver a "
		":1 "
		"check\nbackend anthropic\n",
		"listen other", GUARD, NULL, false },
	{ "credential-unguarded", "a guard that another condition opens",
		"unless { so_name tollgate-inner } or {", "unless { src 10.0.0.0/8 } or {",
		"backend openai", GUARD, NULL, false },
	{ "credential-unguarded", "a rule that ends the rules before the guard",
		"backend openai\n",
		"backend openai\n\thttp-request allow if { src 10.0.0.0/8 }\n", "allow if",
		GUARD, NULL, false },
	{ "credential-in-front", "a key in the frontend", SPOE,
		SPOE "\n    http-request set-header authorization abc", "authorization abc",
		NULL, NULL, false },
	{ "credential-unguarded", "a guard that no rule of TCP asks", "backend anthropic\n",
		"backend anthropic\n\tmode tcp # here\n", "mode tcp # here", "mode http", NULL,
		false },
	{ "credential-unguarded", "a header that is named for it, of a file",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-token "
		"%[str(a),map(/etc/haproxy/keys.map)]\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a header that is named for it, as a constant",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-token %[str(abcdefgh1234)]\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a key as a constant", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-a "
		"%[str(),concat(),str(sk-proj-abcdef1234567890)]\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a parameter of the query", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-query %[query]&key=abcdefgh1234\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a parameter of the target", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-pathq %[path]?a=b&api_key=abcdefgh1234\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a cookie", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header cookie session=abcdefgh\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of the frontend", "\nbackend site\n",
		"\nfrontend other\n\tbind :81\n\thttp-request set-var(txn.k) "
		"env(API_KEY)\n\tdefault_backend site\nbackend site\n\thttp-request set-header "
		"x-t %[var(txn.k)]\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of a variable, the later first",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-t %[var(txn.b),base64]\nfrontend "
		"other\n\tbind :81\n\thttp-request set-var(txn.b) "
		"var(proc.a),lower\n\tdefault_backend site\nglobal\n\tset-var proc.a "
		"env(API_KEY)\nbackend site2\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a key that is written out", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-mine sk-proj-0123456789abcdef\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "one in the query", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-query "
		"key=AIzaSy0123456789abcdef&%[query]\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "one that a variable carries", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-var(txn.k) "
		"str(gsk_0123456789abcdef)\n\thttp-request set-header x-mine "
		"\"Bearer %[var(txn.k)]\"\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a header that is named for it", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header X-My-Key abcdefgh\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a map that has keys", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up "
		"%[str(a),map(tests/data/judge/keys.map)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of a map, in a header that is named for it",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-var(txn.u) "
		"str(a),map_beg(/etc/none.map)\n\thttp-request set-header x-up-token "
		"%[var(txn.u)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "a parameter of a map", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-query "
		"key=%[str(a),map(/etc/none.map)]&%[query]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of the process that no file sets",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up %[var(proc.up)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "one that a file sets, of the environment",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up "
		"%[var(proc.up)]\nglobal\n\tset-var proc.up env(UP_TOKEN)\nbackend site3\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of another engine", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up-secret "
		"%[var(txn.vault.value)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "by a converter in a condition", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-ok yes if { env(API_KEY),set-var(txn.c) "
		"-m found }\n\thttp-request set-header x-up %[var(txn.c)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "of the unique id", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up %[unique-id]\nfrontend "
		"idf\n\tbind :82\n\tunique-id-format sk-proj-0123456789abcdef\nbackend site3\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "the name of a server", "\nbackend site\n",
		"\nbackend site\n\thttp-send-name-header x-api-key\n\tserver abc :1\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "the name of a server, under another name",
		"\nbackend site\n",
		"\nbackend site\n\thttp-send-name-header x-up\n\tserver "
		"sk-proj-0123456789abcdef :1\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "under a name of secrets", "\nbackend site\n",
		"\nbackend site\n\thttp-send-name-header X-Up-Token\n\tserver abc :1\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "a constant that is written otherwise", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up-key %[str(c2stcHJv),b64dec]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-in-front", "the unique id", "frontend web\n",
		"frontend web\n\tunique-id-header authorization\n\tunique-id-format a\n",
		"unique-id-header", NULL, NULL, false },
	{ "credential-in-front", "the unique id of a key", "frontend web\n",
		"frontend web\n\tunique-id-format sk-proj-0123456789abcdef\n\tunique-id-header "
		"x-up\n",
		"unique-id-header", NULL, NULL, false },
	{ "credential-in-front", "the unique id, for all", "\tlog global\n",
		"\tlog global\n\tunique-id-format \"${TG_KEY-x}\"\n\tunique-id-header x-up\n",
		"unique-id-header", NULL, NULL, false },
	{ "ungated-provider", "a frontend without the stanza", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tdefault_backend vllm\nbackend vllm\n\tserver "
		"a "
		"vllm-1:8000 check\nbackend site\n",
		"default_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "the option that adds the guard", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tdefault_backend vllm\nbackend vllm\n\tserver "
		"a vllm-1:8000 check\nbackend site\n",
		"default_backend vllm", "tollgate init --backend vllm=openai", NULL, false },
	{ "ungated-provider", "by a rule of its own", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\thttp-request redirect scheme https if { path "
		"/ "
		"}\n\tuse_backend llm if { path_beg /v1 }\nbackend llm\n\tserver a "
		"api.openai.com:443 ssl verify none check\nbackend site\n",
		"use_backend llm", GUARD, NULL, false },
	{ "ungated-provider", "by a name that is made", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tuse_backend "
		"%[req.hdr(host),lower]\nbackend vllm\n\tserver a vllm-1:8000 check\nbackend "
		"site\n",
		"use_backend %[req.hdr(host)", GUARD, NULL, false },
	{ "ungated-provider", "by a map that names it", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tuse_backend "
		"%[req.hdr(host),lower,map(tests/data/judge/names.map,site)]\nbackend "
		"page-of-2024\n\tserver a vllm-1:8000 check\nbackend site\n",
		"use_backend %[req.hdr(host)", GUARD, NULL, false },
	{ "ungated-provider", "a listen", "\nbackend site\n",
		"\nlisten vllm\n\tbind :80\n\tserver a vllm-1:8000 check\nbackend site\n",
		"listen vllm", GUARD, NULL, false },
	{ "ungated-provider", "the gate's frontend, for other hosts",
		"backend site\n\tserver a 127.0.0.1:8000\n",
		"backend site\n\tserver a vllm-1:8000 check\n", "default_backend site", GUARD,
		NULL, false },
	{ "ungated-provider", "redirected, but not on TLS", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tbind :444 ssl crt /a.pem\n\thttp-request "
		"redirect scheme https unless { ssl_fc }\n\tdefault_backend vllm\nbackend "
		"vllm\n\tserver a vllm-1:8000 check\nbackend site\n",
		"default_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "an ACL that is but called so", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tacl tollgate req.hdr(host) -i "
		"ai.example.com\n\tuse_backend vllm if tollgate\nbackend vllm\n\tserver a "
		"vllm-1:8000 check\nbackend site\n",
		"use_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "one called as the stanza's", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tacl tollgate-gated "
		"always_true\n\tuse_backend vllm if tollgate-gated\nbackend vllm\n\tserver "
		"a vllm-1:8000 check\nbackend site\n",
		"use_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "one called as the relay's", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tacl tollgate-inner "
		"always_true\n\tuse_backend vllm if tollgate-inner\nbackend vllm\n\tserver "
		"a vllm-1:8000 check\nbackend site\n",
		"use_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "an ACL of the relay's that fits more",
		"\tdefault_backend site\n",
		"\tacl relayed so_name tollgate-inner\n\tacl relayed path_beg "
		"/v1\n\tuse_backend vllm if relayed\n\tdefault_backend site\nbackend "
		"vllm\n\tserver a vllm-1:8000 check\n",
		"use_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "what the ACL fits by then", "\tdefault_backend site\n",
		"\thttp-request set-header host ai.example.com\n\tuse_backend vllm if "
		"tollgate\n\tdefault_backend site\nbackend vllm\n\tserver a "
		"vllm-1:8000 check\n",
		"use_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "what a rule of other hosts makes it fit",
		"\tdefault_backend site\n",
		"\thttp-request set-header host ai.example.com if !tollgate-gated\n"
		"\tuse_backend vllm if tollgate\n\tdefault_backend site\nbackend "
		"vllm\n\tserver a vllm-1:8000 check\n",
		"use_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "an ACL of all that fits nothing", "frontend web\n",
		"backend llm\n\tserver a vllm-1:8000 check\nfrontend web\n\tacl tollgate "
		"always_true 0\n\tuse_backend llm if { path /x }\n",
		"use_backend llm", GUARD, NULL, false },
	{ "ungated-provider", "what is allowed before it is redirected", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\thttp-request allow if { path_beg /v1 "
		"}\n\thttp-request redirect scheme https\n\tdefault_backend vllm\nbackend "
		"vllm\n\tserver a vllm-1:8000 check\nbackend site\n",
		"default_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "redirected, where there is a place", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\thttp-request redirect location "
		"%[path,map(tests/data/judge/names.map)] ignore-empty\n\tdefault_backend "
		"vllm\nbackend vllm\n\tserver a vllm-1:8000 check\nbackend site\n",
		"default_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "redirected by a rule that TCP does not ask", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tmode tcp\n\thttp-request redirect scheme "
		"https\n\tdefault_backend vllm\nbackend vllm\n\tserver a vllm-1:8000 "
		"check\nbackend site\n",
		"default_backend vllm", GUARD, NULL, false },
	{ "ungated-provider", "a name that begins with the caller's word", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tuse_backend "
		"%[req.hdr(x-b)]%[var(txn.tollgate.backend)]\nbackend vllm\n\tserver a "
		"vllm-1:8000 check\nbackend site\n",
		"use_backend %[req.hdr(x-b)", GUARD, NULL, false },
	{ "ungated-provider", "a map for the end of a name", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tuse_backend "
		"vl%[req.hdr(host),map(tests/data/judge/names.map)]\nbackend vllm\n\tserver a "
		"vllm-1:8000 check\nbackend site\n",
		"use_backend vl%[", GUARD, NULL, false },
	{ "ungated-provider", "a map whose value is changed", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tuse_backend "
		"%[req.hdr(host),map(tests/data/judge/names.map),concat(lm)]\nbackend "
		"vllm\n\tserver a vllm-1:8000 check\nbackend site\n",
		"use_backend %[req.hdr(host)", GUARD, NULL, false },
	{ "ungated-provider", "another name for a provider's server", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tdefault_backend other\nbackend "
		"keyed\n\thttp-request set-header x-api-key abc\n\tserver k LM.internal:9443 "
		"check\nbackend other\n\tserver x lm.internal:9443\nbackend site\n",
		"default_backend other", GUARD, NULL, false },
	{ "ungated-provider", "the same over TCP", "\nbackend site\n",
		"\nfrontend plain\n\tmode tcp\n\tbind :80\n\tdefault_backend other\nbackend "
		"keyed\n\thttp-request set-header x-api-key abc\n\tserver k lm.internal:9443 "
		"check\nbackend other\n\tmode tcp\n\tserver-template x 2 "
		"lm.internal:9443\nbackend site\n",
		"default_backend other", GUARD, NULL, false },
	{ "ungated-provider", "a guard that TCP does not ask", "\tdefault_backend site\n",
		"\tdefault_backend site\nfrontend plain\n\tmode tcp\n\tbind "
		":80\n\tdefault_backend llm\nbackend llm\n\tmode tcp\n\tserver a "
		"vllm-1:8000\n\thttp-request deny unless { so_name tollgate-inner } or { "
		"var(txn.tollgate.via) -m str direct } { var(txn.tollgate.decision) -m str "
		"permit }\n\thttp-request deny if { var(txn.tollgate.backend) -m found } !{ "
		"be_name,strcmp(txn.tollgate.backend) eq 0 }\n",
		"default_backend llm", GUARD, NULL, false },
	{ "ungated-provider", "a name like ours", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tdefault_backend tollgate-llm\nbackend "
		"tollgate-llm\n\tserver a vllm-1:8000 check\nbackend site\n",
		"default_backend tollgate-llm", GUARD, NULL, false },
	{ "ungated-guarded", "a second frontend", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tdefault_backend openai\nbackend site\n",
		"default_backend openai", NULL, NULL, false },
	{ "ungated-provider", "a listen with the stanza, for other hosts", "frontend web\n",
		"listen web\n\tserver a vllm-1:8000 check\n", "listen web", NULL, NULL, false },
	{ "credential-unguarded", "a key as another argument", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up "
		"%[var(txn.none,sk-proj-0123456789abcdef)]\n",
		"backend site\n\th", GUARD, NULL, false },
};

#endif
