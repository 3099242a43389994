/* The formats of an export, one row for each: JSON lines, CSV (RFC 4180) and syslog (RFC
 * 5424). A spreadsheet never takes a CSV cell for a formula. The format OCSF is in
 * export_ocsf.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/codec/json_text.h"
#include "base/utf8.h"
#include "cmd/export/export.h"

/* ---- JSON lines ---- */

static void
put_record_json(struct buf *out, const struct export_record *r)
{
	buf_span(out, r->line);
}

/* ---- CSV ---- */

/* The columns, as fields of records. Lists are joined by commas; a map is written as its
 * names. */
static const enum record_field columns[] = { RF_NODE, RF_BOOT, RF_SEQ, RF_TIME, RF_TYPE, RF_ID,
	RF_DECIDED_AT, RF_DECISION, RF_OUTCOME, RF_STATUS, RF_CODE, RF_REASON, RF_WHY, RF_RULE,
	RF_WOULD_DECISION, RF_WOULD_RULE, RF_VIA, RF_POLICY, RF_POLICY_VERSION, RF_ROUTE,
	RF_ABOUT_USE_CASE, RF_ABOUT_RISK, RF_ABOUT_OPERATION, RF_ABOUT_REVIEWER, RF_REGION,
	RF_TARGET, RF_BACKEND, RF_MODEL, RF_REQUESTED_MODEL, RF_TAGS, RF_REQUEST_TAGS,
	RF_REQUEST_METHOD, RF_REQUEST_HOST, RF_REQUEST_PATH, RF_REQUEST_SRC,
	RF_REQUEST_CONVERSATION, RF_IDENTITY_METHOD, RF_IDENTITY_PERSON, RF_IDENTITY_AGENT,
	RF_IDENTITY_DEPARTMENT, RF_IDENTITY_TEAM, RF_IDENTITY_TIER, RF_IDENTITY_CLEARANCE,
	RF_IDENTITY_ROLES, RF_IDENTITY_ISSUER, RF_IDENTITY_KEY, RF_CLASSES, RF_ENTITIES,
	RF_INJECTION, RF_PROMPT_BYTES, RF_PROMPT_HMAC_SHA256, RF_ATTEMPT, RF_NO_FURTHER,
	RF_USAGE_INPUT_TOKENS, RF_USAGE_OUTPUT_TOKENS, RF_COST_NANOUSD, RF_DURATION_US,
	RF_ANSWER_DECISION, RF_ANSWER_RULE, RF_ANSWER_CLASSES, RF_ANSWER_TOOL_CALLS };

enum { STAMPS = 5 }; /* the columns that every record has, up to RF_TYPE */

/* Returns true if a spreadsheet would take the text for the beginning of a formula. The
 * wide (full-width) forms of the characters count too. */
static bool
begins_formula(struct span s)
{
	static const char *const wide[] = { "\uff1d", "\uff0b", "\uff0d", "\uff20" };

	for (size_t i = 0; i < COUNT_OF(wide); i++)
		if (span_starts(s, span_str(wide[i])))
			return true;
	return s.n && strchr("=+-@", s.p[0]) && s.p[0];
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies the text and puts an apostrophe before everything that begins a formula. This is
 * necessary at the begin of the cell, after spaces, and after each character that ends a
 * cell for readers that use another separator. */
static void
put_safe(struct buf *out, struct span s, bool *fresh)
{
	for (size_t i = 0; i < s.n;) {
		struct span rest = span_cut(s, i, s.n);
		size_t n = utf8_sequence(rest.p, rest.n);
		char c = rest.p[0];
		if (*fresh && begins_formula(rest))
			buf_putc(out, '\'');
		if (!n) {
			buf_str(out, "\ufffd");
		} else if (c == '"') {
			buf_str(out, "\"\"");
		} else if (((unsigned char)c < ' ' && !is_blank(c)) || c == 0x7f) {
			buf_putc(out, '?');
		} else {
			buf_put(out, rest.p, n);
		}
		*fresh = is_blank(c) ? *fresh || c != ' ' : c && strchr(",;|\"'", c) != NULL;
		i += n ? n : 1;
	}
}

/* TAB, CR and LF at the begin of the text begin no formula either. */
void
export_cell(struct buf *out, struct span text)
{
	struct span rest = text;
	bool fresh = true;

	buf_putc(out, '"');
	while (rest.n && rest.p[0] == ' ')
		rest = span_cut(rest, 1, rest.n);
	if (text.n && ((is_blank(text.p[0]) && text.p[0] != ' ') ||
			      (rest.n < text.n && begins_formula(rest)))) {
		buf_putc(out, '\'');
		fresh = is_blank(text.p[0]) && text.p[0] != ' ';
	}
	put_safe(out, text, &fresh);
	buf_putc(out, '"');
}

static void
put_export_value(struct buf *out, const json_t *v)
{
	const char *name;
	json_t *one;
	size_t i;

	SCOPED_BUF(joined, 0);
	if (json_is_integer(v))
		buf_int(out, json_integer_value(v));
	else if (json_is_real(v))
		buf_printf(out, "%.17g", json_real_value(v));
	else if (json_is_boolean(v))
		buf_str(out, json_is_true(v) ? "true" : "false");
	if (json_is_number(v) || json_is_boolean(v))
		return;
	json_array_foreach(v, i, one)
	{
		buf_str(&joined, i ? "," : "");
		buf_span(&joined, json_is_string(one) ? json_span(one) : SPAN_LIT("?"));
	}
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		buf_str(&joined, joined.n ? "," : "");
		buf_str(&joined, name);
	}
	if (json_is_string(v))
		buf_span(&joined, json_span(v));
	export_cell(out, buf_view(&joined));
}

static void
begin_csv(struct buf *out)
{
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		buf_printf(out, "%s%s", i ? "," : "", record_rows[columns[i]].path);
	buf_str(out, ",details,hash\r\n");
}

/* The fields of a request have columns of their own. For other records, everything after the
 * type is one JSON text in the column before the hash. */
static void
put_csv(struct buf *out, const struct export_record *r)
{
	static const char *const requests[] = { "decision", "attempt", "completion" };
	bool request = SPAN_IN(r->l->type, requests);

	for (size_t i = 0; i < COUNT_OF(columns); i++) {
		const json_t *v =
			request || i < STAMPS ? record_get(r->json, columns[i]) : NULL;
		buf_str(out, i ? "," : "");
		if (v && !json_is_null(v))
			put_export_value(out, v);
	}
	buf_putc(out, ',');
	if (!request) {
		const char *type = memmem(r->line.p, r->line.n, ",\"type\":\"", 9);
		size_t skip = type ? (size_t)(type - r->line.p) + 1 : 0;
		SCOPED_BUF(details, 0);
		buf_putc(&details, '{');
		buf_span(&details, span_cut(r->line, skip, r->line.n));
		export_cell(out, buf_view(&details));
	}
	buf_printf(out, ",%s", r->hash);
}

/* ---- syslog ---- */

/* RFC 5612 reserves this number for examples; tollgate has no number of its own */
#define SD_ID	 "tollgate@32473"
#define FACILITY 13 /* the facility "log audit" */

/* The severity of a message: the first row that matches. */
static const struct {
	const char *type;
	enum record_field field;
	const char *value;
	int severity;
} severities[] = {
	{ "alarm", RF_TYPE, "alarm", 1 },
	{ "decision", RF_DECISION, "deny", 4 },
	{ "decision", RF_DECISION, "redact", 5 },
	{ "resume", RF_TYPE, "resume", 4 },
	{ "change", RF_TYPE, "change", 5 },
	{ "key", RF_TYPE, "key", 5 },
	{ "trim", RF_TYPE, "trim", 5 },
};

/* The parameters of a message and their fields. */
static const struct {
	const char *name;
	enum record_field field;
} params[] = { { "id", RF_ID }, { "decision", RF_DECISION }, { "outcome", RF_OUTCOME },
	{ "status", RF_STATUS }, { "person", RF_IDENTITY_PERSON }, { "route", RF_ROUTE },
	{ "target", RF_TARGET }, { "model", RF_MODEL }, { "rule", RF_RULE },
	{ "policy", RF_POLICY } };

/* Writes a PARAM-VALUE (RFC 5424, 6.3.3): quotes, backslashes and closing brackets
 * are escaped. Control characters become '?', so that the message stays one line. */
static void
put_param(struct buf *out, const char *name, struct span s)
{
	buf_printf(out, " %s=\"", name);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < ' ' || c == 0x7f) {
			buf_putc(out, '?');
			continue;
		}
		if (c == '"' || c == '\\' || c == ']')
			buf_putc(out, '\\');
		buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void
put_syslog(struct buf *out, const struct export_record *r)
{
	int severity = 6;

	for (size_t i = 0; i < COUNT_OF(severities); i++)
		if (span_is(r->l->type, severities[i].type) &&
			record_is(r->json, severities[i].field, severities[i].value)) {
			severity = severities[i].severity;
			break;
		}
	/* the time has at most six decimals, and the name of a message at most 32
	 * characters */
	buf_printf(out, "<%d>1 %.*sZ %.*s tollgate %" PRIu64 " ", FACILITY * 8 + severity,
		SPAN_ARG(span_cut(r->l->time, 0, 26)), SPAN_ARG(r->l->node), r->l->boot);
	for (size_t i = 0; i < r->l->type.n && i < 32; i++)
		buf_putc(out, r->l->type.p[i] > ' ' && r->l->type.p[i] < 0x7f ? r->l->type.p[i]
									      : '?');
	buf_printf(out, " [" SD_ID " seq=\"%" PRIu64 "\" hash=\"%s\"", r->l->seq, r->hash);
	for (size_t i = 0; i < COUNT_OF(params); i++) {
		const json_t *v = record_get(r->json, params[i].field);
		char number[SPAN_DECIMAL];
		if (json_is_integer(v))
			put_param(out, params[i].name,
				span_of(number, span_decimal(number, json_integer_value(v))));
		else if (json_is_string(v))
			put_param(out, params[i].name, json_span(v));
	}
	buf_str(out, "] ");
	buf_span(out, r->line);
}

const struct export_format export_formats[] = {
	{ "jsonl", false, false, NULL, put_record_json, "\n" },
	{ "csv", true, false, begin_csv, put_csv, "\r\n" },
	{ "ocsf", true, false, NULL, export_ocsf, "\n" },
	{ "syslog", true, true, NULL, put_syslog, "\n" },
};
const size_t export_formats_count = COUNT_OF(export_formats);
