/* Changes to a file with the stanza as in the README that check --haproxy must not report. */
#ifndef SUPPORT_JUDGE_SILENT_H
#define SUPPORT_JUDGE_SILENT_H

#include "support/judge_rows.h"

/* Changes that must not be reported by this rule. */
static const struct {
	const char *rule, *name, *from, *to, *version;
} silent[] = {
	{ "routes-after-own", "what was decided not to pass", BELOW,
		"    http-request set-header host api.example.net\n    use_backend admin if "
		"!tollgate-gated\n" BELOW,
		NULL },
	{ "routes-after-own", "by the variable itself", BELOW,
		"    use_backend admin if !{ var(txn.tollgate_gated) -m bool }\n" BELOW, NULL },
	{ "routes-after-own", "by the ACL, which nothing changes", BELOW,
		"    http-request set-header host api.example.net if !tollgate-gated\n    "
		"use_backend admin if !tollgate\n" BELOW,
		NULL },
	{ "stanza-scope", "by a variable that holds the host",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"http-request set-var(txn.h) req.hdr(host),lower\n    acl tollgate "
		"var(txn.h) -m str path.example.com",
		NULL },
	{ "own-variables", "a converter that reads", BELOW,
		"    http-request set-header x-a "
		"%[str(a),concat(,txn.tollgate.via),set-var(txn.mine)]\n" BELOW,
		NULL },
	{ "own-origins", "unless it was decided", BELOW,
		"    http-after-response set-header access-control-allow-origin * unless { "
		"var(txn.tollgate_gated) -m bool }\n" BELOW,
		NULL },
	{ "changed-after", "of what does not pass", BELOW,
		"    http-request set-path /x unless tollgate-gated or tollgate-inner\n" BELOW,
		NULL },
	{ "credential-unguarded", "a map of names", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-team "
		"%[src,map(tests/data/judge/names.map)]\n\thttp-request set-path "
		"%[path,map(tests/data/judge/names.map)]\n",
		NULL },
	{ "credential-unguarded", "a process variable with the location", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-dc "
		"%[var(proc.dc)]\nglobal\n\tset-var "
		"proc.dc str(fra)\nbackend site3\n",
		NULL },
	{ "credential-unguarded", "a value that the gate set", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-auth-user "
		"%[var(txn.tollgate.identity)]\n",
		NULL },
	{ "credential-in-front", "a unique id", "frontend web\n",
		"frontend web\n\tunique-id-format %{+X}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid\n\t"
		"unique-id-header X-Unique-ID\n",
		NULL },
	{ "credential-unguarded", "the name of a server", "\nbackend site\n",
		"\nbackend site\n\thttp-send-name-header x-server\n\tserver one :1\n", NULL },
	{ "ungated-provider", "what is redirected", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\thttp-request redirect scheme https unless { "
		"ssl_fc }\n\tdefault_backend vllm\nbackend vllm\n\tserver a vllm-1:8000 "
		"check\nbackend site\n",
		NULL },
	{ "ungated-provider", "what is redirected by the older rule, allowed or not",
		"\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\thttp-request allow if { path_beg /x "
		"}\n\tredirect scheme https\n\tdefault_backend vllm\nbackend vllm\n\tserver "
		"a vllm-1:8000 check\nbackend site\n",
		NULL },
	{ "ungated-provider", "no provider by wish", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tdefault_backend vllm\nbackend vllm # "
		"tollgate: no "
		"guard\n\tserver a vllm-1:8000 check\nbackend site\n",
		NULL },
	{ "ungated-provider", "what the ACL names, changed for the gate's alone",
		"\tdefault_backend site\n",
		"\thttp-request set-header host api.example.net if tollgate-gated\n"
		"\tuse_backend vllm if tollgate\n\tdefault_backend site\nbackend "
		"vllm\n\tserver a vllm-1:8000 check\n",
		NULL },
	{ "ungated-provider", "what has passed the gate", "\tdefault_backend site\n",
		"\tuse_backend vllm if tollgate-gated { path_beg /v1 }\n\tdefault_backend "
		"site\nbackend vllm\n\tserver a vllm-1:8000 check\n",
		NULL },
	{ "ungated-provider", "a map that does not name it", "\nbackend site\n",
		"\nfrontend plain\n\tbind :80\n\tuse_backend "
		"%[req.hdr(host),map(tests/data/judge/names.map,site)]\nbackend vllm\n\tserver "
		"a "
		"vllm-1:8000 check\nbackend site\n",
		NULL },
	{ "ungated-guarded", "what is for the gate alone", BELOW,
		"    use_backend openai if tollgate-gated\n" BELOW, NULL },
	{ "scope-changed", "what names it, for all", SPOE,
		"http-request set-header host AI.example.com\n    " SPOE, NULL },
	{ "scope-changed", "another spelling of it", SPOE,
		"http-request set-header host %[req.hdr(host),regsub(^www.,)]\n    " SPOE,
		NULL },
	{ "scope-changed", "of other hosts", SPOE,
		"http-request set-header host api.example.net if !tollgate !tollgate-inner\n   "
		" " SPOE,
		NULL },
	{ "scope-changed", "below what decides once", BELOW,
		"    http-request set-header host api.example.net\n" BELOW, NULL },
	{ "credential-unguarded", "a header named for a key, of the request",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-request-key "
		"%[unique-id]-%[req.hdr(x-session-identifier)]\n",
		NULL },
	{ "credential-unguarded", "a short word", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-token-type bearer\n", NULL },
	{ "credential-unguarded", "a header of another name", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-backend fw_internal-cluster-one\n",
		NULL },
	{ "credential-unguarded", "a condition of the environment", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-inside yes if { src "
		"\"${TG_NET-10.0.0.0/8}\" }\n",
		NULL },
	{ "credential-unguarded", "a variable of the same beginning", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-t %[var(txn.key2)]\nfrontend "
		"o\n\tbind :81\n\thttp-request set-var(txn.key) env(API_KEY)\n",
		NULL },
	{ "credential-unguarded", "a variable that is only compared", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-ok yes if { "
		"var(txn.k),strcmp(txn.j) eq 0 }\nfrontend o\n\tbind :81\n\thttp-request "
		"set-var(txn.k) env(API_KEY)\n",
		NULL },
	{ "own-variables", "a variable of another name", "    use_backend tollgate-relay",
		"    http-request set-var(txn.tollgated) str(1)\n    use_backend "
		"tollgate-relay",
		NULL },
	{ "own-variables", "the path that is logged", "    use_backend tollgate-relay",
		"    http-request set-var(txn.tollgate.path) path if !tollgate\n    "
		"use_backend "
		"tollgate-relay",
		NULL },
	{ "own-variables", "origins of another file", "/etc/haproxy/tollgate/origins.lst",
		"/etc/haproxy/my-origins.lst", NULL },
	{ "ends-before", "for other hosts", SPOE,
		"http-request allow if !tollgate !tollgate-inner { path_beg /health }\n   "
		" " SPOE,
		NULL },
	{ "ends-before", "unless it is ours", SPOE,
		"http-request allow unless tollgate or { so_name tollgate-inner }\n    " SPOE,
		NULL },
	{ "ends-before", "by an ACL of the person's own for the relay", SPOE,
		"acl relayed so_name tollgate-inner\n    http-request allow if !tollgate ! "
		"relayed "
		"|| ! tollgate !{ so_name tollgate-inner } { path /x }\n    " SPOE,
		NULL },
	{ "ends-before", "after the stanza", "    use_backend tollgate-relay",
		"    http-request allow if { path_beg /health }\n    use_backend "
		"tollgate-relay",
		NULL },
	{ "own-rules-twice", "an ACL of the client's address, and of the second pass", SPOE,
		"acl office src 10.0.0.0/8\n    http-request deny unless office or { so_name "
		"tollgate-inner }\n    " SPOE,
		NULL },
	{ "changed-after", "after the question of another engine", SPOE,
		"http-request send-spoe-group coraza coraza-req\n    http-request set-path "
		"/v1/other\n    " SPOE,
		NULL },
	{ "changed-after", "before the question", SPOE,
		"http-request set-path /v1/other\n    " SPOE, NULL },
	{ "credential-unguarded", "a page of a site", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-query a=b&page=abcdefgh1234&key=%[query]\n"
		"\thttp-request set-path /key=abcdefgh1234\n",
		NULL },
	{ "socket-group", "as root", "\tuser haproxy\n\tgroup haproxy\n", "", NULL },
	{ "cached-answers", "of other hosts", SPOE,
		"http-request cache-use site if !tollgate !tollgate-inner\n    " SPOE, NULL },
	{ "own-origins", "for other hosts", "    use_backend tollgate-relay",
		"    http-after-response set-header access-control-allow-origin * unless "
		"{ var(txn.tollgate.via) -m found }\n    use_backend tollgate-relay",
		NULL },
	{ "own-origins", "of a site", "\nbackend site\n",
		"\nbackend site\n\thttp-after-response set-header access-control-allow-origin "
		"*\n",
		NULL },
	{ "compression-overflow", "fixed in April and July", "    tune.maxrewrite 16384\n", "",
		"3.2.22" },
	{ "compression-overflow", "a thirty-second after April", "tune.maxrewrite 16384",
		"tune.maxrewrite 8192", "3.2.16" },
	{ "inner-answered", "unless with a part of its own", SPOE,
		"http-request redirect scheme https unless { ssl_fc } or { so_name "
		"tollgate-inner }\n    " SPOE,
		NULL },
	{ "inner-answered", "if with the test in each part", SPOE,
		"http-request redirect scheme https if !{ ssl_fc } !tollgate-inner or !{ "
		"dst_port 443 } ! { so_name tollgate-inner }\n    " SPOE,
		NULL },
	{ "inner-answered", "by an ACL of the person", SPOE,
		"acl relayed so_name -i tollgate-inner\n    http-request deny if !{ ssl_fc } "
		"!relayed\n    " SPOE,
		NULL },
	{ "inner-answered", "what is false there", SPOE,
		"http-request deny if { src 10.0.0.0/8 } or { ssl_fc } { path /x } or { "
		"ssl_c_verify 10 }\n    " SPOE,
		NULL },
	{ "inner-answered", "what is the same there", SPOE,
		"http-request deny if { path /x } or { req.hdr(user-agent) -m sub bot }\n   "
		" " SPOE,
		NULL },
	{ "inner-answered", "of other hosts, above", SPOE,
		"http-request redirect scheme https if !tollgate !{ ssl_fc }\n    " SPOE,
		NULL },
	{ "inner-answered", "the address, which the stanza sets again", BELOW,
		"    http-request deny unless { src 10.0.0.0/8 }\n" BELOW, NULL },
	{ "inner-answered", "a set-src of the person", SPOE,
		"http-request set-src hdr(x-real-ip)\n    http-request deny unless { src "
		"10.0.0.0/8 }\n    " SPOE,
		NULL },
	{ "inner-answered", "a variable that is unset there", SPOE,
		"http-request set-var(txn.bad) bool(true) if { src 10.0.0.0/8 }\n    "
		"http-request deny if { var(txn.bad) -m bool }\n    " SPOE,
		NULL },
	{ "inner-answered", "a rule that ends nothing", SPOE,
		"http-request set-header x-forwarded-proto https unless { ssl_fc }\n    " SPOE,
		NULL },
	{ "own-rules-twice", "unless, the test alone in a part", SPOE,
		"http-request track-sc0 src unless { path /x } or tollgate-inner\n    " SPOE,
		NULL },
};

#endif
