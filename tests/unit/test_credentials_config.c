/* The section credentials of tollgate.yaml: the keys of each kind, every error with its place,
 * and the assignment of a credential to its provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/config/config.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "support/temp_dir.h"

#define BASE                                                                                   \
	"policy: p.yaml\nagent: {listen: unix@/a.sock}\n"                                      \
	"relay: {listen: unix@/r.sock, egress: unix@/i.sock}\ncredentials:\n"
#define NO_RELAY "policy: p.yaml\nagent: {listen: unix@/a.sock}\ncredentials:\n"

static const struct config *
load(struct arena *a, struct diag *d, const char *text)
{
	put("c.yaml", text);
	arena_init(a, 0, false);
	diag_init(d);
	return config_load(a, path("c.yaml"), d);
}

static void
done(struct arena *a, struct diag *d)
{
	diag_free(d);
	arena_reset(a);
}

static void
every_kind_of_credential_is_read_with_its_defaults(void **state)
{
	struct arena a;
	struct diag d;
	char want[256];
	const struct config *c = load(&a, &d,
		BASE
		"  b: {sigv4: {region: eu-west-1, file: aws}}\n"
		"  v: {vertex: {service_account_file: sa.json, url: 'unix:/t.sock:/token'}}\n"
		"  e: {entra: {tenant: T-1, client_id: c, client_secret_file: s, "
		"authority: 'http://127.0.0.1:81/'}}\n"
		"  k: {header: authorization, file: /abs/key, prefix: 'Bearer '}\n");

	(void)state;
	if (!c)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	assert_int_equal(c->ncredentials, 4);
	const struct provider_credential *x = c->credentials;
	assert_int_equal(x[0].kind, BY_SIGV4);
	assert_string_equal(x[0].provider, "b");
	assert_string_equal(x[0].service, "bedrock");
	assert_string_equal(x[0].profile, "default");
	assert_string_equal(x[0].host, "bedrock-runtime.eu-west-1.amazonaws.com");
	snprintf(want, sizeof(want), "%s/aws", dir);
	assert_string_equal(x[0].file, want);
	assert_int_equal(x[1].kind, BY_VERTEX);
	assert_string_equal(x[1].url, "unix:/t.sock:/token");
	assert_string_equal(x[1].scope, "https://www.googleapis.com/auth/cloud-platform");
	assert_null(x[1].token_uri);
	assert_int_equal(x[2].kind, BY_ENTRA);
	assert_string_equal(x[2].url, "http://127.0.0.1:81/T-1/oauth2/v2.0/token");
	assert_string_equal(x[2].scope, "https://cognitiveservices.azure.com/.default");
	assert_int_equal(x[3].kind, BY_FILE);
	assert_string_equal(x[3].file, "/abs/key");
	assert_string_equal(x[3].prefix, "Bearer ");
	assert_int_equal(x[3].index, 3);
	done(&a, &d);
}

static void
errors_in_credentials_have_their_position(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{ "an unknown key", BASE "  b: {sigv4: {regoin: x, region: x, file: f}}\n",
			":5:15: regoin: unknown key, did you mean region?" },
		{ "an unknown kind", BASE "  b: {sigv3: {}, header: api-key, file: f}\n",
			":5:7: sigv3: unknown key, did you mean sigv4?" },
		{ "no region", BASE "  b: {sigv4: {file: f}}\n", ":5:7: region: is missing" },
		{ "no file", BASE "  k: {header: api-key}\n", ":5:3: file: is missing" },
		{ "two kinds for one provider",
			BASE "  b: {sigv4: {region: r, file: f}, header: api-key}\n",
			":5:7: credentials: sigv4 must be the only key" },
		{ "a region that is none", BASE "  b: {sigv4: {region: 'a b', file: f}}\n",
			":5:23: region: letters, digits" },
		{ "a header that HAProxy deletes", BASE "  k: {header: cookie, file: f}\n",
			":5:15: header: one of authorization" },
		{ "a prefix that ends the line",
			BASE "  k: {header: api-key, file: f, prefix: \"a\\nb\"}\n",
			":5:41: prefix: printable ASCII" },
		{ "a secret in clear over the network",
			BASE "  v: {vertex: {service_account_file: s, url: "
			     "'http://proxy.example/token'}}\n",
			":5:46: url: https, unix:/SOCKET:/PATH or an http listener" },
		{ "a name that only begins like this machine",
			BASE "  v: {vertex: {service_account_file: s, url: "
			     "'http://localhost.example/token'}}\n",
			":5:46: url: https, unix:/SOCKET:/PATH or an http listener" },
		{ "no URL", BASE "  v: {vertex: {service_account_file: s, url: token}}\n",
			":5:46: url: it must begin with" },
		{ "a token_uri in clear",
			BASE "  v: {vertex: {service_account_file: s, url: 'unix:/s:/t', "
			     "token_uri: 'http://x/'}}\n",
			":5:71: token_uri: https is expected" },
		{ "no mapping", BASE "  k: a\n", ":5:6: k: a mapping" },
		{ "no relay", NO_RELAY "  k: {header: api-key, file: f}\n",
			":4:3: credentials: needs the section relay" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a;
		struct diag d;
		char want[512];
		const struct config *c = load(&a, &d, rows[i].in);
		struct span got = buf_view(&d.text);
		snprintf(want, sizeof(want), "%s%s", path("c.yaml"), rows[i].want);
		if (c || d.errors != 1 || !span_starts(got, span_str(want)))
			fail_msg("%s: %u errors: %.*s", rows[i].name, d.errors, SPAN_ARG(got));
		done(&a, &d);
	}
}

/* ---- with the policy ---- */

#define POLICY                                                                                 \
	"tollgate: 1\nname: p\nproviders:\n  aws: {backend: x, dialect: bedrock}\n"            \
	"  own: {backend: x, dialect: openai}\nroutes:\n"                                      \
	"  - {name: a, match: {path: /v1/chat/completions}, targets: [own]}\n"                 \
	"  - {name: b, match: {path_prefix: /model/}, targets: [aws]}\n"

static void
target_has_its_providers_credential_and_takes_the_relay(void **state)
{
	struct arena a;
	struct diag d;
	struct detect_rules *rules = NULL;
	const struct config *c =
		load(&a, &d, BASE "  aws: {sigv4: {region: r, file: f}}\nbackends: [x]\n");

	(void)state;
	put("p.yaml", POLICY);
	assert_non_null(c);
	const struct policy *p = policy_open(&a, c->policy, c, NULL, &rules, &d);
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	assert_null(p->routes[0].targets[0].credential);
	assert_false(p->routes[0].targets[0].relay);
	assert_ptr_equal(p->routes[1].targets[0].credential, &c->credentials[0]);
	assert_true(p->routes[1].targets[0].relay);
	detect_free(&rules);
	done(&a, &d);
}

static void
credential_of_an_unknown_provider_is_an_error(void **state)
{
	static const struct {
		const char *name, *shadow;
		bool in_shadow; /* only the shadow policy has the provider, which is no error */
	} rows[] = {
		{ "of the policy", "", false },
		{ "of the shadow policy", "shadow_policy: p.yaml\n", true },
	};

	(void)state;
	put("p.yaml", POLICY);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[512];
		struct arena a;
		struct diag d;
		struct detect_rules *rules = NULL;
		snprintf(text, sizeof(text),
			BASE "  asw: {sigv4: {region: r, file: f}}\nbackends: [x]\n%s",
			rows[i].shadow);
		if (rows[i].in_shadow)
			memcpy(text, "policy: q", 9);
		const struct config *c = load(&a, &d, text);
		assert_non_null(c);
		const struct policy *p = policy_open(&a,
			rows[i].in_shadow ? c->shadow_policy : c->policy, c, NULL, &rules, &d);
		struct span said = buf_view(&d.text);
		if (rows[i].in_shadow
				? !p
				: p || !memmem(said.p, said.n, "asw, did you mean aws?", 22))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(said));
		detect_free(&rules);
		done(&a, &d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_credential_is_read_with_its_defaults),
		cmocka_unit_test(errors_in_credentials_have_their_position),
		cmocka_unit_test(target_has_its_providers_credential_and_takes_the_relay),
		cmocka_unit_test(credential_of_an_unknown_provider_is_an_error),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
