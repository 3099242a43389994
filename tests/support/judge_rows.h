/* What check --haproxy says of one change to a file that is laid as README has it. */
#ifndef SUPPORT_JUDGE_ROWS_H
#define SUPPORT_JUDGE_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#define GUARD                                                                                  \
	"http-request return status 503 content-type application/json hdr retry-after 1 "      \
	"string"
#define SPOE "filter spoe engine tollgate config /etc/haproxy/tollgate/spoe.cfg"
#define BIND "bind unix@/run/tollgate/inner.sock mode 660"

/* A second frontend with the whole stanza's rules but for their order. */
#define SECOND                                                                                 \
	"frontend second\n\tbind :81\n\tacl tollgate req.hdr(host),host_only,rtrim(.) -i "     \
	"b.example.com\n\t" SPOE "\n\thttp-request send-spoe-group tollgate request if "       \
	"tollgate\n\tuse_backend site if { path_beg /x }\n\tuse_backend "                      \
	"%[var(txn.tollgate.backend)] if { var(txn.tollgate.backend) -m found }\n"

/* One change: the first `from` becomes `to`. The finding is at the line that holds `at`. */
#define BELOW "    use_backend tollgate-relay"
static const struct row {
	const char *rule, *name, *from, *to, *at, *paste;
	const char *version; /* NULL: 2.6.12 */
	bool ours;	     /* the change is in tollgate.cfg */
} rows[] = {
	{ "scope-changed", "the provider's host, where README puts it", BELOW,
		"    http-request set-header Host api.example.net\n" BELOW, "set-header Host",
		NULL, NULL, false },
	{ "scope-changed", "taken away by a pattern", BELOW,
		"    http-request del-header ^ho -m reg\n" BELOW, "del-header ^ho", NULL, NULL,
		false },
	{ "scope-changed", "edited", BELOW,
		"    http-request replace-value host (.*) x.\\1\n" BELOW, "replace-value host",
		NULL, NULL, false },
	{ "scope-changed", "by an absolute target", BELOW,
		"    http-request set-uri https://api.example.net%[pathq]\n" BELOW,
		"set-uri https:", NULL, NULL, false },
	{ "scope-changed", "by a script", BELOW, "    http-request lua.route\n" BELOW,
		"lua.route", NULL, NULL, false },
	{ "scope-changed", "the address that names it",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl tollgate src 10.0.0.0/8\n    # below:\n    http-request set-header "
		"x-tollgate-a b if FALSE\n    http-request set-src hdr(x-forwarded-for)",
		"set-src hdr(", NULL, NULL, false },
	{ "scope-changed", "a variable that names it",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl tollgate var(txn.ai) -m bool\n    http-request set-header "
		"x-tollgate-a b if FALSE\n    http-request set-header x-a "
		"%[bool(false),set-var(txn.ai)]",
		"x-a %[bool", NULL, NULL, false },
	{ "scope-changed", "the method that names it",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl tollgate method POST\n    http-request set-header x-tollgate-a b if "
		"FALSE\n    http-request set-method GET",
		"set-method GET", NULL, NULL, false },
	{ "scope-changed", "the list that names it",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl tollgate req.hdr(host) -f /etc/haproxy/ai.lst\n    http-request "
		"set-header x-tollgate-a b if FALSE\n    http-request "
		"del-acl(/etc/haproxy/ai.lst) ai.example.com",
		"del-acl(", NULL, NULL, false },
	{ "stanza-older", "of before", "", "", SPOE, NULL, NULL, false },
	{ "stanza-scope", "by a variable that holds the path",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"http-request set-var(txn.p) path\n    acl tollgate var(txn.p) -m beg /v1/",
		"acl tollgate var", "req.hdr(host)", NULL, false },
	{ "stanza-scope", "by a variable of one that a condition on the path sets",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl api path_beg /v1/\n    http-request set-var(txn.q) int(1) if api\n    "
		"http-request set-var-fmt(txn.p) %[var(txn.q)]\n    acl tollgate "
		"str(a),concat(,txn.p) -m sub 1",
		"acl tollgate str", "req.hdr(host)", NULL, false },
	{ "stanza-scope", "by a header that holds the path",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"http-request set-header x-path %HP\n    acl tollgate req.hdr(x-path) -m beg "
		"/v1/",
		"acl tollgate req", "req.hdr(host)", NULL, false },
	{ "stanza-lines", "an ACL that opens what was decided", SPOE,
		SPOE "\n    acl tollgate-gated src 10.0.0.0/8", "acl tollgate-gated src", NULL,
		NULL, false },
	{ "stanza-lines", "what is decided once is not decided",
		"    http-request set-var(txn.tollgate_gated) bool(true) if tollgate "
		"!tollgate-inner\n",
		"", "frontend web", "bool(true) if tollgate", NULL, false },
	{ "stanza-lines", "a line that asks the ACL anew",
		"use_backend tollgate-relay if tollgate-gated",
		"use_backend tollgate-relay if tollgate !tollgate-inner",
		"use_backend tollgate-relay if", "if tollgate-gated", NULL, false },
	{ "routes-after-own", "an ACL that holds no longer", BELOW,
		"    http-request set-header host api.example.net\n    use_backend admin if "
		"!tollgate\n" BELOW,
		"use_backend admin if !tollgate", "use_backend tollgate-deny", NULL, false },
	{ "ends-before", "by what is decided later only", SPOE,
		"acl tollgate-gated var(txn.tollgate_gated) -m bool\n    http-request allow "
		"if !tollgate-gated !{ so_name tollgate-inner }\n    " SPOE,
		"allow if", "!tollgate", NULL, false },
	{ "own-variables", "what passes the gate", BELOW,
		"    http-request set-var(txn.tollgate_gated) bool(false)  if TRUE\n" BELOW,
		"bool(false)  if TRUE", NULL, NULL, false },
	{ "own-variables", "taken away again", BELOW,
		"    http-response unset-var(txn.tollgate_gated)\n" BELOW,
		"unset-var(txn.tollgate_gated)", NULL, NULL, false },
	{ "own-variables", "by a name that is looked up", BELOW,
		"    http-request do-resolve(txn.tollgate.backend,dns,ipv4) str(a)\n" BELOW,
		"do-resolve", NULL, NULL, false },
	{ "own-variables", "by a converter in a header", BELOW,
		"    http-request set-header x-a "
		"%[str(direct),set-var(txn.tollgate.via)]\n" BELOW,
		"%[str(direct)", NULL, NULL, false },
	{ "own-variables", "by one in a condition, quoted", BELOW,
		"    http-request set-header x-a b if { "
		"str(permit),set-var(\\\"txn.tollgate.decision\\\") -m found }\n" BELOW,
		"str(permit)", NULL, NULL, false },
	{ "own-variables", "by the second one of a word", BELOW,
		"    http-request set-header x-a "
		"%[str(a),set-var(txn.a),set-var(txn.tollgate.via)]\n" BELOW,
		"str(a),set-var", NULL, NULL, false },
	{ "own-variables", "by one that takes away", "\nbackend site\n",
		"\nbackend site\n\tbalance hash str(a),unset-var(txn.tollgate_gated)\n",
		"balance hash", NULL, NULL, false },
	{ "own-variables", "by one in an ACL", BELOW,
		"    acl x str(direct),set-var(txn.tollgate.via) -m found\n" BELOW, "acl x str",
		NULL, NULL, false },
	{ "own-variables", "by one in the log's format", "\tlog global\n",
		"\tlog global\n\tunique-id-format %[str(x),set-var(txn.tollgate.via)]\n",
		"unique-id-format", NULL, NULL, false },
	{ "own-variables", "by one in a route", BELOW,
		"    use_backend %[str(site),set-var(txn.tollgate_gated)] if FALSE\n" BELOW,
		"use_backend %[str(site)", NULL, NULL, false },
	{ "own-variables", "a line of the complete example's second frontend", SPOE,
		"http-request set-var(txn.tollgate.backend) req.hdr(x-tollgate-backend)\n   "
		" " SPOE,
		"req.hdr(x-tollgate-backend)", NULL, NULL, false },
	{ "own-variables", "a line of tollgate.cfg in a backend", "\nbackend site\n",
		"\nbackend site\n\thttp-response set-var(txn.tollgate.decision) "
		"res.hdr(x-tollgate-decision) if told { res.hdr(x-tollgate-decision) -m found "
		"}\n",
		"set-var(txn.tollgate.decision) res", NULL, NULL, false },
	{ "own-variables", "a line of the stanza in another frontend", "\nbackend site\n",
		"\nfrontend other\n\tbind :81\n\thttp-request "
		"set-var(txn.tollgate.backend) req.hdr(x-tollgate-backend) if "
		"tollgate-inner # here\n\tdefault_backend site\nbackend site\n",
		"if tollgate-inner # here", NULL, NULL, false },
	{ "own-variables", "a line of the stanza a second time", BELOW,
		"    http-request set-var(txn.tollgate_gated) bool(false) # again\n" BELOW,
		"bool(false) # again", NULL, NULL, false },
	{ "own-variables", "the second pass is told another backend", SPOE,
		"http-request set-header X-Tollgate-Backend site\n    " SPOE,
		"X-Tollgate-Backend", NULL, NULL, false },
	{ "own-variables", "it is told none", SPOE,
		"http-request del-header x-tollgate- -m beg\n    " SPOE, "x-tollgate- -m beg",
		NULL, NULL, false },
	{ "variables-limit", "a room for few", "\tgroup haproxy\n",
		"\tgroup haproxy\n\ttune.vars.txn-max-size 1000\n", "tune.vars", NULL, NULL,
		false },
	{ "haproxy-version", "an old HAProxy", "", "", "global", NULL, "2.4.22", false },
	{ "haproxy-version", "an option that this version ignores", "frontend web\n",
		"frontend web\n\toption abortonclose\n", "option abortonclose", NULL, NULL,
		false },
	{ "haproxy-version", "an option that this version does not know", "frontend web\n",
		"frontend web\n\toption http-drop-response-trailers\n", "drop-response", NULL,
		"3.0.11", false },
	{ "stanza-absent", "nobody loads the engine", SPOE, "", "frontend web", SPOE, NULL,
		false },
	{ "stanza-absent", "another engine", SPOE, "filter spoe engine waf config /w.cfg",
		"frontend web", SPOE, NULL, false },
	{ "shipped-missing", "tollgate.cfg is not loaded", "backend tollgate-deny",
		"backend other", "filter spoe", "-f /etc/haproxy/tollgate/tollgate.cfg", NULL,
		true },
	{ "gate-mode", "a frontend that does not speak HTTP", "\tmode http\n", "\tmode tcp\n",
		"mode tcp", "mode http", NULL, false },
	{ "stanza-scope", "the gate by path",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl tollgate path_beg /v1/", "acl tollgate path_beg", "req.hdr(host)", NULL,
		false },
	{ "stanza-lines", "any page may call",
		"{ req.fhdr(origin) -m str -f /etc/haproxy/tollgate/origins.lst }",
		"{ req.fhdr(origin) -m found }", "{ req.fhdr(origin) -m found }", "origins.lst",
		NULL, false },
	{ "stanza-scope", "the gate by a part of the URL",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com",
		"acl tollgate url,url_dec -m beg /v1/", "acl tollgate url", "req.hdr(host)",
		NULL, false },
	{ "stanza-scope", "no ACL says what passes",
		"acl tollgate req.hdr(host),host_only,rtrim(.) -i ai.example.com", "",
		"filter spoe", "acl tollgate", NULL, false },
	{ "stanza-lines", "a line is missing",
		"    http-request del-header ^x[-_]tollgate[-_] -m reg if tollgate-gated or "
		"tollgate-inner\n",
		"", "frontend web", "^x[-_]tollgate[-_]", NULL, false },
	{ "stanza-lines", "the question is not asked",
		"http-request send-spoe-group tollgate request if",
		"http-request send-spoe-group tollgate request if FALSE",
		"tollgate request if FALSE", "tollgate request if tollgate-gated", NULL,
		false },
	{ "stanza-lines", "a line is scoped by path",
		"http-request wait-for-body time 15s if tollgate-gated",
		"http-request wait-for-body time 15s if { path_beg /v1 }", "{ path_beg /v1 }",
		"time 15s if tollgate-gated", NULL, false },
	{ "stanza-lines", "a line depends on what cannot be known",
		"    http-request send-spoe-group tollgate request",
		".if feature(X)\n    http-request send-spoe-group tollgate request",
		"send-spoe-group tollgate request", "send-spoe-group", NULL, false },
	{ "stanza-order", "asked before forged headers are gone", SPOE,
		SPOE "\n    http-request send-spoe-group tollgate request if tollgate-gated "
		     "!{ ssl_c_used } !{ var(txn.tollgate.via) -m found }",
		"http-request send-spoe-group", "send-spoe-group", NULL, false },
	{ "routes-after-own", "the person's own route first", "    use_backend tollgate-relay",
		"    use_backend admin if { path_beg /v1/ }\n    use_backend tollgate-relay",
		"{ path_beg /v1/ }", "use_backend tollgate-deny", NULL, false },
	{ "inner-lines", "the second frontend of the complete example lacks a line",
		"    http-request set-src req.hdr(x-tollgate-src)\n", "", "frontend egress",
		"set-src req.hdr(x-tollgate-src)", NULL, false },
	{ "inner-bind", "a mode wider than the group", "inner.sock mode 660",
		"inner.sock mode 666", "inner.sock", BIND, NULL, false },
	{ "inner-bind", "no mode at all", "inner.sock mode 660", "inner.sock", "inner.sock",
		BIND, NULL, false },
	{ "inner-bind", "on TCP", "unix@/run/tollgate/inner.sock", "127.0.0.1:9999", "9999",
		BIND, NULL, false },
	{ "inner-bind", "abstract", "unix@/run/tollgate/inner.sock", "abns@tollgate", "abns@",
		BIND, NULL, false },
	{ "inner-bind", "where the relay does not look", "/run/tollgate/inner.sock",
		"/run/i.sock", "/run/i.sock", BIND, NULL, false },
	{ "inner-bind", "not there", "group tollgate name tollgate-inner",
		"group tollgate name inner", "frontend web", BIND, NULL, false },
	{ "inner-bind", "a second one of its name", "\nbackend site\n",
		"\nfrontend other\n\tbind :81 name tollgate-inner\n\tdefault_backend "
		"openai\nbackend site\n",
		"bind :81", NULL, NULL, false },
	{ "routes-after-own", "the person's own route between the stanza's",
		"    use_backend tollgate-deny",
		"    use_backend admin if { path_beg /x }\n    use_backend tollgate-deny",
		"{ path_beg /x }", "use_backend tollgate-deny", NULL, false },
	{ "credential-unguarded", "by a variable", "backend anthropic\n",
		"backend other\n\thttp-request set-var(txn.k) env(K)\n\thttp-request "
		"set-header x-t "
		"%[var(txn.k)]\n\tserver a :1 check\nbackend anthropic\n",
		"backend other", GUARD, NULL, false },
	{ "credential-unguarded", "in the path", "backend anthropic\n",
		"backend other\n\thttp-request set-path /%[env(K)]%[path]\n\tserver a :1 "
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
	{ "sockets", "another chroot", "chroot /var/lib/haproxy", "chroot /srv/jail",
		"unix@/tollgate/agent.sock", NULL, NULL, false },
	{ "deadlines", "a ticket that is gone before its turn", "timeout queue 4s",
		"timeout queue 5s", "timeout queue 5s", "timeout queue 4s", NULL, true },
	{ "deadlines", "the relay is given up", "timeout server 15m", "timeout server 1m",
		"timeout server 1m", "timeout server 15m", NULL, true },
	{ "compression-filter", "compression without its filter", "frontend web\n",
		"frontend web\n\tcompression algo gzip\n", "compression algo",
		"filter compression", NULL, false },
	{ "compression-overflow", "large buffers and a small reserve",
		"    tune.maxrewrite 16384\n", "", "compression algo", "tune.maxrewrite 16384",
		NULL, false },
	{ "compression-overflow", "a thirty-second before April", "tune.maxrewrite 16384",
		"tune.maxrewrite 8192", "compression algo", "tune.maxrewrite 16384", "3.2.15",
		false },
	{ "compression-overflow", "less than that before July", "tune.maxrewrite 16384",
		"tune.maxrewrite 8191", "compression algo", "tune.maxrewrite 16384", "3.2.21",
		false },
	{ "compression-overflow", "a branch of which nothing is known", "tune.maxrewrite 16384",
		"tune.maxrewrite 8192", "compression algo", "tune.maxrewrite 16384", "2.8.26",
		false },
	{ "shipped-differs", "an older tollgate.cfg", "    retries 0\n", "",
		"backend tollgate-relay from", NULL, NULL, true },
	{ "answer-lines", "callers are not told", "http-after-response set-header x-request-id",
		"# ", "frontend web", "x-request-id", NULL, false },
	{ "answer-lines", "pages cannot read the answers",
		"http-after-response set-header access-control-allow-origin", "# ",
		"frontend web", "access-control-allow-origin", NULL, false },
	{ "own-variables", "a verdict of the person's own", "    use_backend tollgate-relay",
		"    http-request set-var(txn.tollgate.via) str(direct)\n    use_backend "
		"tollgate-relay",
		"set-var(txn.tollgate.via) str(direct)", NULL, NULL, false },
	{ "own-variables", "in the backend, by a format", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-var-fmt(txn.tollgate.decision) permit\n",
		"set-var-fmt(txn.tollgate.decision)", NULL, NULL, false },
	{ "own-variables", "by a TCP rule", "    use_backend tollgate-relay",
		"    tcp-request content set-var(txn.tollgate.decision) str(permit)\n    "
		"use_backend tollgate-relay",
		"tcp-request content set-var", NULL, NULL, false },
	{ "own-variables", "taken away", "    use_backend tollgate-relay",
		"    http-request unset-var(txn.tollgate.backend)\n    use_backend "
		"tollgate-relay",
		"unset-var(txn.tollgate.backend)", NULL, NULL, false },
	{ "own-variables", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-request set-var(txn.tollgate.via) str(direct)\n",
		"set-var(txn.tollgate.via) str(direct)", NULL, NULL, false },
	{ "ends-before", "a rule that lets some pass unasked", SPOE,
		"http-request allow if { path_beg /health }\n    " SPOE, "allow if",
		"!tollgate", NULL, false },
	{ "ends-before", "after the question, before the caller's keys are deleted",
		"    http-request set-uri %[pathq]",
		"    http-request allow if { src 10.0.0.0/8 }\n    http-request set-uri "
		"%[pathq]",
		"allow if", "!tollgate", NULL, false },
	{ "credential-unguarded", "a guard that no rule of TCP asks", "backend anthropic\n",
		"backend anthropic\n\tmode tcp # here\n", "mode tcp # here", "mode http", NULL,
		false },
	{ "cached-answers", "of all that the frontend serves", SPOE,
		"filter cache site\n    http-request cache-use site\n    " SPOE,
		"cache-use site", "!tollgate", NULL, false },
	{ "cached-answers", "of what the relay asks for", SPOE,
		"filter cache site\n    http-request cache-use site if !tollgate\n    " SPOE,
		"cache-use site", "!tollgate", NULL, false },
	{ "cached-answers", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-request cache-use site\n", "cache-use site", "!tollgate",
		NULL, false },
	{ "own-origins", "by an ACL that fits no response", "    use_backend tollgate-relay",
		"    http-after-response set-header access-control-allow-origin * if "
		"!tollgate\n"
		"    use_backend tollgate-relay",
		"allow-origin * if !tollgate", "if !tollgate !{ var(", NULL, false },
	{ "ends-before", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-request allow if { src 10.0.0.0/8 }\n", "allow if",
		"!tollgate", NULL, false },
	{ "ends-before", "an alternative that the gate's hosts fit", SPOE,
		"http-request allow if !tollgate !tollgate-inner or { path /x }\n    " SPOE,
		"allow if", "!tollgate", NULL, false },
	{ "ends-before", "other hosts and the relay's second pass", SPOE,
		"http-request allow if !tollgate\n    " SPOE, "allow if",
		"http-request allow if !tollgate !tollgate-inner", NULL, false },
	{ "routes-after-own", "an alternative that the gate's hosts fit",
		"    use_backend tollgate-relay",
		"    use_backend admin if !tollgate or { path_beg /v1/ }\n    use_backend "
		"tollgate-relay",
		"{ path_beg /v1/ }", "use_backend tollgate-deny", NULL, false },
	{ "stanza-lines", "who else is taken for the relay", SPOE,
		SPOE "\n    acl tollgate-inner src 10.0.0.0/8", "acl tollgate-inner src", NULL,
		NULL, false },
	{ "own-origins", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-after-response set-header access-control-allow-origin "
		"*\n",
		"allow-origin *", "unless { var(", NULL, false },
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
	{ "socket-group", "another group", "group haproxy", "group www-data", "global",
		"group haproxy", NULL, false },
	{ "socket-group", "none", "\tgroup haproxy\n", "", "global", "group haproxy", NULL,
		false },
	{ "credential-unguarded", "a cookie", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header cookie session=abcdefgh\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "changed-after", "another path than was asked for", "    use_backend tollgate-relay",
		"    http-request set-path /v1/other\n    use_backend tollgate-relay",
		"set-path /v1/other", "!tollgate", NULL, false },
	{ "refused-after", "by address, when it has been counted",
		"    use_backend tollgate-relay",
		"    http-request deny unless { src 10.0.0.0/8 }\n    use_backend "
		"tollgate-relay",
		"deny unless", "unless { src 10.0.0.0/8 } or { so_name tollgate-inner }", NULL,
		false },
	{ "inner-answered", "a redirect to TLS", SPOE,
		"http-request redirect scheme https unless { ssl_fc }\n    " SPOE,
		"redirect scheme",
		"    http-request redirect scheme https unless { ssl_fc } or { so_name "
		"tollgate-inner }",
		NULL, false },
	{ "inner-answered", "the old keyword", SPOE,
		"redirect scheme https code 301 if !{ ssl_fc } # to TLS\n    " SPOE,
		"redirect scheme",
		"    redirect scheme https code 301 if !{ ssl_fc } !{ so_name tollgate-inner }",
		NULL, false },
	{ "inner-answered", "by a port, after the stanza", BELOW,
		"    http-request redirect scheme https if !{ dst_port 443 } || { path /x } { "
		"ssl_fc 0 }\n" BELOW,
		"redirect scheme",
		"if !{ dst_port 443 } !{ so_name tollgate-inner } || { path /x } { ssl_fc 0 } "
		"!{ so_name tollgate-inner }",
		NULL, false },
	{ "inner-answered", "a condition that looks mended", SPOE,
		"http-request redirect scheme https unless { ssl_fc } !{ so_name "
		"tollgate-inner }\n    " SPOE,
		"redirect scheme", "!{ so_name tollgate-inner } or { so_name tollgate-inner }",
		NULL, false },
	{ "inner-answered", "half of an or", SPOE,
		"http-request deny if !{ ssl_fc } !{ so_name tollgate-inner } or !{ ssl_c_used "
		"}\n    " SPOE,
		"http-request deny", "!{ ssl_c_used } !{ so_name tollgate-inner }", NULL,
		false },
	{ "inner-answered", "an ACL of HAProxy", SPOE,
		"http-request tarpit unless HTTP_2.0\n    " SPOE, "http-request tarpit",
		"or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "an ACL that reads the address", SPOE,
		"acl office src 10.0.0.0/8\n    http-request deny unless office\n    " SPOE,
		"deny unless", "or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "a variable of the first pass", SPOE,
		"http-request set-var(txn.https) bool(true) if { ssl_fc }\n    http-request "
		"return status 426 unless { var(txn.https) -m bool }\n    " SPOE,
		"return status 426", "or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "a variable with the address", SPOE,
		"http-request set-var(txn.ip) src\n    http-request deny unless { var(txn.ip) "
		"-m ip 10.0.0.0/8 }\n    " SPOE,
		"http-request deny", "or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "basic auth", SPOE,
		"http-request auth realm a unless { http_auth(staff) }\n    " SPOE,
		"http-request auth", "or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "a credential that the stanza took", SPOE,
		"http-request deny unless { req.hdr(X-Api-Key) -m found }\n    " SPOE,
		"http-request deny", "or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "before HTTP", SPOE,
		"tcp-request connection reject if !{ src 10.0.0.0/8 }\n    " SPOE,
		"tcp-request connection", "!{ src 10.0.0.0/8 } !{ so_name tollgate-inner }",
		NULL, false },
	{ "inner-answered", "the answer", SPOE, "http-response deny if !{ ssl_fc }\n    " SPOE,
		"http-response deny", "!{ so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "other hosts, by what the second pass is not", BELOW,
		"    http-request redirect scheme https if !tollgate-gated !{ ssl_fc }\n" BELOW,
		"redirect scheme", "!{ so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "another bind", SPOE,
		"http-request deny unless { so_name https } or { so_id 7 }\n    " SPOE,
		"http-request deny", "or { so_name tollgate-inner }", NULL, false },
	{ "own-rules-twice", "a condition that lets it through", SPOE,
		"http-request track-sc0 src if { path /a } !{ so_name tollgate-inner } or { "
		"path /b }\n    " SPOE,
		"track-sc0", "{ path /b } !{ so_name tollgate-inner }", NULL, false },
	{ "own-rules-twice", "unless, with the test as a part of one", SPOE,
		"http-request track-sc0 src unless { path /a } !{ so_name tollgate-inner }\n   "
		" " SPOE,
		"track-sc0", "or { so_name tollgate-inner }", NULL, false },
	{ "ends-before", "unless, and what to write", SPOE,
		"http-request allow unless { path /x }\n    " SPOE, "http-request allow",
		"unless { path /x } or tollgate or tollgate-inner", NULL, false },
	{ "changed-after", "for the provider only", BELOW,
		"    http-request set-path /v1/other\n" BELOW, "set-path /v1/other",
		"or leave it, if it is for the provider only", NULL, false },
	{ "own-origins", "any page reads the answers", "    use_backend tollgate-relay",
		"    http-after-response set-header Access-Control-Allow-Origin *\n    "
		"use_backend tollgate-relay",
		"Allow-Origin *", "unless { var(txn.tollgate.via) -m found }", NULL, false },
	{ "own-origins", "a provider's backend says it", "backend openai\n",
		"backend openai\n\thttp-after-response add-header "
		"access-control-allow-origin *\n",
		"access-control-allow-origin *", "unless { var(", NULL, false },
	{ "stanza-lines", "a second frontend that never asks", "\nbackend site\n",
		"\nfrontend second\n\tbind :81\n\toption http-no-delay\n\tacl tollgate "
		"req.hdr(host),host_only,rtrim(.) -i b.example.com\n\t" SPOE
		" # again\n\tdefault_backend openai\nbackend site\n",
		SPOE " # again", "send-spoe-group", NULL, false },
	{ "routes-after-own", "a second frontend that asks and routes before",
		"\nbackend site\n", "\n" SECOND "backend site\n",
		"use_backend site if { path_beg /x }", "use_backend tollgate-deny", NULL,
		false },
	{ "credential-unguarded", "a variable of the frontend", "\nbackend site\n",
		"\nfrontend other\n\tbind :81\n\thttp-request set-var(txn.k) "
		"env(K)\n\tdefault_backend site\nbackend site\n\thttp-request set-header "
		"x-t %[var(txn.k)]\n",
		"backend site\n\thttp", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of a variable, the later first",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-t %[var(txn.b),base64]\nfrontend "
		"other\n\tbind :81\n\thttp-request set-var(txn.b) "
		"var(proc.a),lower\n\tdefault_backend site\nglobal\n\tset-var proc.a "
		"env(K)\nbackend site2\n",
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
		"%[var(proc.up)]\nglobal\n\tset-var proc.up env(UP)\nbackend site3\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "a variable of another engine", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up-secret "
		"%[var(txn.vault.value)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "credential-unguarded", "by a converter in a condition", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-ok yes if { env(K),set-var(txn.c) "
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
	{ "inner-bind", "a server that leads there", "\nbackend site\n",
		"\nbackend loop\n\tserver l unix@/run/tollgate/inner.sock\nbackend site\n",
		"server l unix@", NULL, NULL, false },
	{ "inner-bind", "one that leads there by another spelling, in a listen",
		"\nbackend site\n",
		"\nlisten loop\n\tbind :81\n\tserver-template l 1 "
		"/var/run//tollgate/./inner.sock check\nbackend site\n",
		"server-template l", NULL, NULL, false },
	{ "inner-bind", "the last of two names", "\nbackend site\n",
		"\nfrontend other\n\tbind :81 name x name tollgate-inner\n\tdefault_backend "
		"site\nbackend site\n",
		"bind :81", NULL, NULL, false },
	{ "inner-bind", "a name after a value that is a keyword", "\nbackend site\n",
		"\nfrontend other\n\tbind :81 name tollgate-inner interface name crt "
		"foo\n\tdefault_backend site\nbackend site\n",
		"bind :81", NULL, NULL, false },
	{ "inner-bind", "the last of two modes", "inner.sock mode 660",
		"inner.sock mode 660 mode 666", "inner.sock", BIND, NULL, false },
	{ "inner-bind", "another address of its name", "/run/tollgate/inner.sock",
		"/run/tollgate/inner.sock,:9999", "inner.sock,", BIND, NULL, false },
	{ "stanza-absent", "the last of two engines", "engine tollgate config",
		"engine tollgate engine waf config", "frontend web", SPOE, NULL, false },
	{ "deny-answers", "a server for what was denied",
		"backend tollgate-deny from tollgate\n",
		"backend tollgate-deny from tollgate\n    server a 127.0.0.1:8099\n",
		"server a 127.0.0.1:8099", NULL, NULL, true },
	{ "deny-answers", "none of the rules that answer",
		"backend tollgate-deny from tollgate\n",
		"backend tollgate-deny from tollgate\n    http-request allow if { src "
		"10.0.0.0/8 }\n",
		"http-request allow", NULL, NULL, true },
	{ "scope-changed", "the provider's host, above the stanza", SPOE,
		"http-request set-header host api.example.net if { path_beg /v1/ }\n    " SPOE,
		"set-header host api", NULL, NULL, false },
	{ "scope-changed", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-request set-header Host api.example.net\n",
		"set-header Host api", NULL, NULL, false },
	{ "stanza-lines", "an ACL in the place of HAProxy's own", SPOE,
		SPOE "\n    acl METH_CONNECT always_false", "acl METH_CONNECT", NULL, NULL,
		false },
	{ "ungated-provider", "a listen with the stanza, for other hosts", "frontend web\n",
		"listen web\n\tserver a vllm-1:8000 check\n", "listen web", NULL, NULL, false },
	{ "changed-after", "another address than was asked for", BELOW,
		"    http-request set-src hdr(x-real-ip)\n" BELOW, "set-src hdr(", "!tollgate",
		NULL, false },
	{ "own-variables", "of a parent", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-var(ptxn.tollgate.via) str(direct)\n",
		"set-var(ptxn", NULL, NULL, false },
	{ "credential-unguarded", "a key as another argument", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-up "
		"%[var(txn.none,sk-proj-0123456789abcdef)]\n",
		"backend site\n\th", GUARD, NULL, false },
	{ "own-rules-twice", "a counter", SPOE, "http-request track-sc0 src\n    " SPOE,
		"track-sc0", "unless { so_name tollgate-inner }", NULL, false },
	{ "own-rules-twice", "a counter after the stanza", "    use_backend tollgate-relay",
		"    http-request track-sc1 src\n    use_backend tollgate-relay", "track-sc1",
		"unless", NULL, false },
	{ "own-rules-twice", "a rule that reads the client's address", SPOE,
		"http-request deny if { src 10.0.0.0/8 }\n    " SPOE, "deny if",
		"http-request deny if { src 10.0.0.0/8 } !{ so_name tollgate-inner }", NULL,
		false },
	{ "bufsize", "HAProxy's own size", "    tune.bufsize 262144\n", "", "global",
		"tune.bufsize 262144", NULL, false },
	{ "provider-timeouts", "a web server's patience", "timeout server 10m",
		"timeout server 55s", "timeout server 55s", "timeout server 10m", NULL, false },
	{ "provider-timeouts", "more than the relay's", "timeout server 10m",
		"timeout server 20m", "timeout server 20m", "timeout server 10m", NULL, false },
	{ "http-no-delay", "bursts", "option http-no-delay", "", "frontend web",
		"option http-no-delay", NULL, false },
	{ "certificates", "one that has ended", "frontend web\n",
		"frontend web\n\tbind :444 ssl crt tests/data/judge/ended.pem\n", "bind :444",
		NULL, NULL, false },
	{ "html-errors", "HAProxy's page", "\terrorfile 502 /etc/haproxy/tollgate/503.http\n",
		"", "server o api", "errorfile 502", NULL, false },
};

#endif
