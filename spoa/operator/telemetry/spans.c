/* Makes spans and the metrics of the GenAI conventions of records. A record is our own line, so a
 * member that is missing or has another type is left out.
 *
 * The first section writes the parts of OTLP's JSON, and maps our dialects and endpoints to names
 * of the GenAI conventions.
 *
 * The GenAI metrics are counted with the bucket bounds that the conventions recommend. A series is
 * created at its first completion and stays. Beyond CAP_TELEMETRY_SERIES, all are counted in one
 * series with the model "other". The time between chunks is known only as the mean of a stream, so
 * the mean counts as many times as there were chunks. */
#include "operator/telemetry/spans.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/trace.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "budget/tally/tally.h"
#include "operator/telemetry/gen_ai.h"
#include "operator/telemetry/otlp_json.h"
#include "record/audit/record_fields.h"

/* ---- parts of OTLP's JSON ---- */

enum { PLAIN_MAX = 128 };

void
otlp_text(struct buf *b, const char *name, struct span value)
{
	if (!value.n || !utf8_valid(value))
		return;
	json_put_form(b, "{'key':%t,'value':{'stringValue':%t}}", span_str(name), value);
}

static void
otlp_int(struct buf *b, const char *name, int64_t value)
{
	json_put_form(b, "{'key':%t,'value':{'intValue':", span_str(name));
	buf_printf(b, "\"%" PRId64 "\"}}", value);
}

static void
otlp_double(struct buf *b, const char *name, double value)
{
	json_put_form(b, "{'key':%t,'value':{'doubleValue':", span_str(name));
	buf_printf(b, "%.9g}}", value);
}

/* Appends an attribute with a list of one text. */
static void
otlp_list(struct buf *b, const char *name, struct span value)
{
	if (!value.n)
		return;
	json_put_form(b, "{'key':%t,'value':{'arrayValue':{'values':[{'stringValue':%t}]}}}",
		span_str(name), value);
}

void
otlp_time(struct buf *b, const char *name, int64_t ns)
{
	json_put_printf(b, name, "\"%" PRId64 "\"", ns);
}

void
otlp_open(struct buf *b, const struct otlp_resource *r, const char *outer, const char *scope,
	const char *inner)
{
	json_put_form(b, "{%s:[{'resource':{'attributes':[", outer);
	otlp_text(b, telemetry_names[NAME_SERVICE_NAME], SPAN_LIT("tollgate"));
	otlp_text(b, telemetry_names[NAME_SERVICE_INSTANCE], span_str(r->node));
	otlp_text(b, telemetry_names[NAME_SERVICE_VERSION], span_str(r->version));
	json_put_form(b,
		"]},'schemaUrl':'" NAMES_SCHEMA
		"',%s:[{'scope':{'name':'tollgate','version':%t},"
		"'schemaUrl':'" NAMES_SCHEMA "',%s:[",
		scope, span_str(r->version), inner);
}

void
otlp_close(struct buf *b)
{
	buf_str(b, "]}]}]}");
}

struct span
otlp_plain(struct span name)
{
	if (name.n > PLAIN_MAX)
		return SPAN_LIT("");
	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) && !memchr("-_.:/@+", name.p[i], 7))
			return SPAN_LIT("");
	return name;
}

int
gzip_buf(struct buf *b)
{
	struct span s = buf_view(b);
	z_stream z = { 0 };

	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	size_t most = deflateBound(&z, s.n);
	SCOPED_BUF(out, 0);
	buf_reserve(&out, most);
	if (!buf_failed(&out)) {
		z.next_in = (Bytef *)(uintptr_t)s.p;
		z.avail_in = (uInt)s.n;
		z.next_out = (Bytef *)out.p;
		z.avail_out = (uInt)most;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
			buf_clear(b);
			buf_put(b, out.p, z.total_out);
		}
	}
	bool ok = z.total_out > 0 && !buf_failed(&out) && !buf_failed(b);
	deflateEnd(&z);
	return ok ? 0 : ERR_NOMEM;
}

/* ---- names, and the conventions' words for our dialects ---- */

const char *const telemetry_names[NAMES_COUNT] = {
#define X(id, name) [NAME_##id] = name,
	NAMES(X)
#undef X
};

/* clang-format off */
static const struct { const char *from, *to; } providers[] = {
	{ "openai",    "openai" },
	{ "anthropic", "anthropic" },
	{ "gemini",    "gcp.gen_ai" }, /* Vertex AI or AI Studio */
	{ "bedrock",   "aws.bedrock" },
	{ "cohere",    "cohere" },
	{ "mistral",   "mistral_ai" },
	{ "ollama",    "ollama" },     /* no well-known value exists, so this is our own word */
	{ "tgi",       "tgi" },
};
static const struct { const char *from, *to; } operations[] = {
	{ "chat",        "chat" },
	{ "responses",   "chat" },
	{ "messages",    "chat" },
	{ "converse",    "chat" },
	{ "invoke",      "chat" },
	{ "generate",    "generate_content" },
	{ "completions", "text_completion" },
	{ "embeddings",  "embeddings" },
	{ "embed",       "embeddings" },
};
/* clang-format on */

/* Returns the value of gen_ai.provider.name for the format of a target, or NULL if the format
 * is not that of a model. */
static const char *
names_provider(const char *format)
{
	for (size_t i = 0; format && i < COUNT_OF(providers); i++)
		if (str_same(format, providers[i].from))
			return providers[i].to;
	return NULL;
}

/* Returns the value of gen_ai.operation.name for an endpoint of that format, or NULL if no
 * model runs there. */
static const char *
names_operation(const char *format, const char *endpoint)
{
	if (!names_provider(format) || !endpoint)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(operations); i++)
		if (str_same(endpoint, operations[i].from))
			return operations[i].to;
	return endpoint; /* a custom value, which the conventions allow */
}

/* ---- spans ---- */

/* From trace.proto: enum SpanKind, enum StatusCode, SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE and
 * …IS_REMOTE_MASK. */
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };
enum { STATUS_ERROR = 2 };
enum { FLAG_SAMPLED = 1, FLAG_HAS_REMOTE = 0x100, FLAG_REMOTE = 0x200 };

#define RANDOM_BITS 56

/* ---- ids ---- */

static void
read_hex(const char *p, unsigned char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(hex_value(p[2 * i]) << 4 | hex_value(p[2 * i + 1]));
}

/* Reads a ULID: 26 digits of Crockford's base 32, the first with three bits. */
static void
read_ulid(const char *id, unsigned char out[16])
{
	/* values from '0' to 'Z'; I, L, O and U are not digits */
	static const unsigned char digit['Z' - '0' + 1] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0,
		0, 0, 0, 0, 0, 10, 11, 12, 13, 14, 15, 16, 17, 0, 18, 19, 0, 20, 21, 0, 22, 23,
		24, 25, 26, 0, 27, 28, 29, 30, 31 };
	uint64_t high = 0, low = 0;

	for (size_t i = 0; i < NOTE_ID; i++) {
		unsigned at = (unsigned char)id[i] - (unsigned)'0';
		high = high << 5 | low >> 59;
		low = low << 5 | (at < sizeof(digit) ? digit[at] : 0);
	}
	high = __builtin_bswap64(high);
	low = __builtin_bswap64(low);
	memcpy(out, &high, 8);
	memcpy(out + 8, &low, 8);
}

uint64_t
span_least(double ratio)
{
	const double all = (double)(UINT64_C(1) << RANDOM_BITS);

	return ratio >= 1   ? 0
	       : ratio <= 0 ? UINT64_C(1) << RANDOM_BITS
			    : (uint64_t)((1 - ratio) * all);
}

void
span_ids(const struct audit_note *n, uint64_t least, struct span_ids *out)
{
	unsigned char ulid[16];
	uint64_t chance = 0;

	memset(out, 0, sizeof(*out));
	read_ulid(n->id, ulid);
	memcpy(out->own, ulid + 8, sizeof(out->own));
	out->own[7] |= !memcmp(out->own, "\0\0\0\0\0\0\0", 8);
	if (n->trace[0]) {
		read_hex(n->trace + TRACE_ID_AT, out->trace, sizeof(out->trace));
		read_hex(n->trace + TRACE_PARENT_AT, out->parent, sizeof(out->parent));
		out->has_parent = true;
		out->sampled = trace_sampled(n->trace);
		return;
	}
	memcpy(out->trace, ulid, sizeof(out->trace));
	memcpy(&chance, ulid + 8, sizeof(chance));
	chance = __builtin_bswap64(chance) & ((UINT64_C(1) << RANDOM_BITS) - 1);
	out->sampled = chance >= least;
}

/* ---- one span ---- */

#define NAME(id) telemetry_names[NAME_##id]

/* State of writing a record's spans. */
struct span_out {
	struct buf *b;
	const struct audit_note *note;
	const struct span_ids *ids;
	size_t n; /* spans written so far */
};

static void
put_id(struct buf *b, const char *name, const unsigned char *id, size_t n)
{
	json_put_name(b, name);
	buf_putc(b, '"');
	buf_hex(b, id, n);
	buf_putc(b, '"');
}

/* Converts a monotonic time to wall time, relative to the request's arrival. */
static int64_t
wall_ns(const struct audit_note *n, uint64_t us)
{
	return n->begun_ns + (us > n->begun_us ? (int64_t)(us - n->begun_us) * 1000 : 0);
}

/* Begins a span up to its attributes. `what` NULL: the decision's span. Otherwise the id is
 * made of the decision's id, `what` and `i`. */
static void
open_span(struct span_out *o, const unsigned char *parent, const char *what, size_t i,
	const char *name, struct span of, int kind, uint64_t from_us, uint64_t to_us)
{
	const struct audit_note *n = o->note;
	unsigned char id[SHA256_BYTES];
	char text[96];
	bool own = !what;

	if (own) {
		memcpy(id, o->ids->own, sizeof(o->ids->own));
	} else {
		struct sha256 h;
		snprintf(text, sizeof(text), "%s %s %zu", n->id, what, i);
		sha256_begin(&h);
		sha256_add(&h, span_str(text));
		sha256_end(&h, id);
	}
	json_put_open(o->b, NULL, '{');
	o->n++;
	put_id(o->b, "traceId", o->ids->trace, sizeof(o->ids->trace));
	put_id(o->b, "spanId", id, 8);
	if (parent)
		put_id(o->b, "parentSpanId", parent, 8);
	json_put_int(o->b, "flags",
		FLAG_SAMPLED | FLAG_HAS_REMOTE | (own && parent ? FLAG_REMOTE : 0));
	SCOPED_BUF(full, 0);
	buf_str(&full, name);
	if (of.n) {
		buf_putc(&full, ' ');
		buf_span(&full, of);
	}
	json_put_text(o->b, "name", buf_view(&full));
	json_put_int(o->b, "kind", kind);
	otlp_time(o->b, "startTimeUnixNano", wall_ns(n, from_us));
	otlp_time(o->b, "endTimeUnixNano", wall_ns(n, to_us > from_us ? to_us : from_us));
	json_put_open(o->b, "attributes", '[');
	otlp_text(o->b, NAME(ID), span_str(n->id)); /* every span names its decision */
}

static void
close_span(struct span_out *o, bool error)
{
	if (error)
		json_put_form(o->b, "],'status':{'code':%u}}", (uint64_t)STATUS_ERROR);
	else
		buf_str(o->b, "]}");
}

static struct span
span_text_of(const json_t *object, enum record_field f)
{
	return json_span(record_in(object, f));
}

static int64_t
int_of(const json_t *object, enum record_field f)
{
	return (int64_t)json_integer_value(record_in(object, f));
}

static const char *
operation_of(const struct audit_note *n)
{
	return names_operation(n->format, n->endpoint);
}

/* Returns the model's name if it is a known model, otherwise an empty span. */
static struct span
model_of(const struct audit_note *n)
{
	struct span m = span_of(n->model, strnlen(n->model, sizeof(n->model)));

	return span_is(m, "other") ? SPAN_LIT("") : m;
}

static void
put_gen_ai(struct span_out *o)
{
	const struct audit_note *n = o->note;

	otlp_text(o->b, NAME(GEN_AI_PROVIDER), span_str(names_provider(n->format)));
	otlp_text(o->b, NAME(GEN_AI_OPERATION), span_str(operation_of(n)));
	if (operation_of(n))
		otlp_text(o->b, NAME(GEN_AI_MODEL), model_of(n));
}

/* ---- calls of tools ---- */

/* Writes the calls of tools in a record. The caller runs the calls of a model's response later,
 * so these spans have no duration. */
static void
put_calls(struct span_out *o, const json_t *record, uint64_t end_us)
{
	const json_t *calls = record_get(record, RF_CALLS);
	const struct audit_note *n = o->note;
	const json_t *c;
	size_t i;

	json_array_foreach(calls, i, c)
	{
		uint64_t took = (uint64_t)int_of(c, RF_CALLS_DURATION_US);
		uint64_t from = took && took < end_us ? end_us - took : end_us;
		struct span tool = otlp_plain(span_text_of(c, RF_CALLS_TOOL)),
			    method = otlp_plain(span_text_of(c, RF_CALLS_METHOD)),
			    decision = span_text_of(c, RF_CALLS_DECISION);
		bool mcp = method.n > 0;
		char name[NOTE_MODEL * 2];
		snprintf(name, sizeof(name), "%.*s",
			SPAN_ARG(mcp ? method : SPAN_LIT("execute_tool")));
		open_span(o, o->ids->own, n->completion ? "call" : "denied call", i, name, tool,
			mcp ? KIND_CLIENT : KIND_INTERNAL, from, end_us);
		if (tool.n)
			otlp_text(o->b, NAME(GEN_AI_OPERATION), SPAN_LIT("execute_tool"));
		otlp_text(o->b, NAME(GEN_AI_TOOL), tool);
		otlp_text(o->b, NAME(MCP_METHOD), method);
		otlp_text(o->b, NAME(CALL_BY), span_text_of(c, RF_CALLS_BY));
		otlp_text(o->b, NAME(CALL_SERVER), span_text_of(c, RF_CALLS_SERVER));
		otlp_text(o->b, NAME(CALL_OPERATION), span_text_of(c, RF_CALLS_OPERATION));
		otlp_text(o->b, NAME(DECISION), decision);
		otlp_text(o->b, NAME(RULE), span_text_of(c, RF_CALLS_RULE));
		if (span_is(decision, "deny"))
			otlp_text(o->b, NAME(ERROR_TYPE), SPAN_LIT("denied"));
		close_span(o, false);
	}
}

/* ---- the decision ---- */

static void
put_stages(struct span_out *o, uint64_t told_us)
{
	static const char *const names[STAGES] = {
#define X(id, name) name,
		STAGE_TABLE(X)
#undef X
	};
	const struct audit_note *n = o->note;
	uint64_t at = n->begun_us;

	json_put_form(o->b, "],'events':[");
	for (size_t i = 0; i < STAGE_TOTAL; i++) {
		uint64_t took = n->stage_us[i];
		if (i == STAGE_AUDIT)
			took = told_us > at ? told_us - at : 0;
		else if (!took)
			continue;
		at += took;
		json_put_open(o->b, NULL, '{');
		otlp_time(o->b, "timeUnixNano", wall_ns(n, at));
		json_put_printf(o->b, "name", "\"stage %s\"", names[i]);
		json_put_open(o->b, "attributes", '[');
		otlp_int(o->b, NAME(STAGE_US), (int64_t)took);
		buf_str(o->b, "]}");
	}
}

static void
put_decision(struct span_out *o, const json_t *record, uint64_t seq, uint64_t told_us)
{
	int64_t status = record_int(record, RF_STATUS);
	struct span route = record_span(record, RF_ROUTE), code = record_span(record, RF_CODE);

	open_span(o, o->ids->has_parent ? o->ids->parent : NULL, NULL, 0, "decide", route,
		KIND_SERVER, o->note->begun_us, told_us);
	otlp_text(o->b, NAME(DECISION), record_span(record, RF_DECISION));
	otlp_text(o->b, NAME(VIA), record_span(record, RF_VIA));
	otlp_text(o->b, NAME(RULE), record_span(record, RF_RULE));
	otlp_text(o->b, NAME(ROUTE), route);
	otlp_text(o->b, NAME(TARGET), record_span(record, RF_TARGET));
	otlp_text(o->b, NAME(POLICY), record_span(record, RF_POLICY));
	otlp_int(o->b, NAME(RECORD_SEQ), (int64_t)seq);
	put_gen_ai(o);
	if (status)
		otlp_int(o->b, NAME(HTTP_STATUS), status);
	if (record_is(record, RF_DECISION, "deny")) {
		char text[16];
		snprintf(text, sizeof(text), "%d", (int)status);
		otlp_text(o->b, NAME(ERROR_TYPE), code.n ? code : span_str(text));
	}
	put_stages(o, told_us);
	/* by the conventions, a server's span is an error only if the server failed */
	close_span(o, status >= 500);
	/* Relayed requests have their calls in the completion, with results. */
	if (record_is(record, RF_DECISION, "deny") || record_is(record, RF_VIA, "direct"))
		put_calls(o, record, told_us);
}

/* ---- attempts ---- */

/* One attempt, from the record and the note. */
struct attempt_said {
	size_t i;
	struct span target, cause;
	int64_t status, tokens, cost;
	bool priced, last;
	uint64_t from_us, to_us;
};

/* Writes the span of one attempt at a target. The response's facts belong to the last attempt.
 */
static void
put_attempt(struct span_out *o, const json_t *record, const struct attempt_said *a)
{
	const struct audit_note *n = o->note;
	const char *operation = operation_of(n);
	const json_t *answer = record_get(record, RF_ANSWER);
	bool failed = a->status >= 400 ||
		      !(span_is(a->cause, "done") || span_is(a->cause, "complete"));
	char text[16];

	open_span(o, o->ids->own, "attempt", a->i, operation ? operation : "attempt",
		operation ? model_of(n) : a->target, KIND_CLIENT, a->from_us, a->to_us);
	put_gen_ai(o);
	otlp_text(o->b, NAME(ROUTE), record_span(record, RF_ROUTE));
	otlp_text(o->b, NAME(TARGET), a->target);
	otlp_int(o->b, NAME(ATTEMPT), (int64_t)a->i + 1);
	otlp_text(o->b, NAME(CAUSE), a->cause);
	if (a->status)
		otlp_int(o->b, NAME(HTTP_STATUS), a->status);
	if (a->tokens)
		otlp_int(o->b, NAME(TOKENS), a->tokens);
	if (a->priced)
		otlp_int(o->b, NAME(COST), a->cost);
	snprintf(text, sizeof(text), "%d", (int)a->status);
	if (failed)
		otlp_text(o->b, NAME(ERROR_TYPE), a->status >= 400 ? span_str(text) : a->cause);
	if (a->last) {
		otlp_text(o->b, NAME(OUTCOME), span_str(n->outcome));
		otlp_text(o->b, NAME(GEN_AI_ANSWERED_BY),
			otlp_plain(json_span(record_in(answer, RF_ANSWER_MODEL))));
		otlp_list(o->b, NAME(GEN_AI_FINISH),
			otlp_plain(json_span(record_in(answer, RF_ANSWER_FINISH_REASON))));
		if (n->used) {
			otlp_int(o->b, NAME(GEN_AI_INPUT), n->input_tokens);
			otlp_int(o->b, NAME(GEN_AI_OUTPUT), n->output_tokens);
		}
		if (n->first_us > a->from_us)
			otlp_double(o->b, NAME(GEN_AI_FIRST_CHUNK),
				(double)(n->first_us - a->from_us) / 1e6);
	}
	close_span(o, failed);
}

static void
put_span_attempts(struct span_out *o, const json_t *record)
{
	const json_t *list = record_get(record, RF_ATTEMPTS), *v;
	const struct audit_note *n = o->note;
	size_t count = json_array_size(list), i;

	json_array_foreach(list, i, v)
	{
		bool known = i < n->attempts;
		const struct attempt_said a = { .i = i,
			.target = span_text_of(v, RF_ATTEMPTS_TARGET),
			.cause = span_text_of(v, RF_ATTEMPTS_CAUSE),
			.status = int_of(v, RF_ATTEMPTS_STATUS),
			.tokens = int_of(v, RF_ATTEMPTS_TOKENS),
			.cost = int_of(v, RF_ATTEMPTS_COST),
			.priced = record_in(v, RF_ATTEMPTS_COST) != NULL,
			.last = i + 1 == count,
			.from_us = known ? n->attempt[i].begun_us : n->sent_us,
			.to_us = known ? n->attempt[i].begun_us + n->attempt[i].took_us
				       : n->ended_us };
		put_attempt(o, record, &a);
	}
	if (count || !n->sent_us)
		return;
	const struct attempt_said one = { .target = record_span(record, RF_TARGET),
		.cause = span_str(n->outcome),
		.status = n->status,
		.cost = record_int(record, RF_COST_NANOUSD),
		.priced = record_get(record, RF_COST_NANOUSD) != NULL,
		.last = true,
		.from_us = n->sent_us,
		.to_us = n->ended_us };
	put_attempt(o, record, &one);
}

size_t
spans_write(struct buf *out, const struct audit_note *n, uint64_t seq, struct span fields,
	uint64_t told_us, const struct span_ids *ids)
{
	struct span_out o = { .b = out, .note = n, .ids = ids };

	SCOPED_BUF(line, 0);
	buf_putc(&line, '{');
	buf_span(&line, fields);
	buf_putc(&line, '}');
	struct span s = buf_view(&line);
	json_auto_t *record = buf_failed(&line) ? NULL : json_loadb(s.p, s.n, 0, NULL);
	if (!json_is_object(record))
		return 0;
	if (n->completion) {
		put_span_attempts(&o, record);
		put_calls(&o, record, n->ended_us);
	} else {
		put_decision(&o, record, seq, told_us);
	}
	return o.n;
}

/* ---- GenAI metrics ---- */

enum { BOUNDS_MOST = 16, ERROR_BYTES = 24 };

enum measure { DURATION, FIRST_CHUNK, PER_CHUNK, INPUT, OUTPUT, MEASURES };

struct bounds {
	enum telemetry_name name;
	const char *unit, *help, *type; /* value of gen_ai.token.type; NULL: none */
	size_t n;
	double most[BOUNDS_MOST];
};

#define TOKEN_BOUNDS                                                                           \
	14,                                                                                    \
	{                                                                                      \
		1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,         \
			16777216, 67108864                                                     \
	}
/* clang-format off */
static const struct bounds bounds[MEASURES] = {
	[DURATION] = { NAME_GEN_AI_DURATION, "s", "GenAI operation duration", NULL,
		14, { .01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92 } },
	[FIRST_CHUNK] = { NAME_GEN_AI_TTFC, "s", "time from the request of a stream to its first text", NULL,
		16, { .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10 } },
	[PER_CHUNK] = { NAME_GEN_AI_TPOC, "s", "mean time between two chunks of a stream", NULL,
		13, { .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5 } },
	[INPUT] = { NAME_GEN_AI_USAGE, "{token}", "tokens that providers reported", "input", TOKEN_BOUNDS },
	[OUTPUT] = { NAME_GEN_AI_USAGE, "{token}", "tokens that providers reported", "output", TOKEN_BOUNDS },
};
/* clang-format on */

/* Counts of one combination of provider, operation, model and error. */
struct gen_ai_series {
	struct key {
		const char *provider, *operation;
		/* error: "" if the completion succeeded */
		char model[NOTE_MODEL], error[ERROR_BYTES];
	} key;
	struct {
		uint64_t bucket[BOUNDS_MOST + 1], count;
		double sum;
	} of[MEASURES];
};

struct gen_ai {
	pthread_mutex_t lock;
	size_t n;
	/* the last one counts everything beyond the cap */
	struct gen_ai_series series[CAP_TELEMETRY_SERIES + 1];
};

struct gen_ai *
gen_ai_new(void)
{
	struct gen_ai *g = calloc(1, sizeof(*g));

	if (g)
		pthread_mutex_init(&g->lock, NULL);
	return g;
}

void
gen_ai_free(struct gen_ai **gp)
{
	if (*gp)
		pthread_mutex_destroy(&(*gp)->lock);
	free(*gp);
	*gp = NULL;
}

static void
count_measure(struct gen_ai_series *s, enum measure m, double v, uint64_t times)
{
	size_t i = 0;

	while (i < bounds[m].n && v > bounds[m].most[i])
		i++;
	s->of[m].bucket[i] += times;
	s->of[m].count += times;
	s->of[m].sum += v * (double)times;
}

static struct gen_ai_series *
find_gen_ai_series(struct gen_ai *g, const struct key *key)
{
	static const struct key beyond = {
		.provider = "other", .operation = "other", .model = "other"
	};
	struct gen_ai_series *s = g->series;

	for (; s < g->series + g->n; s++)
		if (s->key.provider == key->provider && s->key.operation == key->operation &&
			!strcmp(s->key.model, key->model) && !strcmp(s->key.error, key->error))
			return s;
	if (g->n < CAP_TELEMETRY_SERIES) {
		g->n++;
	} else {
		s = &g->series[CAP_TELEMETRY_SERIES];
		key = &beyond;
		if (s->key.provider)
			return s;
	}
	s->key = *key;
	return s;
}

void
gen_ai_add(struct gen_ai *g, const struct audit_note *n)
{
	uint64_t sent = n->sent_us;
	struct key key;

	if (!n->completion || !sent || n->ended_us < sent)
		return;
	key.provider = names_provider(n->format);
	key.operation = names_operation(n->format, n->endpoint);
	if (!key.operation)
		return;
	key.error[0] = '\0';
	memcpy(key.model, n->model, sizeof(key.model));
	if (n->status >= 400)
		snprintf(key.error, sizeof(key.error), "%d", n->status);
	else if (strcmp(n->outcome, "complete") != 0)
		snprintf(key.error, sizeof(key.error), "%s", n->outcome);
	SCOPED_LOCK(&g->lock);
	struct gen_ai_series *s = find_gen_ai_series(g, &key);
	count_measure(s, DURATION, (double)(n->ended_us - sent) / 1e6, 1);
	if (n->first_us > sent) {
		count_measure(s, FIRST_CHUNK, (double)(n->first_us - sent) / 1e6, 1);
		if (n->events > 1 && n->ended_us > n->first_us)
			count_measure(s, PER_CHUNK,
				(double)(n->ended_us - n->first_us) / 1e6 /
					(double)(n->events - 1),
				n->events - 1);
	}
	if (n->used) {
		count_measure(s, INPUT, (double)n->input_tokens, 1);
		count_measure(s, OUTPUT, (double)n->output_tokens, 1);
	}
}

static void
put_point(struct buf *out, const struct gen_ai_series *s, enum measure m, int64_t start_ns,
	int64_t now_ns)
{
	json_put_form(out, "{'attributes':[");
	otlp_text(out, telemetry_names[NAME_GEN_AI_OPERATION], span_str(s->key.operation));
	otlp_text(out, telemetry_names[NAME_GEN_AI_PROVIDER], span_str(s->key.provider));
	otlp_text(out, telemetry_names[NAME_GEN_AI_MODEL], span_str(s->key.model));
	otlp_text(out, telemetry_names[NAME_GEN_AI_TOKEN_TYPE], span_str(bounds[m].type));
	otlp_text(out, telemetry_names[NAME_ERROR_TYPE],
		m == DURATION ? span_str(s->key.error) : SPAN_LIT(""));
	json_put_close(out, ']');
	otlp_time(out, "startTimeUnixNano", start_ns);
	otlp_time(out, "timeUnixNano", now_ns);
	json_put_printf(out, "count", "\"%" PRIu64 "\"", s->of[m].count);
	json_put_printf(out, "sum", "%.9g", s->of[m].sum);
	json_put_open(out, "bucketCounts", '[');
	for (size_t i = 0; i <= bounds[m].n; i++)
		json_put_printf(out, NULL, "\"%" PRIu64 "\"", s->of[m].bucket[i]);
	json_put_form(out, "],'explicitBounds':[");
	for (size_t i = 0; i < bounds[m].n; i++)
		json_put_printf(out, NULL, "%.9g", bounds[m].most[i]);
	buf_str(out, "]}");
}

/* Returns true if the series differ only in the error. Only the duration has the attribute
 * error.type, so for the other measures these series are one point. */
static bool
same_but_error(const struct gen_ai_series *a, const struct gen_ai_series *b)
{
	return a->key.provider == b->key.provider && a->key.operation == b->key.operation &&
	       !strcmp(a->key.model, b->key.model);
}

/* Sums up the series that form one point with series i. Returns false if an earlier one of them
 * was written already. */
static bool
sum_of_point(const struct gen_ai_series *all, size_t n, size_t i, enum measure m, struct gen_ai_series *out)
{
	*out = all[i];
	for (size_t k = 0; m != DURATION && k < n; k++) {
		if (k == i || !same_but_error(&all[k], out))
			continue;
		if (k < i && all[k].of[m].count)
			return false;
		for (size_t b = 0; b <= BOUNDS_MOST; b++)
			out->of[m].bucket[b] += all[k].of[m].bucket[b];
		out->of[m].count += all[k].of[m].count;
		out->of[m].sum += all[k].of[m].sum;
	}
	return true;
}

/* Copies the series under the lock, so that counting does not wait for the output. */
static struct gen_ai_series *
copy_series(struct gen_ai *g, size_t *n)
{
	struct gen_ai_series *all = calloc(COUNT_OF(g->series), sizeof(*all));

	SCOPED_LOCK(&g->lock);
	*n = g->n + (g->series[CAP_TELEMETRY_SERIES].key.provider != NULL);
	if (all)
		memcpy(all, g->series, *n * sizeof(*all));
	return all;
}

void
gen_ai_write(
	struct gen_ai *g, struct buf *out, int64_t start_ns, int64_t now_ns, size_t *points)
{
	enum telemetry_name open = NAMES_COUNT;
	struct gen_ai_series s;
	size_t n;
	struct gen_ai_series *all = copy_series(g, &n);

	for (size_t at = 0; all && at < MEASURES * n; at++) {
		enum measure m = (enum measure)(at / n);
		if (!all[at % n].of[m].count || !sum_of_point(all, n, at % n, m, &s))
			continue;
		if (open != bounds[m].name && open != NAMES_COUNT)
			json_put_form(out, "]}}");
		if (open != bounds[m].name)
			json_put_form(out,
				"{'name':%s,'unit':%s,'description':%s,"
				"'histogram':{'aggregationTemporality':2,'dataPoints':[",
				telemetry_names[bounds[m].name], bounds[m].unit,
				bounds[m].help);
		open = bounds[m].name;
		put_point(out, &s, m, start_ns, now_ns);
		(*points)++;
	}
	if (open != NAMES_COUNT)
		buf_str(out, "]}}");
	free(all);
}
