/* The header lines of a call that the daemon makes itself: the same fields as the relay's, under
 * their own names, over the path and the query of the call's URL. */
#include "gate/auth/auth_call.h"

#include <string.h>

#include "base/codec/credentials.h"
#include "base/err.h"
#include "base/fetch/http_client.h"

/* Divides a URL into path and query. "unix:/SOCKET:/PATH" has its path after the second colon. */
static void
split_url(struct span url, struct http_head *out)
{
	if (span_starts(url, SPAN_LIT("unix:"))) {
		span_next(&url, ':');
		span_next(&url, ':');
	} else {
		const char *host = memmem(url.p, url.n, "://", 3);
		size_t at = host ? (size_t)(host - url.p) + 3 : 0;
		while (at < url.n && url.p[at] != '/' && url.p[at] != '?')
			at++;
		url = span_cut(url, at, url.n);
	}
	out->has_query = memchr(url.p, '?', url.n) != NULL;
	out->path = span_next(&url, '?');
	out->query = url;
	if (out->path.n == 0)
		out->path = SPAN_LIT("/");
}

int
auth_call_options(struct auth *a, struct arena *arena, struct http_call_options *o,
	unsigned *generation)
{
	struct http_field type = { SPAN_LIT("content-type"), SPAN_LIT("application/json") };
	struct http_head head = { .method = SPAN_LIT("POST"), .fields = &type, .nfields = 1 };
	const struct span before = SPAN_LIT(CREDENTIAL_SET);
	unsigned char hash[SHA256_BYTES] = { 0 };
	const char **line;
	struct auth_fields out;

	split_url(span_str(o->url), &head);
	if (auth_signs_body(a))
		sha256(o->body, hash);
	int err = auth_fields(a, arena, &head, hash, &out);
	*generation = out.generation;
	if (err)
		return err;
	line = arena_array(arena, o->nfields + out.n + 1, sizeof(*line));
	if (!line)
		return ERR_NOMEM;
	memcpy(line, o->fields, o->nfields * sizeof(*line));
	o->fields = line;
	if (auth_signs_body(a))
		line[o->nfields++] = arena_printf(arena, "Host: %s", auth_host(a)).p;
	for (size_t i = 0; i < out.n; i++) {
		struct span name = out.field[i].name;
		if (span_starts(name, before))
			name = span_cut(name, before.n, name.n);
		line[o->nfields++] = arena_printf(
			arena, "%.*s: %.*s", SPAN_ARG(name), SPAN_ARG(out.field[i].value))
					     .p;
	}
	return arena_failed(arena) ? ERR_NOMEM : 0;
}

void
auth_call_refused(struct auth *a, unsigned generation, const struct http_answer *answer)
{
	struct http_field fields[] = {
		{ SPAN_LIT("date"), http_answer_field(answer, "date") },
		{ SPAN_LIT("x-amzn-errortype"), http_answer_field(answer, "x-amzn-errortype") },
	};
	struct http_head head = { .status = answer->status, .fields = fields, .nfields = 2 };

	if (!answer->err && (answer->status == 401 || answer->status == 403))
		auth_refused(a, generation, &head);
}
