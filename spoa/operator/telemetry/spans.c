/* Makes spans of records. A record is our own line, so a member that is missing or has another
 * type is left out. */
#include "operator/telemetry/spans.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/codec/trace.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "budget/tally/tally.h"
#include "operator/telemetry/otlp_json.h"
#include "record/audit/record_fields.h"

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
