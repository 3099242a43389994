/* Findings of check --haproxy after one change, with a policy that has attempts and
 * credentials. Route chat has the targets openai and anthropic and two attempts. Route sites
 * has one target, whose credential is in tollgate.yaml. */
#ifndef SUPPORT_JUDGE_TARGET_ROWS_H
#define SUPPORT_JUDGE_TARGET_ROWS_H

#include "base/codec/credentials.h"
#include "support/judge_rows.h"

#define SAID "    http-response set-header x-tollgate-said provider if tollgate-inner\n"
#define WHY  "    http-after-response set-header x-tollgate-why"
#define KEPT "    http-request set-var(txn.tollgate.set_api_key)"
#define SETS "    http-request set-header x-goog-api-key %"

static const struct row target_rows[] = {
	{ "socket-lines", "a stanza older than WebSockets refuses them",
		"    http-request unset-var(txn.tollgate.via)", "    # http-request",
		"frontend web",
		"http-request unset-var(txn.tollgate.via) if tollgate-gated METH_GET", NULL,
		false },
	{ "caller-lines", "an older stanza forwards the caller's fields",
		"    http-request del-header ^(?!(", "    # ^(?!(", "frontend web",
		"http-request del-header ^(?!(accept", NULL, false },
	{ "caller-address", "the defaults name each caller", "\tmode http\n",
		"\tmode http\n\toption forwardfor\n", "option forwardfor", NULL, NULL, false },
	{ "caller-address", "by RFC 7239", "\tmode http\n", "\tmode http\n\toption forwarded\n",
		"option forwarded", NULL, "3.2.26", false },
	{ "caller-address", "the frontend names each caller", "frontend web\n",
		"frontend web\n\toption forwardfor except 127.0.0.0/8\n", "option forwardfor",
		NULL, NULL, false },
	{ "caller-address", "a provider's backend does, in a header of its own",
		"backend anthropic\n",
		"backend anthropic\n\toption forwardfor header X-Client if-none\n",
		"option forwardfor", NULL, NULL, false },
	{ "caller-address", "a rule of a provider's backend", "backend anthropic\n",
		"backend anthropic\n\thttp-request set-header X-Real-IP %[src]\n",
		"set-header X-Real-IP", NULL, NULL, false },
	{ "caller-address", "a rule below the stanza", BELOW,
		"    http-request add-header x_forwarded_for %[src]\n" BELOW,
		"add-header x_forwarded_for", NULL, NULL, false },
	{ "attempt-lines", "the source of the response is missing", SAID, "", "frontend web",
		"x-tollgate-said provider if tollgate-inner", NULL, false },
	{ "attempt-lines", "the reason is missing", WHY,
		"    http-after-response set-header x-why", "frontend web",
		"%Tc %Tr %rc %b %s %[bc_err]", NULL, false },
	{ "attempt-lines", "one of them depends on what cannot be known", SAID,
		".if feature(X)\n" SAID ".endif\n", "frontend web", "x-tollgate-said", NULL,
		false },
	{ "argument-lines", "with the credentials", " " CREDENTIAL_BEGINS "(", " (",
		"del-header (authorization", "del-header ^([^m]", NULL, false },
	{ "login-lines", "a denial has no challenge",
		"    http-after-response set-header www-authenticate",
		"    http-after-response set-header x-nothing", "backend tollgate-deny from",
		"http-after-response set-header www-authenticate "
		"%[var(txn.tollgate.challenge)]",
		NULL, true },
	{ "login-lines", "nor does the relay's",
		"    http-response set-header www-authenticate %[var(txn.tollgate.challenge)] "
		"if deny",
		"    http-response set-header x-nothing a if deny",
		"backend tollgate-relay from",
		"http-response set-header www-authenticate %[var(txn.tollgate.challenge)]",
		NULL, true },
	{ "retried-answers", "all that HAProxy can repeat", "backend openai\n",
		"backend openai\n\tretry-on all-retryable-errors\n", "retry-on all",
		"retry-on conn-failure", NULL, false },
	{ "retried-answers", "one more than what was not sent", "backend openai\n",
		"backend openai\n\tretry-on conn-failure empty-response\n",
		"retry-on conn-failure empty", "retry-on conn-failure", NULL, false },
	{ "retried-answers", "a status, by its defaults", "\tmode http\n",
		"\tmode http\n\tretry-on conn-failure 503\n", "retry-on conn-failure 503",
		"retry-on conn-failure", NULL, false },
	{ "retried-answers", "of a backend that is a provider's by its key alone",
		"\nbackend site\n",
		"\nbackend own\n\tretry-on 0rtt-rejected\n\thttp-request set-header x-api-key "
		"abc\n\tserver a :1\nbackend site\n",
		"retry-on 0rtt", "retry-on conn-failure", NULL, false },
	{ "credential-lines", "one is not kept", KEPT " req",
		"    http-request set-var(txn.x) req", "frontend web",
		"set-var(txn.tollgate.set_api_key)", NULL, false },
	{ "credential-lines", "one is not set", SETS, "    http-request set-header x-other %",
		"frontend web", "set-header x-goog-api-key", NULL, false },
	{ "credential-twice", "a key of the backend's own", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header x-api-key abc\n", "x-api-key abc",
		NULL, NULL, false },
	{ "credential-twice", "a certificate of its own", "\nbackend site\n",
		"\nbackend site\n\tserver b :1 ssl crt /k.pem verify none\n", "crt /k.pem",
		NULL, NULL, false },
	{ "signed-host", "the caller's is sent", "\nbackend site\n", "\nbackend  site\n",
		"backend  site", "http-request set-header host h.example", NULL, false },
	{ "signed-host", "another one, after the right one", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header host h.example\n"
		"\thttp-request set-header Host other.example\n",
		"Host other.example", "http-request set-header host h.example", NULL, false },
};

/* Changes that must not be reported by this rule. */
static const struct {
	const char *rule, *name, *from, *to;
} target_silent[] = {
	{ "attempt-lines", "as it is shipped", "", "" },
	{ "argument-lines", "as it is shipped", "", "" },
	{ "login-lines", "as it is shipped", "", "" },
	{ "stanza-lines", "credentials as they were before MCP", " " CREDENTIAL_BEGINS "(",
		" (" },
	{ "retried-answers", "what was not sent", "backend openai\n",
		"backend openai\n\tretry-on conn-failure\n" },
	{ "retried-answers", "nothing", "\tmode http\n", "\tmode http\n\tretry-on none\n" },
	{ "retried-answers", "of a site", "backend admin\n",
		"backend admin\n\tretry-on all-retryable-errors\n" },
	{ "caller-lines", "as it is shipped", "", "" },
	{ "caller-address", "as it is shipped", "", "" },
	{ "caller-address", "a site of their own", "\nbackend site\n",
		"\nbackend site\n\toption forwardfor\n" },
	{ "caller-address", "a rule that the stanza deletes after", "frontend web\n",
		"frontend web\n\thttp-request set-header X-Forwarded-For %[src]\n" },
	{ "caller-address", "what names no caller", BELOW,
		"    http-request set-header x-team blue\n" BELOW },
	{ "stanza-lines", "without what deletes where the caller came from",
		"    http-request del-header ^(?!(", "    # ^(?!(" },
	{ "credential-lines", "as it is shipped", "", "" },
	{ "credential-twice", "what the relay hands on, set in the backend too",
		"\nbackend site\n",
		"\nbackend site\n\thttp-request set-header authorization "
		"%[var(txn.tollgate.set_authorization)]\n" },
	{ "signed-host", "the same", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header host H.example\n" },
	{ "signed-host", "one that a condition chooses", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header host x.example if { always_true "
		"}\n" },
	{ "signed-host", "one that is put together", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header host %[env(X)]\n" },
	{ "credential-unguarded", "the same", "\nbackend site\n",
		"\nbackend site\n\thttp-request set-header authorization "
		"%[var(txn.tollgate.set_authorization)]\n" },
	{ "credential-in-front", "as it is shipped", "", "" },
	{ "stanza-lines", "without what came later", SAID, "" },
	{ "stanza-order", "without what came later", KEPT, "    #" },
	{ "answer-lines", "without what came later", WHY, "    #" },
};

#endif
