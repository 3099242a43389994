/* Names that carry credentials, in headers and queries. The shipped HAProxy files must delete
 * the same headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/codec/credentials.h"
#include "base/scoped.h"
#include "support/guard.h"

/* clang-format off */
static const char *const headers[] = {
	"authorization", "Authorization", "proxy-authorization", "x-forwarded-authorization", "cookie", "x-cookie",
	"X-API-KEY", "apikey", "ApiKey", "x-apikey", "api-key", "api_key", "x_api_key", "X-Api_Key", "x-goog-api-key",
	"openai-api-key", "anthropic-api-key", "xi-api-key", "x-rapidapi-key", "ocp-apim-subscription-key", "subscription-key",
	"x-functions-key", "x-amz-security-token", "x-auth-token", "auth-token", "access-token", "x-access-token",
	"x-forwarded-access-token", "x-ms-token-aad-id-token", "private-token", "x-vault-token", "token", "x-token", "x-auth", "auth",
	"x-key", "key", "x-client-secret", "cf-access-client-secret", "cf-access-client-id", "cf-access-jwt-assertion",
	"x-goog-iap-jwt-assertion", "x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "dpop", "helicone-auth",
	"openai-organization", "OpenAI-Project", "anthropic-organization-id", "anthropic-workspace-id", "x-goog-user-project",
	"mcp_param_api_key", "mcp_cookie", "mcpapi-key", "x-api-key-", "x__api--key_", "x-openai-key", "x-password", "x-github-token", "x-litellm-master-key",
};
static const char *const no_headers[] = {
	"", "-", "x", "x-api-key2", "x-api-keys", "x-api.key", "accept", "authorized", "host", "content-type", "idempotency-key", "x-csrf-token",
	"mcp-session-id", "anthropic-version", "anthropic-beta", "openai-beta", "x-my-key", "x-next-token", "x-tokens", "traceparent",
	"x-amz-date", "user-agent", "x-stainless-lang", "-token", "ey",
	"mcp-param-api-key", "Mcp-Param-Password", "MCP-PARAM-TOKEN", "mcp-cookie", "mcp-api-key",
};
static const struct { const char *query, *left; } queries[] = {
	{ "", "" }, { "a=1&b=2", "a=1&b=2" }, { "&&a=1&&", "&&a=1&&" }, { "page_token=x&next-token=y", "page_token=x&next-token=y" },
	{ "keyboard=x&monkey=y&keys=1&tokens=9&sort_key=z", "keyboard=x&monkey=y&keys=1&tokens=9&sort_key=z" },
	{ "q=token&x=api_key", "q=token&x=api_key" }, { "q=a%26b&r=%3D", "q=a%26b&r=%3D" },
	{ "a=1&key=s&b=2", "a=1&b=2" }, { "key=s", "" }, { "key=s&a=1", "a=1" }, { "a=1&key=s", "a=1" }, { "key", "" }, { "key=", "" },
	{ "KEY=s&Api_Key=s&API-KEY=s&apiKey=s&x-api-key=s&a", "a" }, { "subscription-key=s&x-goog-api-key=s&token=s&a", "a" },
	{ "auth_token=s&authorization=s&access_token=s&accessToken=s&a", "a" }, { "client_secret=s&id_token=s&jwt=s&sig=s&password=s&a", "a" },
	{ "X-Amz-Signature=s&X-Amz-Credential=s&X-Amz-Security-Token=s&X-Amz-Date=d", "X-Amz-Date=d" },
	{ "%6bey=s&k%65y=s&%6B%45%79=s&a", "a" }, { "%256bey=s&k%2565y=s&%25256bey=s&a", "a" },
	{ "api%5Fkey=s&api%2dkey=s&api.key=s&api+key=s&api%20key=s&a", "a" }, { "+key=s&%20key=s&key+=s&%09key=s&?key=s&a", "a" },
	{ "key%00=s&key%00x=s&a", "a" }, { "key[]=s&key[0]=s&key%5B%5D=s&key[a]=s&auth[token]=s&a", "a" },
	{ "a=1;key=s;b=2", "a=1;b=2" }, { "a=1;key=s&b=2;token=s", "a=1&b=2" }, { "key=1&key=2&key=3&key=4&a=1", "a=1" },
	{ "key%3Ds&a", "a" }, { "b%26key=s&a", "a" }, { "b=1%26key=s&a", "a" }, { "b=1%3bkey%3ds&a", "a" }, { "=key&a", "=key&a" },
	{ "$httpMethod=DELETE&%24httpMethod=GET&$http_method=X&x-http-method-override=Y&_method=PUT&_METHOD=PUT&a", "a" },
	{ "method=card&http_methods=a&paymentMethod=b", "method=card&http_methods=a&paymentMethod=b" },
	{ "a=%&key=s&b=%zz", "a=%&b=%zz" }, { "a=%25&%25=b&token%25=s", "a=%25&%25=b" },
};
/* clang-format on */

static void
headers_that_override_method_or_path_are_known(void **state)
{
	static const char *const yes[] = { "x-http-method-override", "X_HTTP_Method_Override",
		"x-http-method", "X-Method-Override", "x-original-url", "X-Original-URI",
		"x-rewrite-url", "X-Rewrite-Uri", "x-original-method", "http-method-override",
		"x-forwarded-uri", "X_Forwarded_Path", "x-forwarded-method",
		"x-forwarded-prefix", "x-original-host", "x-proxy-url", "x-arbitrary-url",
		"x-waws-unencoded-url", "x-request-uri" };
	static const char *const no[] = { "access-control-request-method", "x-method-name",
		"content-location", "referer", "x-forwarded-for", "x-forwarded-host",
		"x-forwarded-proto", "x-forwarded-port", "x-request-id", "x-url", "url",
		"method", "x-original-to" };

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!header_overrides(span_str(yes[i])))
			fail_msg("%s passes", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (header_overrides(span_str(no[i])))
			fail_msg("%s does not pass", no[i]);
}

static void
credential_headers_are_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (!credential_header(span_str(headers[i])))
			fail_msg("%s passes", headers[i]);
	for (size_t i = 0; i < sizeof(no_headers) / sizeof(no_headers[0]); i++)
		if (credential_header(span_str(no_headers[i])))
			fail_msg("%s does not pass", no_headers[i]);
}

static void
credentials_are_removed_from_queries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		size_t n = strlen(queries[i].query);
		char *in = guard_dup(queries[i].query, n);
		char *out = malloc(n + 1);
		bool has = credential_query(span_of(in, n));
		size_t left = has ? credential_query_without(span_of(in, n), out) : n;
		if (!has)
			memcpy(out, in, n);
		out[left] = '\0';
		if (strcmp(out, queries[i].left))
			fail_msg("%s: %s, not %s", queries[i].query, out, queries[i].left);
		free(out);
		guard_free(in, n);
	}
}

/* A spelled name has at most 128 bytes and is examined once. Code that examined all earlier
 * bytes at each byte would exceed the test's time limit. */
static void
long_query_takes_linear_time(void **state)
{
	static char q[512 << 10];
	static const char *const fill[] = { "k", "-", "[", "%6b", "key[", "%25", "a&", "&" };

	(void)state;
	for (size_t i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
		for (size_t n = 0; n < sizeof(q); n++)
			q[n] = fill[i][n % strlen(fill[i])];
		assert_false(credential_query(span_of(q, sizeof(q))));
	}
}

/* Every line of the shipped files that deletes request credentials deletes the whole list and
 * nothing else. */
static void
haproxy_files_delete_the_whole_list(void **state)
{
	struct buf want;
	size_t lines = 0, common = 0;
	DIR *d = opendir("haproxy");

	(void)state;
	if (!d) {
		print_message("SKIP: no haproxy/ here\n");
		skip();
	}
	buf_init(&want, 0);
	buf_str(&want, " " CREDENTIAL_BEGINS "(");
	for (const struct credential_name *c = credential_names; c->name; c++) {
		if (!(c->where & CREDENTIAL_HEADER))
			continue;
		buf_str(&want, c == credential_names ? "" : "|");
		for (const char *p = c->name; *p; p++)
			if (*p == '-')
				buf_str(&want, "[-_]*");
			else
				buf_putc(&want, *p);
	}
	buf_str(&want, ")[-_]*$ -m reg");
	buf_putc(&want, 0);
	for (struct dirent *e; (e = readdir(d));) {
		char path[512], line[4096];
		const char *dot = strrchr(e->d_name, '.');
		if (!dot || strcmp(dot, ".cfg"))
			continue;
		snprintf(path, sizeof(path), "haproxy/%s", e->d_name);
		FILE *f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f)) {
			if (strstr(line, " " CREDENTIAL_COMMON " -m reg"))
				common++;
			else if (strstr(line, "(authorization|")) {
				lines++;
				if (!strstr(line, buf_view(&want).p) ||
					!strstr(line, " { req.hdr_names -m reg " CREDENTIAL_WORDS " }"))
					fail_msg("%s: %s does not hold %s, or its condition", path,
						line, buf_view(&want).p);
			}
		}
		fclose(f);
	}
	closedir(d);
	buf_free(&want);
	assert_true(lines > 0);
	assert_int_equal(common, lines);
}

/* Otherwise HAProxy would not try the expression that deletes the name. */
static void
each_name_has_a_word_of_haproxys_condition(void **state)
{
	static const char *const dashes[] = { "", "-", "_", "--" };
	regex_t words;

	(void)state;
	assert_int_equal(regcomp(&words, CREDENTIAL_WORDS, REG_EXTENDED | REG_NOSUB), 0);
	for (const struct credential_name *c = credential_names; c->name; c++) {
		if (!(c->where & CREDENTIAL_HEADER))
			continue;
		for (size_t i = 0; i < COUNT_OF(dashes); i++) {
			struct buf name;
			buf_init(&name, 0);
			buf_str(&name, "host,x-");
			for (const char *p = c->name + (*c->name == '^'); *p; p++)
				if (*p == '-')
					buf_str(&name, dashes[i]);
				else
					buf_putc(&name, *p);
			buf_str(&name, ",accept");
			buf_putc(&name, 0);
			if (regexec(&words, buf_view(&name).p, 0, NULL, 0) != 0)
				fail_msg("%s has no word of CREDENTIAL_WORDS", buf_view(&name).p);
			buf_free(&name);
		}
	}
	regfree(&words);
}

/* The shipped stanzas delete the fields that no API needs, and so does the gate. */
static void
haproxy_files_keep_fields_that_an_api_needs(void **state)
{
	static const char *const files[] = { "haproxy/haproxy.cfg", "haproxy/bolt-on.cfg",
		"spoa/operator/edge/joint.cfg" };
	SCOPED_BUF(want, 1 << 14);
	SCOPED_BUF(text, 1 << 20);

	(void)state;
	buf_str(&want, " " SENT_BEGINS);
	for (size_t i = 0; sent_fields[i]; i++) {
		buf_str(&want, i ? "|" : "");
		for (const char *p = sent_fields[i]; *p; p++)
			buf_str(&want, *p == '*' ? ".*" : (char[]){ *p, 0 });
	}
	buf_str(&want, SENT_ENDS " -m reg");
	buf_putc(&want, 0);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		buf_clear(&text);
		assert_true(buf_file(&text, files[i]));
		buf_putc(&text, 0);
		if (!strstr(text.p, want.p))
			fail_msg("%s does not hold %s", files[i], want.p);
	}
}

/* Proxies that log people in, and clients, write the other names about the caller. */
static void
headers_about_the_caller_stay_inside(void **state)
{
	static const struct {
		const char *name;
		bool sent;
	} names[] = { { "x-auth-request-email", false },
		{ "x-auth-request-preferred-username", false },
		{ "cf-access-authenticated-user-email", false }, { "x-forwarded-email", false },
		{ "x-goog-authenticated-user-email", false },
		{ "x-goog-authenticated-user-id", false },
		{ "x-goog-iap-jwt-assertion", false }, { "x-ms-client-principal-name", false },
		{ "x-ms-client-principal-id", false }, { "x-amzn-oidc-identity", false },
		{ "x-amzn-trace-id", false }, { "x-amzn-mtls-clientcert-subject", false },
		{ "remote-user", false }, { "remote-email", false }, { "remote-groups", false },
		{ "ssl-client-s-dn", false }, { "x-ssl-client-cn", false },
		{ "x-client-cert", false }, { "x-forwarded-client-cert", false },
		{ "client-cert", false }, { "x-country-code", false },
		{ "cf-ipcountry", false }, { "x-authentik-email", false },
		{ "x-pomerium-claim-email", false }, { "x-vouch-user", false },
		{ "x-webauth-user", false }, { "x-user", false }, { "x-remote-user", false },
		{ "x-userinfo", false }, { "x-consumer-username", false },
		{ "x-teleport-user", false }, { "tailscale-user-login", false },
		{ "x-credential-username", false }, { "origin", false }, { "referer", false },
		{ "from", false }, { "via", false }, { "forwarded", false },
		{ "x-real-ip", false }, { "accept-language", false }, { "baggage", false },
		{ "tracestate", false }, { "sec-ch-ua-platform", false },
		{ "x-request-id", false }, { "x-title", false }, { "http-referer", false },
		{ "x_stainless_lang", false }, { "acceptable", false }, { "hosts", false },
		{ "", false }, { "x-stainless", false }, { "mcp", false }, { "accept", true },
		{ "Content-Type", true }, { "content-length", true }, { "User-Agent", true },
		{ "Host", true }, { "transfer-encoding", true }, { "anthropic-beta", true },
		{ "anthropic-version", true }, { "OpenAI-Beta", true },
		{ "X-Stainless-Retry-Count", true }, { "x-goog-api-client", true },
		{ "X-Goog-Upload-Command", true }, { "amz-sdk-request", true },
		{ "x-amzn-bedrock-guardrailidentifier", true }, { "x-fern-sdk-name", true },
		{ "Mcp-Session-Id", true }, { "mcp-param-region", true },
		{ "idempotency-key", true }, { "traceparent", true },
		{ "if-none-match", true } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (field_is_sent(span_str(names[i].name)) != names[i].sent)
			fail_msg("%s", names[i].name);
}

/* Names of headers that a rule of the operator's HAProxy may add with the caller's address. */
static void
fields_with_the_callers_address_are_known(void **state)
{
	static const char *const yes[] = { "x-forwarded-for", "x_forwarded_for",
		"X-Forwarded-For", "x-forwarded", "forwarded", "referer", "via", "x-real-ip",
		"true-client-ip", "cf-connecting-ipv6", "x-original-forwarded-for" };
	static const char *const no[] = { "viable", "x-via", "referers", "x-title",
		"mcp-param-client-ip", "user-agent", "x-real-ip-hash", "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(yes); i++)
		if (!caller_field(span_str(yes[i])))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < COUNT_OF(no); i++)
		if (caller_field(span_str(no[i])))
			fail_msg("%s", no[i]);
}

/* As in HAProxy: names in lower case, matched with a regular expression library. */
static void
only_names_beginning_with_mcp_are_kept(void **state)
{
	static const char letters[] = "mcp-_xk";
	char name[16];
	regex_t re;

	(void)state;
	assert_int_equal(
		regcomp(&re, CREDENTIAL_BEGINS "(api[-_]*key|^key)[-_]*$", REG_EXTENDED), 0);
	for (size_t n = 0, of = 1; n <= 5; n++, of *= sizeof(letters) - 1)
		for (size_t i = 0; i < of; i++) {
			size_t digits = i;
			for (size_t k = 0; k < n; k++, digits /= sizeof(letters) - 1)
				name[k] = letters[digits % (sizeof(letters) - 1)];
			memcpy(name + n, "api-key", sizeof("api-key"));
			bool deleted = regexec(&re, name, 0, NULL, 0) == 0;
			if (deleted != (strncmp(name, "mcp-", 4) != 0) ||
				deleted != credential_header(span_str(name)) ||
				deleted == credential_argument(span_str(name)))
				fail_msg("%s", name);
		}
	assert_int_equal(regexec(&re, "key", 0, NULL, 0), 0);
	assert_int_not_equal(regexec(&re, "mkey", 0, NULL, 0), 0);
	assert_int_not_equal(regexec(&re, "x-key", 0, NULL, 0), 0);
	assert_false(credential_argument(SPAN_LIT("mcp-param-region")));
	regfree(&re);
}

static void
manual_names_all_headers(void **state)
{
	static char page[256 << 10];
	FILE *f = fopen("docs/man/tollgate-policy.5", "r");

	(void)state;
	if (!f) {
		print_message("SKIP: no docs/ here\n");
		skip();
	}
	size_t n = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	page[n] = '\0';
	for (const struct credential_name *c = credential_names; c->name; c++) {
		char want[64];
		snprintf(want, sizeof(want), " %s ", c->name + (*c->name == '^'));
		if (!strstr(page, want))
			fail_msg("tollgate-policy(5) does not name %s", want);
	}
}

/* A field that the relay sets must be deleted before. */
static void
fields_that_the_relay_sets_are_deleted_before(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; credential_set[i]; i++) {
		snprintf(name, sizeof(name), CREDENTIAL_SET "%s", credential_set[i]);
		assert_true(credential_header(span_str(credential_set[i])));
		assert_true(credential_header(span_str(name)));
	}
	assert_false(credential_header(SPAN_LIT("x-amz-date")));
	assert_false(credential_header(SPAN_LIT("x-amz-content-sha256")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_override_method_or_path_are_known),
		cmocka_unit_test(credential_headers_are_known),
		cmocka_unit_test(credentials_are_removed_from_queries),
		cmocka_unit_test(long_query_takes_linear_time),
		cmocka_unit_test(haproxy_files_delete_the_whole_list),
		cmocka_unit_test(each_name_has_a_word_of_haproxys_condition),
		cmocka_unit_test(haproxy_files_keep_fields_that_an_api_needs),
		cmocka_unit_test(headers_about_the_caller_stay_inside),
		cmocka_unit_test(fields_with_the_callers_address_are_known),
		cmocka_unit_test(only_names_beginning_with_mcp_are_kept),
		cmocka_unit_test(manual_names_all_headers),
		cmocka_unit_test(fields_that_the_relay_sets_are_deleted_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
