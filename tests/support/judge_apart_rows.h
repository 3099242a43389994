/* Findings of check --haproxy after one change to a file in which the relay's second pass has a
 * frontend of its own, as `tollgate init` writes it. */
#ifndef SUPPORT_JUDGE_APART_ROWS_H
#define SUPPORT_JUDGE_APART_ROWS_H

#include "support/judge_rows.h"

/* The changes are made to a file with the current stanza. */
static const struct row apart_rows[] = {
	{ "inner-bind", "nothing switches the frontend of the second pass on",
		"    setenv TOLLGATE_INNER tollgate.cfg\n", "", "frontend web",
		"setenv TOLLGATE_INNER tollgate.cfg", NULL, false },
	{ "inner-bind", "a bind of its name besides", "\nbackend site\n",
		"\nfrontend other\n\tbind :81 name tollgate-inner\n\tdefault_backend "
		"openai\nbackend site\n",
		"bind :81", NULL, NULL, false },
	{ "inner-lines", "its frontend lacks a line",
		"    http-request set-src req.hdr(x-tollgate-src)\n", "",
		"frontend tollgate-inner", "set-src req.hdr(x-tollgate-src)", NULL, true },
	{ "stanza-lines", "a line of the stanza is missing",
		"    http-request set-var(txn.tollgate_gated) bool(true) if tollgate", "    #",
		"frontend web", "bool(true) if tollgate", NULL, false },
	{ "ends-before", "a rule that lets some pass unasked", SPOE,
		"http-request allow if { path_beg /health }\n    " SPOE, "allow if",
		"    http-request allow if { path_beg /health } !tollgate\n", NULL, false },
	{ "ends-before", "one above the ACL that names what passes", "    acl tollgate ",
		"    http-request allow if { path_beg /health }\n    acl tollgate ", "allow if",
		NULL, NULL, false },
	{ "changed-after", "a header that what is relayed does not have", BELOW,
		"    http-request set-header x-team blue\n" BELOW, "x-team blue", "unless tollgate-gated", NULL,
		false },
	{ "inner-answered", "a provider's backend that wants TLS", "backend anthropic\n",
		"backend anthropic\n\thttp-request redirect scheme https code 301 unless { "
		"ssl_fc }\n",
		"redirect scheme", "unless { ssl_fc } or { so_name tollgate-inner }", NULL,
		false },
	{ "inner-answered", "one that asks for the caller's password", "backend anthropic\n",
		"backend anthropic\n\tacl staff http_auth(staff)\n\thttp-request auth unless "
		"staff\n",
		"http-request auth", "or { so_name tollgate-inner }", NULL, false },
	{ "inner-answered", "one that reads what the first pass alone has set",
		"backend anthropic\n",
		"backend anthropic\n\thttp-request deny deny_status 426 unless { var(txn.tls) "
		"-m bool }\nfrontend other\n\tbind :81\n\t" SPOE
		"\n\thttp-request set-var(txn.tls) ssl_fc\nbackend anthropic2\n",
		"deny deny_status 426", "or { so_name tollgate-inner }", NULL, false },
};

/* With a policy in which a route names no backend. */
static const struct row route_rows[] = {
	{ "inner-routes", "the second pass has no routes", "", "", "frontend tollgate-inner",
		NULL, NULL, false },
};

/* Changes to that file that must not be reported by this rule. */
static const struct {
	const char *rule, *name, *from, *to;
} apart_silent[] = {
	{ "inner-answered", "rules of the gate's frontend, which the second pass does not meet",
		SPOE,
		"http-request redirect scheme https unless { ssl_fc }\n    http-request deny "
		"unless "
		"{ src 10.0.0.0/8 }\n    http-request auth unless { http_auth(staff) }\n   "
		" " SPOE },
	{ "own-rules-twice", "counters of that frontend", SPOE,
		"http-request track-sc0 src\n    " SPOE },
	{ "inner-answered",
		"a provider's backend that reads the address, which is the client's",
		"backend anthropic\n",
		"backend anthropic\n\thttp-request deny unless { src 10.0.0.0/8 }\n" },
	{ "inner-answered", "an ordinary refusal of a provider's backend",
		"backend anthropic\n",
		"backend anthropic\n\thttp-request deny if { path /x }\n" },
	{ "ends-before", "for other hosts", SPOE,
		"http-request allow if !tollgate { path_beg /health }\n    " SPOE },
	{ "changed-after", "above the stanza", "    acl tollgate ",
		"    http-request set-header x-team blue\n    acl tollgate " },
	{ "credential-in-front", "a region of the environment", "    acl tollgate ",
		"    http-request set-header X-Edge-Region \"${REGION-eu}\"\n    acl "
		"tollgate " },
	{ "credential-in-front", "an option of the operator excludes the backend",
		"    acl tollgate ",
		"    http-request set-header x-edge-key \"${EDGE_KEY-abcdefgh1}\" # tollgate: "
		"no "
		"credential\n    acl tollgate " },
	{ "credential-unguarded", "a region, in a backend", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-region %[env(REGION)]\n" },
	{ "credential-unguarded", "an option of the operator, in a backend", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-site-token abcdefgh1 # tollgate: "
		"no "
		"credential\n" },
};

#endif
