/* Which fields of a record its event has: a row each. What a prompt or an answer said is in
 * none of them. Texts come from callers, too: as ASCII nothing in them is obeyed by whoever
 * prints them, and what is long is cut. */
#include "operator/admin/decisions_event.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/codec/utf8.h"
#include "base/scoped.h"
#include "record/audit/record_fields.h"

enum { TEXT_MAX = 256, LIST_MAX = 16 };

const char *const event_decisions[EVENT_DECISIONS] = { "", "permit", "redact", "deny",
	"observed" };

static const char *const kinds[] = { "decision", "completion", "gap" };

/* clang-format off */
static const struct {
	const char *name;
	enum record_field field;
	unsigned divide; /* µs to ms */
} rows[] = {
	{ "seq",            RF_SEQ,                  0 },
	{ "time",           RF_TIME,                 0 },
	{ "decided_at",     RF_DECIDED_AT,           0 },
	{ "id",             RF_ID,                   0 },
	{ "person",         RF_IDENTITY_PERSON,      0 },
	{ "team",           RF_IDENTITY_TEAM,        0 },
	{ "agent",          RF_IDENTITY_AGENT,       0 },
	{ "route",          RF_ROUTE,                0 },
	{ "target",         RF_TARGET,               0 },
	{ "model",          RF_MODEL,                0 },
	{ "decision",       RF_DECISION,             0 },
	{ "status",         RF_STATUS,               0 },
	{ "code",           RF_CODE,                 0 },
	{ "rule",           RF_RULE,                 0 },
	{ "reason",         RF_REASON,               0 },
	{ "would",          RF_WOULD_DECISION,       0 },
	{ "would_rule",     RF_WOULD_RULE,           0 },
	{ "would_be",       RF_WOULD_BE_DECISION,    0 },
	{ "would_be_rule",  RF_WOULD_BE_RULE,        0 },
	{ "shadow",         RF_SHADOW,               0 },
	{ "via",            RF_VIA,                  0 },
	{ "classes",        RF_CLASSES,              0 },
	{ "outcome",        RF_OUTCOME,              0 },
	{ "why",            RF_WHY,                  0 },
	{ "answer",         RF_ANSWER_DECISION,      0 },
	{ "answer_rule",    RF_ANSWER_RULE,          0 },
	{ "input_tokens",   RF_USAGE_INPUT_TOKENS,   0 },
	{ "output_tokens",  RF_USAGE_OUTPUT_TOKENS,  0 },
	{ "cost_nanousd",   RF_COST_NANOUSD,         0 },
	{ "ms",             RF_DURATION_US,          1000 },
	{ "first_text_ms",  RF_ANSWER_FIRST_TEXT_US, 1000 },
};
/* clang-format on */

/* What is shown of a value; NULL: nothing. */
static json_t *
shown(json_t *v, unsigned divide)
{
	json_t *list, *one;
	size_t i;

	if (json_is_string(v)) {
		struct span s = json_span(v);
		s.n = s.n > TEXT_MAX ? utf8_before(s.p, TEXT_MAX) : s.n;
		return json_stringn(s.p, s.n);
	}
	if (json_is_integer(v))
		return json_integer(json_integer_value(v) / (divide ? divide : 1));
	if (!json_is_array(v))
		return json_is_object(v) ? NULL : json_incref(v);
	list = json_array();
	json_array_foreach(v, i, one)
	{
		if (i < LIST_MAX)
			json_array_append_new(list, shown(one, divide));
	}
	return list;
}

static struct span
keep_event_text(char **at, struct span s)
{
	struct span kept = span_of(*at, s.n);

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

/* With copies of what it points to. */
static struct event *
made_event(struct event e)
{
	size_t bytes = sizeof(e) + e.person.n + e.route.n + e.model.n + e.text.n;
	struct event *out = malloc(bytes);

	if (!out)
		return NULL;
	char *at = (char *)(out + 1);
	*out = e;
	out->bytes = bytes;
	out->person = keep_event_text(&at, e.person);
	out->route = keep_event_text(&at, e.route);
	out->model = keep_event_text(&at, e.model);
	out->text = keep_event_text(&at, e.text);
	return out;
}

static struct event *
framed(const char *node, struct event e, const json_t *data)
{
	char *text = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct event *out = NULL;

	SCOPED_BUF(b, 0);
	buf_printf(&b, "id: %s/%" PRIu64 "\nevent: %s\ndata: %s\n\n", node, e.seq,
		kinds[e.kind], text ? text : "");
	e.text = buf_view(&b);
	if (text && !buf_failed(&b))
		out = made_event(e);
	free(text);
	return out;
}

struct event *
event_of(struct span line)
{
	json_auto_t *record = json_loadb(line.p, line.n, 0, NULL), *data = json_object();
	const char *type = record_text(record, RF_TYPE);
	bool completion = str_same(type, kinds[EVENT_COMPLETION]);

	if (!completion && !str_same(type, kinds[EVENT_DECISION]))
		return NULL;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *v = record_get(record, rows[i].field);
		json_t *as = v ? shown(v, rows[i].divide) : NULL;
		if (as)
			json_object_set_new(data, rows[i].name, as);
	}
	size_t decision =
		span_find(record_span(record, RF_DECISION), event_decisions, EVENT_DECISIONS);
	const struct event e = {
		.seq = (uint64_t)json_integer_value(record_get(record, RF_SEQ)),
		.kind = completion ? EVENT_COMPLETION : EVENT_DECISION,
		.decision = decision < EVENT_DECISIONS ? (enum event_decision)decision
						       : EVENT_UNKNOWN,
		/* Whoever makes ids that are alike here are we. */
		.id = span_hash(record_span(record, RF_ID)),
		.person = record_span(record, RF_IDENTITY_PERSON),
		.route = record_span(record, RF_ROUTE),
		.model = record_span(record, RF_MODEL),
	};
	return framed(record_text(record, RF_NODE), e, data);
}

struct event *
event_gap(const char *node, uint64_t first, uint64_t last, const char *why)
{
	json_auto_t *data = json_pack(
		"{s:I,s:I,s:s}", "from", (json_int_t)first, "to", (json_int_t)last, "why", why);
	return framed(node, (struct event){ .seq = last, .kind = EVENT_GAP }, data);
}
