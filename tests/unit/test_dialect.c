/* dialect/: endpoints by path, and the segments of a realistic body for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>

#include "scan/dialect/family.h"
#include "support/body_dump.h"
#include "support/guard.h"

/* Writes how a request is read: first a line of facts, then each value as role path=text. A
 * star marks reserved values, a hash opaque ones. */
static void
describe(struct buf *out, const struct endpoint *e, const struct body *b, struct span raw,
	struct arena *a)
{
	buf_printf(out, "%s model=%.*s%s", e->name ? e->name : "-", SPAN_ARG(b->model),
		b->stream ? " stream" : "");
	if (b->output_cap_tokens >= 0)
		buf_printf(out, " cap=%d", (int)b->output_cap_tokens);
	if (b->choices != 1)
		buf_printf(out, " n=%d", (int)b->choices);
	for (size_t i = 0; i < b->ntools; i++)
		buf_printf(out, " calls=%.*s", SPAN_ARG(b->tools[i]));
	for (size_t i = 0; i < b->unread.nmedia; i++)
		buf_printf(out, " media=%.*s", SPAN_ARG(b->unread.media[i].kind));
	if (b->unread.sealed)
		buf_printf(out, " sealed=%d", (int)b->unread.sealed);
	for (size_t i = 0; i < b->nothers; i++)
		buf_printf(out, " also=%.*s", SPAN_ARG(b->others[i]));
	for (size_t i = 0; i < b->nrefs; i++)
		buf_printf(out, " ref=%s:%d", b->refs[i].kind, (int)b->refs[i].n);
	buf_putc(out, '\n');
	body_dump(out, b, raw, a, false);
}

/* tests/data/dialects.txt has blocks of "== NAME", "DIALECT PATH [TYPE]", the body, "--" and
 * the expected description. $NOISE is base64 that decodes to no text. */
static char *
whole_file(const char *name)
{
	FILE *f = fopen(name, "r");
	char *text = NULL;
	size_t n = 0;

	assert_non_null(f);
	assert_true(getdelim(&text, &n, '\0', f) > 0);
	fclose(f);
	return text;
}

static struct span
until(struct span *rest, const char *mark)
{
	const char *at = memmem(rest->p, rest->n, mark, strlen(mark));

	assert_non_null(at);
	struct span s = span_of(rest->p, (size_t)(at - rest->p));
	*rest = span_cut(*rest, s.n + strlen(mark), rest->n);
	return s;
}

/* Replaces $NOISE and writes line ends as in multipart. */
static char *
spelled_out(struct span in, bool crlf, size_t *n)
{
	static const char noise[] =
		"/9j/q3f9Zk1xWv8Yb2Lr7Tn0Hs5Jd6Gc4Ma/"
		"EpUoIi+XyBwQeRtAzNhKjFlDgSvCmPu9a8s7d6f5g4h3"
		"j2k1lQwErTyUiOpAsDfGhJkLzXcVbNm0987654321/"
		"+abcdEFGq3f9Zk1xWv8Yb2Lr7Tn0Hs5Jd6Gc4Ma/"
		"EpUoIi+"
		"XyBwQeRtAzNhKjFlDgSvCmPu9a8s7d6f5g4h3j2k1lQwErTyUiOpAsDfGhJkLzXcVbNm0987654"
		"321/+abcdEFGZZqp/0918273645aAbBcCdDeEfFgGhHiI+jJkKlLmMnNoOpPqQ";
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < in.n; i++) {
		if (span_starts(span_cut(in, i, in.n), SPAN_LIT("$NOISE"))) {
			buf_str(&out, noise);
			i += strlen("$NOISE") - 1;
		} else {
			if (crlf && in.p[i] == '\n')
				buf_putc(&out, '\r');
			buf_putc(&out, in.p[i]);
		}
	}
	*n = out.n;
	char *p = guard_dup(buf_view(&out).p, out.n);
	buf_free(&out);
	return p;
}

static void
endpoint_reads_its_body(void **state)
{
	char *text = whole_file("tests/data/dialects.txt");
	struct span rest = span_str(text);
	unsigned bad = 0, rows = 0;

	(void)state;
	until(&rest, "\n== ");
	while (rest.n) {
		struct span name = until(&rest, "\n"), head = until(&rest, "\n"),
			    in = until(&rest, "\n--\n");
		const char *next = memmem(rest.p, rest.n, "\n== ", 4);
		struct span want = next ? until(&rest, "\n== ") : rest;
		if (!next)
			rest.n = 0;
		want = span_trim(want, "\n");
		const struct dialect *d = dialect_find(span_next(&head, ' '));
		struct span path = span_next(&head, ' '), type = head;
		assert_non_null(d);
		struct endpoint e = dialect_endpoint(d, SPAN_LIT("POST"), path);
		struct body_refusal why;
		struct body b;
		struct arena a;
		struct buf out;
		size_t n;
		char *p = spelled_out(in, span_starts(type, SPAN_LIT("multipart/")), &n);
		struct span raw = span_of(p, n);
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		if (body_read(e.table, type, raw, &a, &b, &why) ||
			endpoint_settle(&e, path, &a, &b, &why))
			buf_printf(&out, "%d %s: %s\n", why.status, why.code, why.why);
		else
			describe(&out, &e, &b, raw, &a);
		if (!span_eq(span_trim(buf_view(&out), "\n"), want)) {
			fprintf(stderr, "== %.*s: got\n%.*s\nwant\n%.*s\n", SPAN_ARG(name),
				SPAN_ARG(buf_view(&out)), SPAN_ARG(want));
			bad++;
		}
		rows++;
		buf_free(&out);
		arena_reset(&a);
		guard_free(p, n);
	}
	assert_true(rows > 10);
	assert_int_equal(bad, 0);
	free(text);
}

/* ---- paths ---- */

static const struct {
	const char *dialect, *method, *path,
		*want; /* the endpoint's name and where the model is named */
} paths[] = {
	{ "openai", "POST", "/v1/chat/completions", "chat" },
	{ "openai", "POST", "/chat/completions", "chat" },
	{ "openai", "POST", "/any/base/v1/chat/completions", "chat" },
	{ "openai", "GET", "/v1/chat/completionsx", "-" },
	{ "openai", "POST", "/v1/chat/completions/", "-" },
	{ "openai", "POST", "/openai/deployments/gpt-4o/chat/completions", "chat gpt-4o" },
	{ "openai", "POST", "/openai/deployments//chat/completions", "chat" },
	{ "openai", "GET", "/v1/models/ft:gpt-4o:us", "models ft:gpt-4o:us" },
	{ "openai", "DELETE", "/v1/models/x", "models x" },
	/* a call of another family that runs a model */
	{ "openai", "POST", "/v1/models/x:generateContent", "-" },
	{ "openai", "PUT", "/v1/models/x:generateContent", "-" },
	{ "mistral", "POST", "/v1/models/x:streamGenerateContent", "-" },
	{ "mistral", "DELETE", "/v1/models/x", "models x" },
	{ "anthropic", "POST", "/v1/messages", "messages" },
	{ "anthropic", "POST", "/v1/messages/count_tokens", "count free" },
	{ "gemini", "POST", "/v1beta/models/gemini-2.5-pro:generateContent",
		"generate gemini-2.5-pro" },
	{ "gemini", "POST", "/v1beta/models/a:b:streamGenerateContent", "generate a:b stream" },
	{ "gemini", "POST", "/v1beta/models/a%3Ab:countTokens", "count a%3Ab free" },
	{ "gemini", "POST", "/v1beta/tunedModels/mine:generateContent",
		"generate tunedModels/mine" },
	{ "gemini", "POST", "/v1beta/models/:generateContent", "-" },
	{ "gemini", "POST", "/v1beta/models/x:GenerateContent", "-" },
	{ "gemini", "POST",
		"/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
		"generate g stream" },
	{ "gemini", "POST",
		"/v1/projects/p/locations/l/publishers/anthropic/models/"
		"claude@1:streamRawPredict",
		"messages claude@1 stream" },
	{ "gemini", "POST",
		"/v1/projects/p/locations/l/publishers/anthropic/models/"
		"count-tokens:rawPredict",
		"count free" },
	{ "gemini", "GET", "/v1beta/models/x", "models x" },
	{ "bedrock", "POST", "/model/us.anthropic.x%3A0/converse",
		"converse us.anthropic.x%3A0" },
	{ "bedrock", "POST", "/model/arn%3Aaws%3Abedrock%3A%3A1%3Aprofile%2Fx/converse-stream",
		"converse arn%3Aaws%3Abedrock%3A%3A1%3Aprofile%2Fx stream" },
	{ "bedrock", "POST", "/model/m/invoke", "invoke m" },
	{ "bedrock", "POST", "/model/m/invoke-with-response-stream", "invoke m stream" },
	{ "bedrock", "GET", "/model/m/invoke", "-" },
	{ "ollama", "POST", "/api/chat", "chat" },
	{ "rest", "POST", "/v1/chat/completions", "-" },
	/* stored objects: any path below them, after a base of the family */
	{ "openai", "POST", "/v1/vector_stores", "vector_stores" },
	{ "openai", "POST", "/v1/vector_stores/v/search", "vector_stores" },
	{ "openai", "GET", "/v1/vector_stores/v/files/f/content", "vector_stores stored" },
	{ "openai", "DELETE", "/openai/v1/threads/t/messages/m", "threads" },
	{ "openai", "GET", "/v1/threads/t/runs/r", "threads stored" },
	{ "openai", "GET", "/v1/threads//r", "-" },
	{ "openai", "POST", "/threads/v1/chat/completions", "chat" },
	{ "openai", "POST", "/x/v1/vector_stores/v", "-" },
	/* endpoints that run a model, at any base */
	{ "openai", "POST", "/v1/threads/t/runs", "runs unseen" },
	{ "openai", "POST", "/x/v1/threads/t/runs", "runs unseen" },
	{ "openai", "POST", "/v1/threads/runs", "runs unseen" },
	{ "openai", "POST", "/v1/fine_tuning/jobs", "fine_tuning unseen" },
	{ "openai", "POST", "/v1/fine_tuning/jobs/j/cancel", "fine_tuning" },
	{ "openai", "POST", "/v1/evals/e/runs", "evals unseen" },
	{ "openai", "POST", "/v1/evals", "evals" },
	{ "openai", "POST", "/v1/videos", "videos unseen" },
	{ "openai", "GET", "/v1/videos/v/content", "videos stored" },
	{ "openai", "POST", "/v1/realtime/client_secrets", "realtime unseen" },
	{ "openai", "POST", "/v1/responses/input_tokens", "count free" },
	{ "anthropic", "POST", "/v1/skills/s/versions", "skills" },
	{ "anthropic", "POST", "/v1/sessions/s/events", "sessions unseen" },
	{ "anthropic", "GET", "/v1/sessions/s/events/stream", "sessions stored" },
	{ "gemini", "POST", "/v1beta/interactions", "interactions" },
	{ "gemini", "GET", "/v1beta/interactions/i", "interactions stored" },
	{ "gemini", "POST", "/v1beta/models/g:countTokens", "count g free" },
	{ "gemini", "POST", "/v1beta/models/veo:predictLongRunning", "predict veo unseen" },
	{ "gemini", "POST", "/v1beta/fileSearchStores", "file_search_stores" },
	{ "gemini", "POST", "/v1beta/fileSearchStores/s:importFile",
		"file_search_stores unseen" },
	{ "gemini", "POST", "/upload/v1beta/fileSearchStores/s:uploadToFileSearchStore",
		"file_search_stores unseen" },
	{ "gemini", "GET", "/v1beta/fileSearchStores/s/documents",
		"file_search_stores stored" },
	{ "gemini", "GET", "/v1beta/models/veo/operations/o", "operations stored" },
	{ "gemini", "POST", "/v1/projects/p/locations/l/batchPredictionJobs", "batch unseen" },
	{ "bedrock", "POST", "/async-invoke", "async unseen" },
	{ "cohere", "POST", "/v1/embed-jobs", "embed_jobs unseen" },
	{ "cohere", "POST", "/v1/datasets", "datasets" },
	{ "mistral", "POST", "/v1/agents", "agents" },
	{ "mistral", "POST", "/v1/agents/completions", "chat" },
	{ "mistral", "POST", "/v1/libraries/l/documents", "libraries unseen" },
};

static void
path_belongs_to_an_endpoint_of_its_family(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct span path = span_str(paths[i].path);
		struct endpoint e = dialect_endpoint(dialect_find(span_str(paths[i].dialect)),
			span_str(paths[i].method), path);
		char got[256];
		snprintf(got, sizeof(got), "%s%s%.*s%s%s%s%s", e.name ? e.name : "-",
			e.model_end ? " " : "", SPAN_ARG(span_cut(path, e.model, e.model_end)),
			e.streams ? " stream" : "", e.stored ? " stored" : "",
			e.unseen ? " unseen" : "", e.free ? " free" : "");
		if (strcmp(got, paths[i].want))
			fail_msg("%s %s: %s", paths[i].dialect, paths[i].path, got);
		assert_non_null(e.table);
	}
}

/* Whether a POST may have no body, from each family's own pages. */
static const struct {
	const char *dialect, *path;
	bool may;
} empties[] = {
	{ "openai", "/v1/chat/completions", false },
	{ "openai", "/v1/responses", false },
	{ "openai", "/v1/embeddings", false },
	{ "openai", "/v1/batches", false },
	{ "openai", "/v1/batches/b_1/cancel", true },
	{ "openai", "/v1/responses/resp_1/cancel", true },
	{ "openai", "/v1/uploads/u_1/cancel", true },
	{ "openai", "/v1/threads/t_1/runs/r_1/cancel", true },
	{ "openai", "/v1/fine_tuning/jobs/j_1/cancel", true },
	{ "openai", "/v1/vector_stores/v_1/file_batches/b_1/cancel", true },
	{ "openai", "/v1/evals/e_1/runs/r_1/cancel", true },
	{ "openai", "/v1/conversations", true },
	{ "anthropic", "/v1/messages", false },
	{ "anthropic", "/v1/messages/batches", false },
	{ "anthropic", "/v1/messages/batches/b_1/cancel", true },
	{ "gemini", "/v1beta/models/m:generateContent", false },
	{ "gemini", "/v1beta/batches/b_1:cancel", true },
	{ "mistral", "/v1/chat/completions", false },
	{ "mistral", "/v1/batch/jobs/j_1/cancel", true },
	{ "mistral", "/v1/fine_tuning/jobs/j_1/cancel", true },
	{ "cohere", "/v2/chat", false },
	{ "cohere", "/v1/embed-jobs/j_1/cancel", true },
	{ "cohere", "/v2/batches/b_1:cancel", true },
	{ "bedrock", "/model/m/converse", false },
	{ "rest", "/orders/7/cancel", true },
};

static void
endpoint_states_if_its_body_may_be_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(empties); i++)
		if (dialect_endpoint(dialect_find(span_str(empties[i].dialect)),
			    SPAN_LIT("POST"), span_str(empties[i].path))
				.may_be_empty != empties[i].may)
			fail_msg("%s %s", empties[i].dialect, empties[i].path);
}

static const struct {
	const char *path, *want; /* the family that the path implies */
} tells[] = {
	{ "/v1/chat/completions", "openai" },
	{ "/openai/deployments/x/chat/completions", "openai" },
	{ "/v1/messages", "anthropic" },
	{ "/messages", "rest" },
	{ "/v1beta/models/x:generateContent", "gemini" },
	{ "/model/x/converse", "bedrock" },
	{ "/model/x/y/converse", "rest" },
	{ "/api/chat", "rest" },
	{ "/v1/models", "rest" },
};

/* Writes a path for that row or base: "{model}:verb" → "m4:verb". */
static size_t
instance(const char *pattern, char *to)
{
	size_t n = 0;

	for (; *pattern; pattern++) {
		if (*pattern != '{') {
			to[n++] = *pattern;
			continue;
		}
		n += (size_t)sprintf(
			to + n, "%s", pattern[1] == 'm' && pattern[3] == 'r' ? "a/b" : "m4");
		pattern = strchr(pattern, '}');
	}
	return n;
}

/* A duplicate row, or too many members of an object, stops the program: in this test, not in
 * the daemon. */
static void
every_table_makes_a_tree(void **state)
{
	struct span rest = span_str(dialect_names());
	char path[512];

	(void)state;
	while (rest.p) {
		const struct dialect *d = dialect_find(span_trim(span_next(&rest, ','), " "));
		assert_non_null(d);
		assert_non_null(table_tree(dialect_table(d)));
		assert_true(!d->other || table_tree(d->other));
		for (const struct endpoint_row *r = d->endpoints; r && r->path; r++) {
			assert_true(r->path[0] == '/' && r->name);
			assert_true(!r->table || table_tree(r->table));
			size_t n = 0;
			for (const char *const *b = d->bases; b && *b && !(r->flags & E_ROOT);
				b++)
				n = instance(*b, path);
			n += instance(r->path, path + n);
			struct endpoint e = dialect_endpoint(
				d, span_str(r->method ? r->method : "PUT"), span_of(path, n));
			assert_non_null(e.name);
		}
	}
}

static void
some_paths_imply_their_family(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(tells); i++)
		assert_string_equal(
			dialect_name(dialect_for_path(span_str(tells[i].path), false)),
			tells[i].want);
	assert_string_equal(
		dialect_name(dialect_for_path(SPAN_LIT("/v1/messages"), true)), "anthropic");
	assert_string_equal(
		dialect_name(dialect_for_path(SPAN_LIT("/api/chat"), true)), "ollama");
	assert_string_equal(dialect_name(dialect_for_path(SPAN_LIT("/v1/x"), true)), "rest");
}

static const struct {
	const char *dialect, *path;
	bool fine;
} escapes[] = {
	{ "bedrock", "/model/a%2Fb/converse", true },
	{ "bedrock", "/model/a%3A0/converse", true },
	{ "bedrock", "/model/a%2fb%3a/converse", true },
	{ "bedrock", "/mod%2Fel/a/converse", false },
	{ "bedrock", "/x%3Ay/model/a/converse", false },
	{ "bedrock", "/model/a%2F..%2Fb/converse", false },
	{ "bedrock", "/model/..%2Fb/converse", false },
	{ "bedrock", "/model/a%2F%2Fb/converse", false },
	{ "bedrock", "/model/a%2F/converse", false },
	{ "bedrock", "/model/%2Fa/converse", false },
	{ "bedrock", "/model/a%2F..;x%2Fb/converse", false },
	{ "bedrock", "/model/a%2Fb/other", false },
	{ "gemini", "/v1beta/models/a%2Fb:generateContent", true },
	{ "gemini", "/v1beta/models/a%3AgenerateContent", false },
	{ "openai", "/v1%2Fchat/completions", false },
	{ "openai", "/openai/deployments/a%2Fb/chat/completions", true },
	{ "rest", "/model/a%2Fb/converse", false },
	{ "rest", "/items/urn%3Ax", false },
	{ "rest", "/items/urn:x%20y", true },
};

static void
separators_are_escaped_only_in_the_models_segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(escapes); i++) {
		struct span path = span_str(escapes[i].path);
		struct body_refusal why = { 0 };
		struct endpoint e = dialect_endpoint(
			dialect_find(span_str(escapes[i].dialect)), SPAN_LIT("POST"), path);
		int err = endpoint_check_path(&e, path, &why);
		if ((err == 0) != escapes[i].fine)
			fail_msg("%s: %s", escapes[i].path, why.why);
		if (err)
			assert_int_equal(why.status, 400);
	}
}

static const struct {
	const char *dialect, *path, *model, *want;
} rewrites[] = {
	{ "bedrock", "/model/a/converse", "b", "/model/b/converse" },
	{ "bedrock", "/model/a/converse", "us.x-v1:0", "/model/us.x-v1%3A0/converse" },
	{ "bedrock", "/model/a%3A0/converse", "arn/b c", "/model/arn%2Fb%20c/converse" },
	{ "bedrock", "/model/a%3A0/converse", "a:0", "/model/a%3A0/converse" },
	{ "gemini", "/v1beta/models/a:generateContent", "b",
		"/v1beta/models/b:generateContent" },
	{ "gemini", "/v1beta/tunedModels/a:countTokens", "tunedModels/b",
		"/v1beta/tunedModels/b:countTokens" },
	{ "openai", "/openai/deployments/a/chat/completions", "b",
		"/openai/deployments/b/chat/completions" },
	{ "openai", "/v1/chat/completions", "b", "/v1/chat/completions" },
};

static void
model_in_a_path_is_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rewrites); i++) {
		struct span path = span_str(rewrites[i].path);
		struct endpoint e = dialect_endpoint(
			dialect_find(span_str(rewrites[i].dialect)), SPAN_LIT("POST"), path);
		struct splice edit;
		struct arena a;
		struct buf out;
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		int n = endpoint_amend(&e, path, span_str(rewrites[i].model), &a, &edit);
		assert_in_range(n, 0, 1);
		assert_int_equal(splice_apply(path, &edit, (size_t)n, &out), 0);
		if (!span_is(buf_view(&out), rewrites[i].want))
			fail_msg("%s: %.*s", rewrites[i].path, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
	}
}

static const struct {
	const char *dialect, *method, *path, *prefix;
	bool served;
} serves[] = {
	{ "gemini", "POST", "/v1beta/models/x:generateContent", "", true },
	{ "gemini", "POST",
		"/v1beta1/projects/p/locations/l/publishers/google/models/x:generateContent",
		"", true },
	{ "gemini", "POST", "/models/x:generateContent", "", false },
	{ "gemini", "POST", "/admin/v1beta/models/x:generateContent", "", false },
	{ "gemini", "POST", "/g/v1beta/models/x:generateContent", "/g", true },
	{ "gemini", "POST", "/g/v1beta/models/x:generateContent", "/g/", true },
	{ "gemini", "POST", "/gg/v1beta/models/x:generateContent", "/g", false },
	{ "gemini", "DELETE", "/v1beta/models/x:generateContent", "", false },
	{ "openai", "POST", "/v1/chat/completions", "", true },
	{ "openai", "POST", "/openai/deployments/d/chat/completions", "", true },
	{ "openai", "POST", "/v1/x/chat/completions", "", false },
	{ "gemini", "POST", "/v1/files", "", false },
	{ "openai", "GET", "/v1/conversations/c", "", true },
	{ "openai", "DELETE", "/v1/conversations/c", "", true },
	{ "openai", "GET", "/v1/conversations/c/items/i", "", true },
	{ "openai", "DELETE", "/v1/conversations/c/items/i", "", true },
	{ "mistral", "DELETE", "/v1/conversations/c", "", true },
	{ "mistral", "GET", "/v1/files/f/url", "", true },
	{ "gemini", "POST", "/v1beta/files", "", true },
	{ "gemini", "POST", "/x/v1beta/files", "", false },
	{ "bedrock", "POST", "/model/x/converse", "", true },
	{ "bedrock", "POST", "/x/model/x/converse", "", false },
	{ "anthropic", "POST", "/v1/messages", "", true },
	{ "rest", "POST", "/v1/messages", "", false },
	{ "openai", "POST", "/v1/vector_stores", "", true },
	{ "openai", "POST", "/v1/vector_stores/v/file_batches/b/cancel", "", true },
	{ "openai", "POST", "/openai/v1/threads/runs", "", true },
	{ "openai", "POST", "/t/v1/containers/c/files", "/t", true },
	{ "openai", "POST", "/x/v1/containers/c/files", "", false },
	{ "openai", "GET", "/v1/organization/costs", "", false },
	{ "openai", "GET", "/v1/vector_storesx", "", false },
	{ "gemini", "POST", "/v1/agents", "", false },
	{ "gemini", "POST", "/v1beta/agents", "", true },
	{ "gemini", "POST", "/v1beta/fileSearchStores/s:importFile", "", true },
	{ "gemini", "POST", "/upload/v1beta/fileSearchStores/s:uploadToFileSearchStore", "",
		true },
	{ "anthropic", "GET", "/v1/skills", "", true },
	{ "mistral", "POST", "/v1/libraries/l/documents", "", true },
	{ "ollama", "DELETE", "/api/delete", "", false },
};

static void
family_serves_all_its_own_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(serves); i++)
		if (dialect_serves(dialect_find(span_str(serves[i].dialect)),
			    span_str(serves[i].method), span_str(serves[i].path),
			    span_str(serves[i].prefix)) != serves[i].served)
			fail_msg("%s %s", serves[i].dialect, serves[i].path);
}

#define LINE(model, cap)                                                                       \
	"{\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"" model "\"" cap "}}\n"
#define FORM(text)   "--b\r\nContent-Disposition: form-data; name=\"" text "\r\n--b--\r\n"
#define FILED(lines) FORM("file\"; filename=\"a.jsonl\"\r\n\r\n" lines)

/* Model and output limit in forms and lines; test_amend.c tests documents. */
static void
forms_and_lines_are_edited_in_place(void **state)
{
	static const struct {
		const char *path, *type, *in, *want;
	} rows[] = {
		{ "/v1/audio/transcriptions", "multipart/form-data; boundary=b",
			FORM("model\"\r\n\r\na"), FORM("model\"\r\n\r\nnew") },
		{ "/v1/files", "multipart/form-data; boundary=b",
			FILED(LINE("a", "") LINE("b", ",\"max_tokens\":9")),
			FILED("{\"url\":\"/v1/chat/"
			      "completions\",\"body\":{\"max_completion_tokens\":7,"
			      "\"model\":\"new\"}}\n" LINE("new", ",\"max_tokens\":7")) },
	};
	const struct amendment am = { .model = SPAN_LIT("new"), .cap_tokens = 7 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct endpoint e = dialect_endpoint(dialect_find(SPAN_LIT("openai")),
			SPAN_LIT("POST"), span_str(rows[i].path));
		struct span raw = span_str(rows[i].in);
		struct splice edits[8];
		struct body_refusal why;
		struct body b;
		struct arena a;
		struct buf out;
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(
			body_read(e.table, span_str(rows[i].type), raw, &a, &b, &why), 0);
		assert_in_range(dialect_amend_max(&b), 1, COUNT_OF(edits));
		int n = dialect_amend(&b, &am, &a, edits);
		assert_in_range(n, 1, COUNT_OF(edits));
		assert_int_equal(splice_apply(raw, edits, (size_t)n, &out), 0);
		if (!span_is(buf_view(&out), rows[i].want))
			fail_msg("%s: %.*s", rows[i].path, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
	}
}

/* A file of Gemini's batches: its requests have roles, unlike other documents. */
static void
lines_of_gemini_batches_have_roles(void **state)
{
	static const char in[] =
		"{\"key\":\"1\",\"request\":{\"contents\":[{\"role\":\"model\",\"parts\":[{"
		"\"text\":\"a\"}]},{\"parts\":[{\"text\":\"u\"}]}],\"system_instruction\":{"
		"\"parts\":[{\"text\":\"s\"}]},\"model\":\"models/m\"}}\n"
		"{\"request\":\"o\",\"contents\":7}\n";
	static const struct {
		const char *text;
		enum seg_role role;
	} want[] = { { "a", ROLE_ASSISTANT }, { "u", ROLE_USER }, { "s", ROLE_SYSTEM },
		{ "o", ROLE_OTHER } };
	struct endpoint e = dialect_endpoint(dialect_find(SPAN_LIT("gemini")), SPAN_LIT("POST"),
		SPAN_LIT("/upload/v1beta/files"));
	struct body_refusal why;
	struct body b;
	struct arena a;
	size_t found = 0;

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(
		body_read(e.table, SPAN_LIT("application/jsonl"), span_str(in), &a, &b, &why),
		0);
	for (size_t i = 0; i < b.nsegments; i++)
		for (size_t k = 0; k < COUNT_OF(want); k++)
			if (span_is(b.segments[i].text, want[k].text)) {
				assert_int_equal(b.segments[i].role, want[k].role);
				found++;
			}
	assert_int_equal(found, COUNT_OF(want));
	assert_int_equal(b.marks.nmodels, 1);
	arena_reset(&a);
}

static void
parameters_have_one_name_in_every_format(void **state)
{
	static const struct {
		const char *dialect, *path, *in, *want;
	} rows[] = {
		{ "bedrock", "/model/x/converse", "{\"serviceTier\":{\"type\":\"priority\"}}",
			"service_tier=priority " },
		{ "bedrock", "/model/x/invoke", "{\"serviceTier\":{\"type\":\"flex\"}}",
			"service_tier=flex " },
		{ "openai", "/v1/chat/completions", "{\"temperature\":1,\"n\":2}",
			"temperature=1 n=2 " },
		{ "gemini", "/v1/models/x:generateContent",
			"{\"generationConfig\":{\"temperature\":0.5,\"topP\":1,"
			"\"maxOutputTokens\":9}}",
			"temperature=0.5 top_p=1 max_tokens=9 " },
		{ "gemini", "/v1/models/x:streamGenerateContent",
			"{\"generation_config\":{\"top_k\":3}}", "top_k=3 stream=true " },
		{ "bedrock", "/model/x/converse",
			"{\"inferenceConfig\":{\"maxTokens\":9,\"temperature\":0}}",
			"max_tokens=9 temperature=0 " },
		{ "ollama", "/api/chat", "{\"options\":{\"seed\":4,\"num_predict\":-1}}",
			"seed=4 max_tokens=-1 stream=true " },
		{ "ollama", "/api/chat", "{\"stream\":false}", "stream=false " },
		{ "ollama", "/api/chat",
			"{\"stream\":false,\"temperature\":0,\"options\":{\"temperature\":2}}",
			"stream=false temperature=2 " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span path = span_str(rows[i].path);
		struct endpoint e = dialect_endpoint(
			dialect_find(span_str(rows[i].dialect)), SPAN_LIT("POST"), path);
		struct body_refusal why;
		struct body b;
		struct arena a;
		struct buf out;
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(body_read(e.table, (struct span){ 0 }, span_str(rows[i].in),
					 &a, &b, &why),
			0);
		assert_int_equal(endpoint_settle(&e, path, &a, &b, &why), 0);
		for (size_t k = 0; k < b.nparams; k++)
			buf_printf(&out, "%.*s=%.*s ", SPAN_ARG(b.params[k].name),
				SPAN_ARG(b.params[k].text));
		if (!span_is(buf_view(&out), rows[i].want))
			fail_msg("%s: %.*s", rows[i].path, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
	}
}

static void
models_with_hidden_reasoning_are_known(void **state)
{
	static const struct {
		const char *dialect, *model, *body;
		bool may;
	} rows[] = {
		{ "openai", "gpt-4o-mini", "{}", false },
		{ "openai", "gpt-4.1", "{\"reasoning_effort\":\"low\"}", true },
		{ "openai", "gpt-5.1", "{}", true },
		{ "openai", "o3", "{}", true },
		{ "openai", "nobody-knows", "{}", true },
		{ "openai", "", "{}", true },
		{ "anthropic", "claude-sonnet-4-5", "{}", false },
		{ "anthropic", "claude-sonnet-4-5", "{\"thinking\":{\"type\":\"enabled\"}}",
			true },
		{ "anthropic", "claude-sonnet-4-5",
			"{\"\\u0074hinking\":{\"type\":\"enabled\"}}", true },
		{ "anthropic", "claude-sonnet-4-5", "{\"system\":\"thinking\"}", false },
		{ "anthropic", "claude-next", "{}", true },
		{ "bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "{}", false },
		{ "bedrock", "amazon.nova-pro-v1:0", "{}", false },
		{ "bedrock", "amazon.nova-2-lite-v1:0", "{}", true },
		{ "bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/x", "{}", true },
		{ "gemini", "gemini-2.0-flash", "{}", false },
		{ "gemini", "gemini-2.0-flash-thinking-exp", "{}", true },
		{ "gemini", "gemini-2.5-pro", "{}", true },
		{ "cohere", "command-a-03-2025", "{}", false },
		{ "cohere", "command-a-reasoning-08-2025", "{}", true },
		{ "mistral", "mistral-large-latest", "{}", false },
		{ "ollama", "qwen3", "{}", false },
		{ "rest", "gpt-4o", "{}", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct dialect *d = dialect_find(span_str(rows[i].dialect));
		struct body_refusal why;
		struct arena a;
		struct body b;
		arena_init(&a, 0, false);
		assert_int_equal(body_read(dialect_table(d), SPAN_LIT("application/json"),
					 span_str(rows[i].body), &a, &b, &why),
			0);
		if (dialect_may_reason(d, span_str(rows[i].model), &b) != rows[i].may)
			fail_msg("%s %s %s", rows[i].dialect, rows[i].model, rows[i].body);
		arena_reset(&a);
	}
}

static void
body_names_its_conversation(void **state)
{
	static const struct {
		const char *path, *in, *want;
	} rows[] = {
		{ "/v1/chat/completions", "{\"messages\":[]}", "" },
		{ "/v1/chat/completions", "{\"prompt_cache_key\":\"k\"}", "k" },
		{ "/v1/chat/completions", "{\"prompt_cache_key\":7}", "" },
		{ "/v1/chat/completions", "{\"prompt_cache_key\":\"\"}", "" },
		{ "/v1/chat/completions",
			"{\"prompt_cache_key\":\"k\",\"metadata\":{\"thread_id\":\"t\"}}",
			"t" },
		{ "/v1/responses", "{\"conversation\":\"conv_1\"}", "conv_1" },
		{ "/v1/responses",
			"{\"conversation\":{\"id\":\"conv_2\"},\"prompt_cache_key\":\"k\"}",
			"conv_2" },
		{ "/v1/responses", "{\"previous_response_id\":\"resp_1\"}", "" },
		{ "/v1/messages", "{\"metadata\":{\"user_id\":\"u_1_session_2\"}}",
			"u_1_session_2" },
		{ "/v1/messages", "{\"metadata\":{\"user_id\":\"someone\"}}", "" },
		{ "/v1/messages", "{\"metadata\":{\"session_id\":\"s\"}}", "s" },
		{ "/v1/models/x:generateContent", "{\"cachedContent\":\"cachedContents/1\"}",
			"cachedContents/1" },
		{ "/v1/chat", "{\"conversation_id\":\"c\"}", "c" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span path = span_str(rows[i].path);
		const struct dialect *d =
			strstr(rows[i].path, "generate")   ? dialect_find(SPAN_LIT("gemini"))
			: strstr(rows[i].path, "messages") ? dialect_find(SPAN_LIT("anthropic"))
			: !strcmp(rows[i].path, "/v1/chat") ? dialect_find(SPAN_LIT("cohere"))
							    : dialect_find(SPAN_LIT("openai"));
		struct endpoint e = dialect_endpoint(d, SPAN_LIT("POST"), path);
		struct body_refusal why;
		struct body b;
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(body_read(e.table, (struct span){ 0 }, span_str(rows[i].in),
					 &a, &b, &why),
			0);
		struct span got = dialect_conversation(&b);
		if (!span_is(got, rows[i].want))
			fail_msg("%s: got '%.*s'", rows[i].in, SPAN_ARG(got));
		arena_reset(&a);
	}
}

/* ---- rows of paths ---- */

/* An index in which each bucket has all rows, so that a look-up examines every row. */
static void
index_of_all(struct endpoint_index *x, const struct endpoint_row *rows)
{
	uint16_t *end[2] = { &x->first[0], &x->open };

	*x = (struct endpoint_index){ .rows = rows };
	for (size_t i = 0; rows && rows[i].path; i++) {
		uint16_t **to = &end[span_ends(span_str(rows[i].path), SPAN_LIT("/{more}"))];
		**to = (uint16_t)(i + 1);
		*to = &x->next[i];
	}
	for (size_t i = 1; i < ENDPOINT_BUCKETS; i++)
		x->first[i] = x->first[0];
}

static void
compare_rows(const struct dialect *d, const struct endpoint_index *x,
	const struct endpoint_index *all, const char *path, size_t n)
{
	static const char *const methods[] = { "GET", "POST", "DELETE", "" };
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		for (int whole = 0; whole < 2; whole++) {
			struct span m = span_str(methods[i]), at = span_of(path, n),
				    got = { 0 }, want = { 0 };
			assert_ptr_equal(endpoint_row_find(d, x, m, at, whole, &got),
				endpoint_row_find(d, all, m, at, whole, &want));
			assert_true(got.p == want.p && got.n == want.n);
		}
}

static void
index_finds_the_same_row_as_a_full_search(void **state)
{
	static const struct dialect *const families[] = { &dialect_openai, &dialect_anthropic,
		&dialect_gemini, &dialect_bedrock, &dialect_cohere, &dialect_mistral,
		&dialect_ollama, &dialect_tgi, &dialect_mcp, &dialect_rest };
	char path[512], copy[512];

	(void)state;
	for (size_t f = 0; f < COUNT_OF(families) * COUNT_OF(families); f++) {
		const struct dialect *d = families[f / COUNT_OF(families)],
				     *other = families[f % COUNT_OF(families)];
		struct endpoint_index x = { 0 }, all;
		endpoint_index_make(&x, d->endpoints);
		index_of_all(&all, d->endpoints);
		for (const struct endpoint_row *r = other->endpoints; r && r->path; r++)
			for (const char *const *b = d->bases; b && *b; b++) {
				size_t n = instance(*b, path);
				n += instance(r->path, path + n);
				compare_rows(d, &x, &all, path, n);
				compare_rows(d, &x, &all, path, n - 1);
				memcpy(path + n, "/x/", 3);
				compare_rows(d, &x, &all, path, n + 2);
				compare_rows(d, &x, &all, path, n + 3);
				for (size_t i = 0; d == other && !b[1] && i < n; i++) {
					memcpy(copy, path, n);
					copy[i] = copy[i] == '/' ? 'm' : '/';
					compare_rows(d, &x, &all, copy, n);
					copy[i] = '{';
					compare_rows(d, &x, &all, copy, n);
				}
			}
		compare_rows(d, &x, &all, "", 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_finds_the_same_row_as_a_full_search),
		cmocka_unit_test(endpoint_reads_its_body),
		cmocka_unit_test(path_belongs_to_an_endpoint_of_its_family),
		cmocka_unit_test(endpoint_states_if_its_body_may_be_empty),
		cmocka_unit_test(every_table_makes_a_tree),
		cmocka_unit_test(some_paths_imply_their_family),
		cmocka_unit_test(separators_are_escaped_only_in_the_models_segment),
		cmocka_unit_test(model_in_a_path_is_replaced),
		cmocka_unit_test(family_serves_all_its_own_paths),
		cmocka_unit_test(forms_and_lines_are_edited_in_place),
		cmocka_unit_test(lines_of_gemini_batches_have_roles),
		cmocka_unit_test(parameters_have_one_name_in_every_format),
		cmocka_unit_test(models_with_hidden_reasoning_are_known),
		cmocka_unit_test(body_names_its_conversation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
