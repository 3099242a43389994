/* text/ over any bytes: bodies in each dialect, targets and responses. The first byte selects
 * the dialect and the Content-Type. An accepted body must have segments in order inside the
 * body that decode to UTF-8 and can be redacted. The redacted body must be accepted again, with
 * the placeholder in place of the text. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "scan/dialect/dialect.h"
#include "support/byte_ranks.h"
#include "support/usage_fix.h"

/* Writes the splice of a single edit. */
static int
splice_one(const struct segment *s, struct span raw, size_t from, size_t to, struct span with,
	struct arena *a, struct splice *out)
{
	struct text_edit edit = { from, to, with };
	size_t n;

	return segment_splices(s, raw, &edit, 1, a, out, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = { "", "application/json",
	"application/x-www-form-urlencoded", "text/plain; charset=utf-8",
	"multipart/form-data; boundary=b" };
enum { PLAIN_TYPES = 4, PARTS = 0xfe }; /* values of the first byte */
static const char *const dialects[] = { "openai", "anthropic", "rest" };
/* From ENDPOINTS on, the first byte selects one of these. */
enum { ENDPOINTS = 0x80 };
static const struct {
	const char *dialect, *path, *type;
} endpoints[] = {
	{ "openai", "/v1/responses", "" },
	{ "openai", "/v1/files", "multipart/form-data; boundary=b" },
	{ "openai", "/v1/files", "application/jsonl" },
	{ "openai", "/v1/audio/transcriptions", "multipart/form-data; boundary=b" },
	{ "openai", "/v1/completions", "" },
	{ "openai", "/v1/embeddings", "" },
	{ "openai", "/v1/unknown", "" },
	{ "anthropic", "/v1/messages/batches", "" },
	{ "gemini", "/v1beta/models/m:streamGenerateContent", "" },
	{ "gemini", "/v1beta/models/m:batchGenerateContent", "" },
	{ "bedrock", "/model/m/converse", "" },
	{ "bedrock", "/model/m/invoke", "" },
	{ "cohere", "/v2/chat", "" },
	{ "mistral", "/v1/chat/completions", "" },
	{ "mistral", "/v1/conversations", "" },
	{ "ollama", "/api/chat", "" },
	{ "ollama", "/api/generate", "" },
	{ "tgi", "/generate", "" },
	{ "openai", "/v1/uploads/u/parts", "multipart/form-data; boundary=b" },
	{ "openai", "/v1/images/edits", "application/x-www-form-urlencoded" },
};

static void
check_segments(const struct body *b, struct span raw)
{
	size_t last = 0, sum = 0;

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		INVARIANT(s->role < ROLE_COUNT && !s->candidate);
		INVARIANT(s->start >= last && s->end >= s->start && s->end <= raw.n);
		INVARIANT(utf8_valid(s->text));
		/* a whole number may be read in another spelling than in the body */
		INVARIANT(s->escaped || s->form == SEG_NUMBER || s->form == SEG_TOKENS ||
			  span_eq(span_cut(raw, s->start, s->end), s->text));
		INVARIANT(s->key == SEGMENT_NO_KEY || b->segments[s->key].role == ROLE_KEY);
		last = s->form == SEG_TOKENS ? s->start : s->end;
		sum += s->text.n;
	}
	INVARIANT(b->unread.nmedia || b->unread.sealed ? b->inspected_bytes <= sum
						       : sum == b->inspected_bytes);
}

/* Each name occurs once; there is none only if no text is a result. */
static void
check_results(struct arena *a, const struct body *b, struct span raw)
{
	struct span *names;
	bool results = false;
	size_t n;

	for (size_t i = 0; i < b->nsegments; i++)
		results |= b->segments[i].role == ROLE_TOOL_RESULT;
	int err = dialect_results(b, raw, a, &names, &n);
	INVARIANT(err == 0 || err == ERR_LIMIT || err == ERR_NOMEM);
	INVARIANT(err || n || !results);
	for (size_t i = 0; !err && i < n; i++)
		INVARIANT(utf8_valid(names[i]) &&
			  (i == 0 || span_order(names[i - 1], names[i]) < 0));
}

static void
check_paths(struct arena *a, const struct body *b, struct span raw)
{
	struct path_reader *r = path_open(a, b, raw);

	for (size_t i = 0; i < b->nsegments; i++)
		INVARIANT(utf8_valid(path_at(r, i)));
}

/* Redacts a part of every value that may be rewritten. */
static void
check_redaction(struct arena *a, const struct body *b, struct span raw, struct span type)
{
	struct splice *edits = malloc((b->nsegments + 1) * sizeof(*edits));
	struct body again;
	struct body_refusal why;
	struct buf out;
	size_t n = 0;

	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (s->reserved || s->role == ROLE_KEY || !s->text.n || s->opaque)
			continue;
		size_t from = s->text.n / 3, to = from + (s->text.n - from + 1) / 2;
		INVARIANT(splice_one(s, raw, from, to, SPAN_LIT("<X_1>"), a, &edits[n]) == 0);
		n++;
	}
	buf_init(&out, 0);
	INVARIANT(splice_apply(raw, edits, n, &out) == 0);
	if (b->format != BODY_TEXT && n) {
		INVARIANT(body_read(b->table, type, buf_view(&out), a, &again, &why) == 0);
		/* A text in a form may parse as a document after a replacement. A list of ids
		 * without its last number is not one any more. */
		bool same = again.nsegments == b->nsegments;
		INVARIANT(same || b->format == BODY_MULTIPART || b->nids);
		for (size_t i = 0; i < b->nsegments && same; i++) {
			const struct segment *s = &b->segments[i];
			if (s->reserved || s->role == ROLE_KEY || s->opaque)
				INVARIANT(span_eq(s->text, again.segments[i].text));
			else if (s->text.n)
				INVARIANT(memmem(again.segments[i].text.p,
					again.segments[i].text.n, "<X_1>", 5));
		}
	}
	buf_free(&out);
	free(edits);
}

static void
check_asking(struct arena *a, const struct body *b, struct span raw)
{
	struct splice edit;
	struct body again;
	struct body_refusal why;
	struct buf out;

	if (!dialect_ask_usage(b, &edit))
		return;
	buf_init(&out, 0);
	INVARIANT(splice_apply(raw, &edit, 1, &out) == 0);
	INVARIANT(body_read(b->table, span_str(NULL), buf_view(&out), a, &again, &why) == 0);
	INVARIANT(again.stream && again.wants_usage);
	buf_free(&out);
}

/* Sets another model and a lower output limit. The result is parsed again and must have
 * both. */
static void
check_amendment(struct arena *a, const struct body *b, struct span raw, struct span type)
{
	const struct amendment am = { .model = SPAN_LIT("x"), .cap_tokens = 7 };
	struct splice *edits = malloc((dialect_amend_max(b) + 1) * sizeof(*edits));
	struct body again;
	struct body_refusal why;
	struct buf out;

	int n = dialect_amend(b, &am, a, edits);
	INVARIANT(n >= 0 || n == ERR_UNSUPPORTED);
	INVARIANT(n < 0 || (size_t)n <= dialect_amend_max(b));
	buf_init(&out, 0);
	if (n > 0) {
		INVARIANT(splice_apply(raw, edits, (size_t)n, &out) == 0);
		INVARIANT(body_read(b->table, type, buf_view(&out), a, &again, &why) == 0);
		INVARIANT(again.marks.nrequests == b->marks.nrequests);
		for (size_t i = 0; i < again.marks.nmodels; i++)
			INVARIANT(span_is(again.marks.model[i].name, "x"));
		for (size_t i = 0; i < again.marks.ncaps; i++)
			INVARIANT(again.marks.cap[i].tokens <= 7);
	}
	buf_free(&out);
	free(edits);
}

static void
check_target(struct arena *a, struct span target)
{
	size_t path = span_chr(target, '?');
	struct http_head h = { .path = span_cut(target, 0, path),
		.query = span_cut(target, path + 1, target.n),
		.has_query = path < target.n };
	struct segment *s;
	struct body_refusal why;
	struct splice edit;
	struct unread unread = { 0 };
	size_t n;

	if (target_read(&h, NULL, false, a, &s, &n, &unread, &why) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		INVARIANT(s[i].start <= s[i].end && s[i].end <= target.n &&
			  utf8_valid(s[i].text));
		INVARIANT(splice_one(&s[i], target, 0, s[i].text.n, SPAN_LIT("<X_1>"), a,
				  &edit) == 0);
		INVARIANT(edit.start == s[i].start && edit.end == s[i].end);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct usage u = { 0 };
	static struct ranks *ranks;

	if (!size)
		return 0;
	ranks = ranks ? ranks : byte_ranks();
	const struct dialect *d = dialect_find(span_str(dialects[data[0] % 3]));
	struct span type = span_str(
			    types[data[0] == PARTS ? PLAIN_TYPES : data[0] / 3 % PLAIN_TYPES]),
		    raw = span_of(data + 1, size - 1);
	const struct table *table = dialect_table(d);
	if (data[0] >= ENDPOINTS && data[0] != PARTS) {
		size_t i = (data[0] - ENDPOINTS) % COUNT_OF(endpoints);
		table = dialect_endpoint(dialect_find(span_str(endpoints[i].dialect)),
			SPAN_LIT("POST"), span_str(endpoints[i].path))
				.table;
		type = span_str(endpoints[i].type);
	}
	arena_init(&a, 0, false);
	if (body_read(table, type, raw, &a, &b, &why) == 0) {
		check_segments(&b, raw);
		check_paths(&a, &b, raw);
		check_results(&a, &b, raw);
		check_redaction(&a, &b, raw, type);
		check_amendment(&a, &b, raw, type);
		check_asking(&a, &b, raw);
		INVARIANT(body_decode_ids(&b, raw, ranks, &a) == 0);
		check_segments(&b, raw);
	} else {
		INVARIANT(why.status >= 400 && why.code && why.at <= raw.n);
	}
	check_target(&a, raw);
	whole_usage(d, raw, &u);
	event_usage(d, SPAN_LIT("message_delta"), raw, &u);
	arena_reset(&a);
	return 0;
}
