/* dialect/urls: URLs of the provider in responses, and in the requests that send them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/scoped.h"
#include "scan/dialect/urls.h"
#include "support/guard.h"
#include "support/pages.h"

/* clang-format off */
/* `to` NULL: the document stays. The caller's host is gw:8443, by https unless the path begins
 * with "!". */
static const struct {
	const char *name, *dialect, *path, *json, *to;
} documents[] = {
	{ "results of a batch", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com/v1/messages/batches/b/results'}", "{'results_url':'https://gw:8443/v1/messages/batches/b/results'}" },
	{ "http, if the caller came by http", "anthropic", "!/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com/v1/messages/batches/b/results'}", "{'results_url':'http://gw:8443/v1/messages/batches/b/results'}" },
	{ "null stays", "anthropic", "/v1/messages/batches/b", "{'results_url':null}", NULL },
	{ "another member stays", "anthropic", "/v1/messages/batches/b", "{'url':'https://api.anthropic.com/v1/messages/batches/b/results'}", NULL },
	{ "another endpoint stays", "anthropic", "/v1/messages", "{'results_url':'https://api.anthropic.com/v1/messages/batches/b/results'}", NULL },
	{ "the gateway's own URL stays", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://GW:8443/v1/messages/batches/b/results'}", NULL },
	{ "another server's URL with a path of the API", "anthropic", "/v1/messages/batches/b", "{'results_url':'http://10.0.0.1:9000/v1/messages/batches/b/results'}", "{'results_url':'https://gw:8443/v1/messages/batches/b/results'}" },
	{ "another server's other URL stays", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://files.example.com/b.jsonl?sig=x'}", NULL },
	{ "the provider's host with an unknown path", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com/v9/x'}", "{'results_url':'https://gw:8443/v9/x'}" },
	{ "a host that only begins like the provider's stays", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com.example.com/x'}", NULL },
	{ "a user name is no host", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com@example.com/x'}", NULL },
	{ "a backslash is no URL", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com\\\\x'}", NULL },
	{ "the caller's prefix is added", "anthropic", "/claude/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com/v1/messages/batches/b/results'}", "{'results_url':'https://gw:8443/claude/v1/messages/batches/b/results'}" },
	{ "the provider's prefix is removed", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://r.services.ai.azure.com/anthropic/v1/messages/batches/b/results'}", "{'results_url':'https://gw:8443/v1/messages/batches/b/results'}" },
	{ "equal prefixes stay", "anthropic", "/anthropic/v1/messages/batches/b", "{'results_url':'https://r.services.ai.azure.com/anthropic/v1/messages/batches/b/results'}", "{'results_url':'https://gw:8443/anthropic/v1/messages/batches/b/results'}" },
	{ "a URL without a scheme", "anthropic", "/v1/messages/batches/b", "{'results_url':'//api.anthropic.com/v1/messages/batches/b/results'}", "{'results_url':'https://gw:8443/v1/messages/batches/b/results'}" },
	{ "one of another server stays", "anthropic", "/v1/messages/batches/b", "{'results_url':'//files.example.com/b.jsonl'}", NULL },
	{ "escaped slashes", "anthropic", "/v1/messages/batches", "{'data':[{'results_url':'https:\\/\\/api.anthropic.com\\/v1\\/messages\\/batches\\/b\\/results'}]}", "{'data':[{'results_url':'https://gw:8443/v1/messages/batches/b/results'}]}" },
	{ "a query and a fragment stay, a key does not", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com/v1/x?a=1&key=k&b=2#f'}", "{'results_url':'https://gw:8443/v1/x?a=1&b=2#f'}" },
	{ "no path", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com?key=k'}", "{'results_url':'https://gw:8443'}" },
	{ "a regional host of Vertex", "gemini", "/v1/projects/p/locations/l/operations/o", "{'response':{'generatedSamples':[{'video':{'uri':'https://us-central1-aiplatform.googleapis.com/v1/x'}}]}}", "{'response':{'generatedSamples':[{'video':{'uri':'https://gw:8443/v1/x'}}]}}" },
	{ "an event of an interaction", "gemini", "/v1beta/interactions/i", "{'event_type':'step.delta','delta':{'type':'video','uri':'https://generativelanguage.googleapis.com/v1beta/files/f:download?alt=media'}}", "{'event_type':'step.delta','delta':{'type':'video','uri':'https://gw:8443/v1beta/files/f:download?alt=media'}}" },
	{ "the base of another row does not become a prefix", "gemini", "/g/v1beta/models/m/operations/o", "{'response':{'generatedSamples':[{'video':{'uri':'https://generativelanguage.googleapis.com/v1beta/files/f'}}]}}", "{'response':{'generatedSamples':[{'video':{'uri':'https://gw:8443/g/v1beta/files/f'}}]}}" },
	{ "a file's uri stays", "gemini", "/v1beta/files/f", "{'uri':'https://generativelanguage.googleapis.com/v1beta/files/f'}", NULL },
	{ "a cut document stays", "anthropic", "/v1/messages/batches/b", "{'results_url':'https://api.anthropic.com/x'", NULL },
};
/* Bodies of requests. */
static const struct {
	const char *name, *dialect, *path, *json, *to;
} bodies[] = {
	{ "a video to extend", "gemini", "/v1beta/models/m:predictLongRunning", "{'instances':[{'video':{'uri':'https://gw:8443/v1beta/files/f:download?alt=media'}}]}", "{'instances':[{'video':{'uri':'https://generativelanguage.googleapis.com/v1beta/files/f:download?alt=media'}}]}" },
	{ "with the caller's prefix", "gemini", "/g/v1beta/models/m:generateContent", "{'contents':[{'parts':[{'fileData':{'fileUri':'http://gw:8443/g/v1beta/files/f'}}]}]}", "{'contents':[{'parts':[{'fileData':{'fileUri':'https://generativelanguage.googleapis.com/v1beta/files/f'}}]}]}" },
	{ "text stays", "gemini", "/v1beta/models/m:generateContent", "{'contents':[{'parts':[{'text':'https://gw:8443/v1beta/files/f'}]}]}", NULL },
	{ "another path of the gateway stays", "gemini", "/v1beta/models/m:generateContent", "{'contents':[{'parts':[{'fileData':{'fileUri':'https://gw:8443/doc.pdf'}}]}]}", NULL },
	{ "another host stays", "gemini", "/v1beta/models/m:generateContent", "{'contents':[{'parts':[{'fileData':{'fileUri':'https://gw/v1beta/files/f'},'x':'gw:8443'}]}]}", NULL },
	{ "other families have no such member", "openai", "/v1/responses", "{'input':[{'content':[{'image_url':'https://gw:8443/v1/files/f'}]}]}", NULL },
};
static const struct {
	const char *name, *dialect, *path, *field, *value, *to;
} fields[] = {
	{ "location", "openai", "/v1/files", "Location", "https://api.openai.com/v1/files/f", "https://gw:8443/v1/files/f" },
	{ "a location without a scheme", "openai", "/v1/files", "location", "//api.openai.com/v1/files/f", "https://gw:8443/v1/files/f" },
	{ "two slashes and no host stay", "openai", "/v1/files", "location", "///v1/files/f", "///v1/files/f" },
	{ "a relative location stays", "openai", "/v1/realtime/calls", "location", "/v1/realtime/calls/c", "/v1/realtime/calls/c" },
	{ "an operation of Azure", "openai", "/openai/v1/files", "operation-location", "https://r.openai.azure.com/openai/operations/images/o?api-version=1", "https://gw:8443/openai/operations/images/o?api-version=1" },
	{ "links", "openai", "/v1/files", "link", "<https://api.openai.com/v1/files?after=f>; rel=\"next\", <https://x.org/>", "<https://gw:8443/v1/files?after=f>; rel=\"next\", <https://x.org/>" },
	{ "an open bracket", "openai", "/v1/files", "link", "<https://api.openai.com/v1/files", "<https://gw:8443/v1/files" },
	{ "an upload", "gemini", "/upload/v1beta/files", "X-Goog-Upload-URL", "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=u&key=k", "https://gw:8443/upload/v1beta/files?upload_id=u" },
	{ "another field stays", "openai", "/v1/files", "x-docs", "https://api.openai.com/v1/files", "https://api.openai.com/v1/files" },
	{ "an empty value", "openai", "/v1/files", "location", "", "" },
};
/* Endpoints whose responses must pass the relay. */
static const struct {
	const char *dialect, *method, *path;
	bool leads;
} relayed[] = {
	{ "anthropic", "GET", "/v1/messages/batches/b", true },
	{ "anthropic", "POST", "/v1/messages/batches", true },
	{ "anthropic", "POST", "/v1/messages", false },
	{ "gemini", "POST", "/upload/v1beta/files", true },
	{ "gemini", "GET", "/v1beta/models/m/operations/o", true },
	{ "gemini", "POST", "/v1beta/models/m:generateContent", false },
	{ "openai", "POST", "/openai/images/generations:submit", true },
	{ "openai", "POST", "/v1/chat/completions", false },
	{ "openai", "POST", "/v1/images/generations", false },
	{ "rest", "GET", "/orders", false },
};
/* clang-format on */

static char *
quoted(const char *text)
{
	char *s = strdup(text);

	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	return s;
}

static struct url_lead
lead_at(const char *dialect, const char *method, const char *path)
{
	const struct dialect *d = dialect_find(span_str(dialect));
	struct url_lead l = { .family = d,
		.https = *path != '!',
		.host = SPAN_LIT("gw:8443"),
		.path = span_str(path + (*path == '!')) };

	l.endpoint = dialect_endpoint(d, span_str(method), l.path).name;
	return l;
}

static void
one_document(const char *name, const struct url_lead *l, const char *json, const char *want,
	int (*edits)(const struct url_lead *, struct span, struct arena *, struct splice **))
{
	char *text = quoted(json), *to = want ? quoted(want) : strdup(text);
	size_t length = strlen(text);
	char *p = guard_dup(text, length);
	struct splice *v;
	struct arena a;
	SCOPED_BUF(out, 0);

	arena_init(&a, 0, false);
	int n = edits(l, span_of(p, length), &a, &v);
	if (n < 0 || (n > 0) != (want != NULL))
		fail_msg("%s: %d edits", name, n);
	assert_int_equal(splice_apply(span_of(p, length), v, (size_t)n, &out), 0);
	if (!span_is(buf_view(&out), to))
		fail_msg("%s: %.*s", name, SPAN_ARG(buf_view(&out)));
	guard_free(p, length);
	arena_reset(&a);
	free(text);
	free(to);
}

static void
urls_of_responses_lead_to_the_gateway(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(documents); i++) {
		struct url_lead l = lead_at(documents[i].dialect, "GET", documents[i].path);
		one_document(documents[i].name, &l, documents[i].json, documents[i].to,
			url_lead_document);
	}
}

static void
urls_of_requests_return_to_the_provider(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct url_lead l = lead_at(bodies[i].dialect, "POST", bodies[i].path);
		one_document(bodies[i].name, &l, bodies[i].json, bodies[i].to, url_lead_back);
	}
}

static void
urls_in_fields_lead_to_the_gateway(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		struct url_lead l = lead_at(fields[i].dialect, "POST", fields[i].path);
		size_t length = strlen(fields[i].value);
		char *p = guard_dup(fields[i].value, length);
		struct arena a;

		arena_init(&a, 0, false);
		struct span got =
			url_lead_field(&l, span_str(fields[i].field), span_of(p, length), &a);
		if (!span_is(got, fields[i].to))
			fail_msg("%s: %.*s", fields[i].name, SPAN_ARG(got));
		guard_free(p, length);
		arena_reset(&a);
	}
}

static void
responses_with_urls_pass_the_relay(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(relayed); i++) {
		struct endpoint e = dialect_endpoint(dialect_find(span_str(relayed[i].dialect)),
			span_str(relayed[i].method), span_str(relayed[i].path));
		if (e.leads != relayed[i].leads)
			fail_msg("%s %s", relayed[i].method, relayed[i].path);
	}
}

/* A row names an endpoint that its family has. */
static void
rows_name_families(void **state)
{
	size_t n;
	const struct url_row *r = dialect_url_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		if (r[i].dialect && !dialect_find(span_str(r[i].dialect)))
			fail_msg("%s", r[i].dialect);
}

/* docs/dialects.md lists each row with what the gateway does. */
static void
page_lists_all_rows(void **state)
{
	static const char *const does[] = { [URL_FOLLOWED] = "changed",
		[URL_RETURNED] = "returned",
		[URL_AS_ID] = "id",
		[URL_SIGNED] = "signed",
		[URL_PUBLIC] = "public" };
	size_t n;
	const struct url_row *r = dialect_url_rows(&n);
	static char page[65536];
	bool all = true;

	(void)state;
	read_file("docs/dialects.md", page, sizeof(page));
	for (size_t i = 0; i < n; i++) {
		char line[256];
		snprintf(line, sizeof(line), "| %s | %s | `%s` | %s |",
			r[i].dialect ? r[i].dialect : "any",
			r[i].endpoint ? r[i].endpoint : "any", r[i].path, does[r[i].kind]);
		if (!strstr(page, line))
			print_error("docs/dialects.md lacks: %s\n", line);
		all = all && strstr(page, line);
	}
	assert_true(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_of_responses_lead_to_the_gateway),
		cmocka_unit_test(urls_of_requests_return_to_the_provider),
		cmocka_unit_test(urls_in_fields_lead_to_the_gateway),
		cmocka_unit_test(responses_with_urls_pass_the_relay),
		cmocka_unit_test(rows_name_families),
		cmocka_unit_test(page_lists_all_rows),
	};

	return cmocka_run_group_tests_name("urls", tests, NULL, NULL);
}
