/* check --haproxy: a whole configuration as README has it laid is silent; one change of it is
 * one finding of one rule, at its line, with the line to paste. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/judge.h"
#include "edge/judge_private.h"
#include "support/temp_dir.h"

static const char head[] = "global\n"
			   "\tchroot /var/lib/haproxy\n"
			   "\tuser haproxy\n"
			   "\tgroup haproxy\n";
static const char defaults[] = "defaults\n"
			       "\tlog global\n"
			       "\tmode http\n"
			       "\ttimeout connect 5s\n"
			       "\ttimeout client 50s\n"
			       "\ttimeout server 50s\n"
			       "\terrorfile 503 /etc/haproxy/errors/503.http\n"
			       "frontend web\n"
			       "\tbind :443 ssl crt /etc/haproxy/web.pem alpn h2,http/1.1\n";
static const char own[] = "\tuse_backend admin if { path_beg /admin }\n"
			  "\tdefault_backend site\n"
			  "backend site\n"
			  "\tserver a 127.0.0.1:8000\n"
			  "backend admin\n"
			  "\tserver a 127.0.0.1:8001\n";
static const char provider[] =
	"\ttimeout server 10m\n"
	"\thttp-request set-header host api.openai.com\n"
	"\thttp-request set-header authorization \"Bearer %[env(OPENAI_API_KEY)]\"\n"
	"\terrorfile 502 /etc/haproxy/tollgate/503.http\n"
	"\terrorfile 503 /etc/haproxy/tollgate/503.http\n"
	"\tserver o api.openai.com:443 ssl verify required ca-file "
	"/etc/ssl/certs/ca-certificates.crt\n";

/* What README has a person write into a Debian haproxy.cfg. */
static void
laid(struct buf *out)
{
	buf_init(out, 0);
	buf_str(out, head);
	buf_span(out, shipped_piece(PIECE_GLOBAL));
	buf_str(out, defaults);
	buf_span(out, shipped_piece(PIECE_STANZA));
	buf_span(out, shipped_piece(PIECE_ROUTES));
	buf_str(out, own);
	buf_str(out, "backend openai\n");
	buf_span(out, shipped_piece(PIECE_GUARD));
	buf_str(out, provider);
	buf_str(out, "backend anthropic\n");
	buf_span(out, shipped_piece(PIECE_GUARD));
	buf_str(out, provider);
}

static const struct config *cfg;

/* Judges the person's file beside the shipped tollgate.cfg. */
static void
judged(struct span text, struct span ours, const char *version, struct judged *out)
{
	struct haproxy h;

	haproxy_init(&h);
	assert_true(haproxy_set_version(&h, span_str(version)));
	assert_int_equal(haproxy_read_text(&h, "haproxy/mine.cfg", text), 0);
	assert_int_equal(haproxy_read_text(&h, "haproxy/tollgate.cfg", ours), 0);
	haproxy_resolve(&h);
	judge(&h, cfg, out);
	buf_putc(&out->errors, 0);
	buf_putc(&out->advice, 0);
	haproxy_free(&h);
}

static void
what_readme_has_laid_is_silent(void **state)
{
	static const char *const versions[] = { "2.6.12", "3.0.11", "3.2.26" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		struct judged j;
		struct buf text;
		laid(&text);
		judged(buf_view(&text), shipped("haproxy/tollgate.cfg"), versions[i], &j);
		assert_string_equal(j.errors.p, "");
		assert_string_equal(j.advice.p, "");
		judged_free(&j);
		buf_free(&text);
		judged(shipped("haproxy/haproxy.cfg"), shipped("haproxy/tollgate.cfg"),
			versions[i], &j);
		assert_string_equal(j.errors.p, "");
		assert_string_equal(j.advice.p, "");
		judged_free(&j);
	}
}

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
static const struct row {
	const char *rule, *name, *from, *to, *at, *paste;
	const char *version; /* NULL: 2.6.12 */
	bool ours;	     /* the change is in tollgate.cfg */
} rows[] = {
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
		"    http-request del-header ^x[-_]tollgate[-_] -m reg if tollgate or "
		"tollgate-inner\n",
		"", "frontend web", "^x[-_]tollgate[-_]", NULL, false },
	{ "stanza-lines", "the question is not asked",
		"http-request send-spoe-group tollgate request if",
		"http-request send-spoe-group tollgate request if FALSE",
		"tollgate request if FALSE", "tollgate request if tollgate", NULL, false },
	{ "stanza-lines", "a line is scoped by path",
		"http-request wait-for-body time 15s if tollgate",
		"http-request wait-for-body time 15s if { path_beg /v1 }", "{ path_beg /v1 }",
		"time 15s if tollgate !tollgate-inner", NULL, false },
	{ "stanza-lines", "a line depends on what cannot be known",
		"    http-request send-spoe-group tollgate request",
		".if feature(X)\n    http-request send-spoe-group tollgate request",
		"send-spoe-group tollgate request", "send-spoe-group", NULL, false },
	{ "stanza-order", "asked before forged headers are gone", SPOE,
		SPOE "\n    http-request send-spoe-group tollgate request if tollgate "
		     "!tollgate-inner !{ ssl_c_used } !{ var(txn.tollgate.via) -m found }",
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
		"if !tollgate", NULL, false },
	{ "ends-before", "after the question, before the caller's keys are deleted",
		"    http-request set-uri %[pathq]",
		"    http-request allow if { src 10.0.0.0/8 }\n    http-request set-uri "
		"%[pathq]",
		"allow if", "if !tollgate", NULL, false },
	{ "credential-unguarded", "a guard that no rule of TCP asks", "backend anthropic\n",
		"backend anthropic\n\tmode tcp # here\n", "mode tcp # here", "mode http", NULL,
		false },
	{ "cached-answers", "of all that the frontend serves", SPOE,
		"filter cache site\n    http-request cache-use site\n    " SPOE,
		"cache-use site", "if !tollgate", NULL, false },
	{ "cached-answers", "of what the relay asks for", SPOE,
		"filter cache site\n    http-request cache-use site if !tollgate\n    " SPOE,
		"cache-use site", "if !tollgate", NULL, false },
	{ "cached-answers", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-request cache-use site\n", "cache-use site",
		"if !tollgate", NULL, false },
	{ "own-origins", "by an ACL that fits no response", "    use_backend tollgate-relay",
		"    http-after-response set-header access-control-allow-origin * if "
		"!tollgate\n"
		"    use_backend tollgate-relay",
		"allow-origin * if !tollgate", "unless { var(", NULL, false },
	{ "ends-before", "for all frontends", "\tlog global\n",
		"\tlog global\n\thttp-request allow if { src 10.0.0.0/8 }\n", "allow if",
		"if !tollgate", NULL, false },
	{ "ends-before", "an alternative that the gate's hosts fit", SPOE,
		"http-request allow if !tollgate !tollgate-inner or { path /x }\n    " SPOE,
		"allow if", "if !tollgate", NULL, false },
	{ "ends-before", "other hosts and the relay's second pass", SPOE,
		"http-request allow if !tollgate\n    " SPOE, "allow if", "if !tollgate", NULL,
		false },
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
		"set-path /v1/other", "if !tollgate", NULL, false },
	{ "refused-after", "by address, when it has been counted",
		"    use_backend tollgate-relay",
		"    http-request deny unless { src 10.0.0.0/8 }\n    use_backend "
		"tollgate-relay",
		"deny unless", "unless { so_name tollgate-inner }", NULL, false },
	{ "own-rules-twice", "an ACL that reads the client's address", SPOE,
		"acl office src 10.0.0.0/8\n    http-request deny unless office\n    " SPOE,
		"deny unless", "unless", NULL, false },
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
	{ "own-rules-twice", "a counter", SPOE, "http-request track-sc0 src\n    " SPOE,
		"track-sc0", "unless { so_name tollgate-inner }", NULL, false },
	{ "own-rules-twice", "a counter after the stanza", "    use_backend tollgate-relay",
		"    http-request track-sc1 src\n    use_backend tollgate-relay", "track-sc1",
		"unless", NULL, false },
	{ "own-rules-twice", "a rule that reads the client's address", SPOE,
		"http-request deny if { src 10.0.0.0/8 }\n    " SPOE, "deny if", "unless", NULL,
		false },
	{ "bufsize", "HAProxy's own size", "    tune.bufsize 262144\n", "", "global",
		"tune.bufsize 262144", NULL, false },
	{ "provider-timeouts", "a web server's patience", "timeout server 10m",
		"timeout server 55s", "timeout server 55s", "timeout server 10m", NULL, false },
	{ "provider-timeouts", "more than the relay's", "timeout server 10m",
		"timeout server 20m", "timeout server 20m", "timeout server 10m", NULL, false },
	{ "http-no-delay", "bursts", "option http-no-delay", "", "frontend web",
		"option http-no-delay", NULL, false },
	{ "html-errors", "HAProxy's page", "\terrorfile 502 /etc/haproxy/tollgate/503.http\n",
		"", "server o api", "errorfile 502", NULL, false },
};

/* Changes that are no finding of this rule. */
static const struct {
	const char *rule, *name, *from, *to, *version;
} silent[] = {
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
		"o\n\tbind :81\n\thttp-request set-var(txn.key) env(K)\n",
		NULL },
	{ "credential-unguarded", "a variable that is only compared", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-ok yes if { "
		"var(txn.k),strcmp(txn.j) eq 0 }\nfrontend o\n\tbind :81\n\thttp-request "
		"set-var(txn.k) env(K)\n",
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
	{ "refused-after", "before the question", SPOE,
		"http-request deny unless { src 10.0.0.0/8 } or { so_name tollgate-inner }\n   "
		" " SPOE,
		NULL },
	{ "refused-after", "of other hosts", "    use_backend tollgate-relay",
		"    http-request deny if !tollgate !tollgate-inner { path /admin }\n    "
		"use_backend tollgate-relay",
		NULL },
	{ "own-rules-twice", "an ACL of the client's address, and of the second pass", SPOE,
		"acl office src 10.0.0.0/8\n    http-request deny unless office or { so_name "
		"tollgate-inner }\n    " SPOE,
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
};

static void
change(struct buf *text, const char *from, const char *to)
{
	struct span v = buf_view(text);
	const char *p = *from ? memmem(v.p, v.n, from, strlen(from)) : v.p;
	struct buf out;

	if (!p)
		fail_msg("not in the text: %s", from);
	buf_init(&out, 0);
	buf_put(&out, v.p, (size_t)(p - v.p));
	buf_str(&out, to);
	buf_put(&out, p + strlen(from), v.n - (size_t)(p - v.p) - strlen(from));
	buf_free(text);
	*text = out;
}

static unsigned
line_of(struct span text, const char *at)
{
	const char *p = memmem(text.p, text.n, at, strlen(at));
	unsigned line = 1;

	for (const char *q = text.p; p && q < p; q++)
		line += *q == '\n';
	return p ? line : 0;
}

static void
judge_row(const struct row *r)
{
	struct buf mine, ours;
	struct judged j;
	char want[160];
	bool error = false;

	if (!strcmp(r->rule, "inner-lines")) {
		buf_init(&mine, 0);
		buf_span(&mine, shipped("haproxy/haproxy.cfg"));
	} else {
		laid(&mine);
	}
	buf_init(&ours, 0);
	buf_span(&ours, shipped("haproxy/tollgate.cfg"));
	if (!strcmp(r->rule, "compression-overflow"))
		change(&mine, SPOE, "compression algo gzip\n    filter compression\n    " SPOE);
	change(r->ours ? &ours : &mine, r->from, r->to);
	judged(buf_view(&mine), buf_view(&ours), r->version ? r->version : "2.6.12", &j);
	for (size_t i = 0; i < judge_rules_count; i++)
		if (!strcmp(judge_rules[i].name, r->rule))
			error = judge_rules[i].error;
	unsigned line = line_of(buf_view(&mine), r->at);
	snprintf(want, sizeof(want), "haproxy/mine.cfg:%u:1: %s: ", line, r->rule);
	if (!line) {
		line = line_of(buf_view(&ours), r->at);
		snprintf(want, sizeof(want), "haproxy/tollgate.cfg:%u:1: %s: ", line, r->rule);
	}
	const char *text = error ? j.errors.p : j.advice.p, *found_at = strstr(text, want);
	if (!found_at || (r->paste && !strstr(found_at, r->paste)))
		fail_msg("%s: %s: no %s in\n%s%s", r->rule, r->name, want, j.errors.p,
			j.advice.p);
	judged_free(&j);
	buf_free(&mine);
	buf_free(&ours);
}

/* Only what is there for this rule is looked for. */
static void
what_is_right_is_silent(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(silent); i++) {
		struct buf mine;
		struct judged j;
		char rule[64];
		laid(&mine);
		if (!strcmp(silent[i].rule, "compression-overflow"))
			change(&mine, SPOE,
				"compression algo gzip\n    filter compression\n    " SPOE);
		change(&mine, silent[i].from, silent[i].to);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"),
			silent[i].version ? silent[i].version : "2.6.12", &j);
		snprintf(rule, sizeof(rule), ": %s: ", silent[i].rule);
		if (strstr(j.errors.p, rule) || strstr(j.advice.p, rule))
			fail_msg("%s: %s:\n%s%s", silent[i].rule, silent[i].name, j.errors.p,
				j.advice.p);
		judged_free(&j);
		buf_free(&mine);
	}
}

static void
another_engine_that_writes_our_variables_is_seen(void **state)
{
	static const struct {
		const char *spoe;
		bool seen;
	} engines[] = {
		{ "[waf]\nspoe-agent a\n option var-prefix waf\n", false },
		{ "[waf]\nspoe-agent a\n option var-prefix tollgate\n", true },
		{ "[waf]\nspoe-agent tollgate\n", true },
		{ "[waf]\nspoe-agent tollgate\n option var-prefix waf\n", false },
		{ "[other]\nspoe-agent tollgate\n[waf]\nspoe-agent waf\n", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(engines); i++) {
		struct judged j;
		struct buf mine;
		char filter[512];
		put("waf.cfg", engines[i].spoe);
		snprintf(filter, sizeof(filter), "filter spoe engine waf config %s\n    " SPOE,
			path("waf.cfg"));
		laid(&mine);
		change(&mine, SPOE, filter);
		judged(buf_view(&mine), shipped("haproxy/tollgate.cfg"), "2.6.12", &j);
		if ((strstr(j.errors.p, "own-variables: the engine waf") != NULL) !=
			engines[i].seen)
			fail_msg("%s: %s", engines[i].spoe, j.errors.p);
		judged_free(&j);
		buf_free(&mine);
	}
}

static void
one_change_is_one_finding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		judge_row(&rows[i]);
}

static void
every_rule_has_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < judge_rules_count; i++) {
		size_t k = 0;
		while (k < COUNT_OF(rows) && strcmp(rows[k].rule, judge_rules[i].name))
			k++;
		if (k == COUNT_OF(rows))
			fail_msg("no row for %s", judge_rules[i].name);
	}
}

static void
every_rule_is_in_the_manual(void **state)
{
	struct buf manual;

	(void)state;
	buf_init(&manual, 1 << 20);
	assert_true(buf_file(&manual, "docs/man/tollgate.1"));
	buf_putc(&manual, 0);
	for (size_t i = 0; i < judge_rules_count; i++) {
		char item[256];
		snprintf(item, sizeof(item), ".It Ic %s\n%s\n", judge_rules[i].name,
			judge_rules[i].about);
		if (!strstr(manual.p, item))
			fail_msg("docs/man/tollgate.1 lacks: %s", item);
	}
	buf_free(&manual);
}

static struct arena arena;

static int
load_config(void **state)
{
	struct diag d;

	(void)state;
	arena_init(&arena, 0, false);
	diag_init(&d);
	cfg = config_load(&arena, "policies/tollgate.yaml", &d);
	diag_free(&d);
	return cfg ? temp_dir_make(state) : -1;
}

static int
free_config(void **state)
{
	arena_reset(&arena);
	return temp_dir_remove(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_readme_has_laid_is_silent),
		cmocka_unit_test(one_change_is_one_finding),
		cmocka_unit_test(what_is_right_is_silent),
		cmocka_unit_test(another_engine_that_writes_our_variables_is_seen),
		cmocka_unit_test(every_rule_has_a_row),
		cmocka_unit_test(every_rule_is_in_the_manual),
	};

	return cmocka_run_group_tests_name("judge", tests, load_config, free_config);
}
