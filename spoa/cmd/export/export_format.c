/* The formats of an export, one row for each: JSON lines, CSV (RFC 4180), syslog (RFC 5424) and
 * events of OCSF 1.9.0 (Open Cybersecurity Schema Framework, schema.ocsf.io). A spreadsheet
 * never takes a CSV cell for a formula.
 *
 * An event of OCSF is made of two tables. The first chooses the class of a record. The second
 * maps fields of the record to paths of the event. The events use the profiles ai_operation,
 * record_integrity and security_control. tests/data/ocsf.json holds the part of the schema that
 * these classes need. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/utf8.h"
#include "cmd/export/export.h"

/* ---- OCSF ---- */

#define VERSION "1.9.0"

enum { REQUEST = 1, FOUND = 2 }; /* flags of a class: its records are of requests; its events
				  * are findings */

/* clang-format off */
/* The first row that matches chooses the class: by type, by decision, and by whether
 * something was found. */
static const struct class {
	const char *type, *decision; /* NULL: any */
	bool found;
	int class_uid, activity_id, severity_id;
	const char *activity, *title;
	unsigned flags;
} classes[] = {
	{ "decision", "deny", true, 2004, 1, 4, "Create", "request denied because of its content", FOUND | REQUEST },
	{ "decision", "redact", true, 2004, 1, 3, "Create", "request redacted", FOUND | REQUEST },
	{ "decision", "deny", false, 6003, 99, 2, "Request", "request denied", REQUEST },
	{ "decision", NULL, false, 6003, 99, 1, "Request", "request decided", REQUEST },
	{ "attempt", NULL, false, 6003, 99, 1, "Attempt", "another target tried", REQUEST },
	{ "completion", NULL, false, 6003, 99, 1, "Response", "request ended", REQUEST },
	{ "read", NULL, false, 6003, 2, 1, "Read", "records read", 0 },
	{ "change", NULL, false, 6003, 3, 2, "Update", "key or limit changed", 0 },
	{ "alarm", NULL, false, 2004, 1, 5, "Create", "the journal was altered, or its disk is nearly full", FOUND },
	{ "boot", NULL, false, 6002, 3, 1, "Start", "the daemon started", 0 },
	{ "close", NULL, false, 6002, 4, 1, "Stop", "the daemon ended", 0 },
	{ "policy", NULL, false, 6002, 8, 1, "Update", "a policy is in force", 0 },
	{ "key", NULL, false, 6002, 8, 2, "Update", "the signing key", 0 },
	{ NULL, NULL, false, 6002, 99, 1, NULL, NULL, 0 }, /* named after its type */
};

enum how { TEXT, COUNT, NAMES, LISTED };

/* The paths of a request's fields: "a.b" is b in a. LISTED: a list with one object that has
 * the name. */
static const struct {
	const char *path;
	enum record_field field;
	enum how how;
} fields[] = {
	{ "actor.user.name", RF_IDENTITY_PERSON, TEXT },
	{ "actor.user.credential_uid", RF_IDENTITY_KEY, TEXT },
	{ "actor.user.groups", RF_IDENTITY_TEAM, LISTED },
	{ "actor.app_name", RF_IDENTITY_AGENT, TEXT },
	{ "src_endpoint.ip", RF_REQUEST_SRC, TEXT },
	{ "api.request.uid", RF_ID, TEXT },
	{ "api.service.name", RF_TARGET, TEXT },
	{ "api.response.code", RF_STATUS, COUNT },
	{ "api.response.error", RF_CODE, TEXT },
	{ "api.response.message", RF_REASON, TEXT },
	{ "http_request.url.hostname", RF_REQUEST_HOST, TEXT },
	{ "http_request.url.path", RF_REQUEST_PATH, TEXT },
	{ "policy.name", RF_POLICY, TEXT },
	{ "policy.uid", RF_POLICY_VERSION, TEXT },
	{ "message_context.prompt_tokens", RF_USAGE_INPUT_TOKENS, COUNT },
	{ "message_context.completion_tokens", RF_USAGE_OUTPUT_TOKENS, COUNT },
	{ "status_detail", RF_WHY, TEXT },
	{ "unmapped.decision", RF_DECISION, TEXT },
	{ "unmapped.rule", RF_RULE, TEXT },
	{ "unmapped.route", RF_ROUTE, TEXT },
	{ "unmapped.use_case", RF_ABOUT_USE_CASE, TEXT },
	{ "unmapped.risk", RF_ABOUT_RISK, TEXT },
	{ "unmapped.operation", RF_ABOUT_OPERATION, TEXT },
	{ "unmapped.region", RF_REGION, TEXT },
	{ "unmapped.classes", RF_CLASSES, NAMES },
	{ "unmapped.entities", RF_ENTITIES, NAMES },
	{ "unmapped.tags", RF_TAGS, NAMES },
	{ "unmapped.cost_nanousd", RF_COST_NANOUSD, COUNT },
	{ "unmapped.duration_us", RF_DURATION_US, COUNT },
	{ "unmapped.answer_classes", RF_ANSWER_CLASSES, NAMES },
	{ "unmapped.tool_calls", RF_ANSWER_TOOL_CALLS, NAMES },
};
/* clang-format on */

/* The members of a request's event that are copied into a finding as its evidence. */
static const char *const evidence[] = { "actor", "api", "http_request", "src_endpoint" };

/* The words of security_control for a decision. */
static const struct {
	const char *decision;
	int action, disposition;
} actions[] = { { "permit", 1, 1 }, { "redact", 4, 11 }, { "deny", 2, 2 },
	{ "observed", 3, 17 } };

/* Returns the object that contains the last name of the path "a.b.c", and creates missing
 * objects. *last gets the last name. */
static json_t *
json_make_path(json_t *o, const char *path, const char **last)
{
	struct span rest = span_str(path);

	for (;;) {
		struct span name = span_next(&rest, '.');
		if (!rest.p) {
			*last = name.p;
			return o;
		}
		json_t *in = json_object_getn(o, name.p, name.n);
		if (!in) {
			in = json_object();
			json_object_setn_new(o, name.p, name.n, in);
		}
		o = in;
	}
}

static void
put_ocsf(json_t *o, const char *path, json_t *v)
{
	const char *last;
	json_t *to = json_make_path(o, path, &last);

	json_object_set_new(to, last, v);
}

static void
put_ocsf_text(json_t *o, const char *path, struct span s)
{
	put_ocsf(o, path, json_stringn(s.p ? s.p : "", s.n));
}

static json_t *
names_of(const json_t *v)
{
	json_t *list = json_array(), *one;
	const char *name;
	size_t i;

	json_array_foreach(v, i, one) json_array_append(list, one);
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
		json_array_append_new(list, json_string(name));
	return list;
}

static void
put_fields(json_t *o, const json_t *record)
{
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		json_t *v = record_get(record, fields[i].field);
		if (fields[i].how == TEXT && json_string_length(v))
			put_ocsf_text(o, fields[i].path, json_span(v));
		else if (fields[i].how == COUNT && json_is_integer(v))
			put_ocsf(o, fields[i].path, json_integer(json_integer_value(v)));
		else if (fields[i].how == NAMES && (json_is_array(v) || json_is_object(v)))
			put_ocsf(o, fields[i].path, names_of(v));
		else if (fields[i].how == LISTED && json_string_length(v))
			put_ocsf(o, fields[i].path, json_pack("[{s:O}]", "name", v));
	}
}

static bool
found_in(const json_t *record)
{
	return json_array_size(record_get(record, RF_CLASSES)) ||
	       json_object_size(record_get(record, RF_ENTITIES));
}

static const struct class *
class_of(const struct export_record *r)
{
	const struct class *c = classes;
	bool found = found_in(r->json);

	while (c->type &&
		(!span_is(r->l->type, c->type) ||
			(c->decision && !record_is(r->json, RF_DECISION, c->decision)) ||
			(c->found && !found)))
		c++;
	return c;
}

/* Returns false for a denied request and for one whose caller did not get a complete
 * response. */
static bool
succeeded(const struct export_record *r)
{
	int64_t status = record_int(r->json, RF_STATUS);

	if (span_is(r->l->type, "completion"))
		return record_is(r->json, RF_OUTCOME, "complete") && status < 400;
	return !record_is(r->json, RF_DECISION, "deny");
}

static void
put_request(json_t *o, const struct export_record *r)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"OPTIONS" };
	struct span method = record_span(r->json, RF_REQUEST_METHOD),
		    path = record_span(r->json, RF_REQUEST_PATH),
		    route = record_span(r->json, RF_ROUTE);
	json_t *model = record_get(r->json, RF_MODEL), *target = record_get(r->json, RF_TARGET);
	json_t *usage = json_object_get(o, "message_context");

	put_fields(o, r->json);
	SCOPED_BUF(op, 0);
	buf_span(&op, method.n ? method : r->l->type);
	buf_putc(&op, ' ');
	buf_span(&op, method.n && path.n ? path : route.n ? route : SPAN_LIT("-"));
	put_ocsf_text(o, "api.operation", buf_view(&op));
	if (SPAN_IN(method, methods))
		put_ocsf_text(o, "http_request.http_method", method);
	if (!json_object_get(json_object_get(o, "actor"), "user") &&
		!json_object_get(json_object_get(o, "actor"), "app_name"))
		put_ocsf_text(o, "actor.app_name", SPAN_LIT("unidentified"));
	if (!json_object_get(json_object_get(o, "actor"), "app_name") &&
		!json_object_get(json_object_get(json_object_get(o, "actor"), "user"), "name"))
		put_ocsf_text(o, "actor.user.name", SPAN_LIT("-"));
	/* only decisions have the caller's address */
	if (!json_object_get(o, "src_endpoint"))
		put_ocsf_text(o, "src_endpoint.name", SPAN_LIT("unknown"));
	if (json_string_length(model) && json_string_length(target))
		json_object_set_new(o, "ai_model",
			json_pack("{s:O,s:O}", "name", model, "ai_provider", target));
	usage = json_object_get(o, "message_context");
	if (usage) {
		json_int_t sum = json_int_in(usage, "prompt_tokens") +
				 json_int_in(usage, "completion_tokens");
		json_object_set_new(usage, "total_tokens", json_integer(sum));
		put_ocsf_text(o, "message_context.service.name",
			route.n ? route : SPAN_LIT("unknown"));
		put_ocsf_text(o, "message_context.name", route.n ? route : SPAN_LIT("unknown"));
	}
	for (size_t i = 0; i < COUNT_OF(actions); i++)
		if (record_is(r->json, RF_DECISION, actions[i].decision)) {
			put_ocsf(o, "action_id", json_integer(actions[i].action));
			put_ocsf(o, "disposition_id", json_integer(actions[i].disposition));
		}
	put_ocsf_text(o, "metadata.correlation_uid", record_span(r->json, RF_ID));
	if (json_is_integer(record_get(r->json, RF_STATUS))) {
		char number[SPAN_DECIMAL];
		put_ocsf_text(o, "status_code",
			span_of(number, span_decimal(number, record_int(r->json, RF_STATUS))));
	}
}

/* Adds who changed or read something: the user of the admin socket. */
static void
put_admin(json_t *o, const struct export_record *r)
{
	const json_t *peer = json_object_get(r->json, "peer");
	const char *by = json_text_in(r->json, "by"), *user = json_text_in(peer, "user");

	put_ocsf_text(o, "actor.user.name", span_str(by[0] ? by : user[0] ? user : "-"));
	put_ocsf_text(o, "src_endpoint.svc_name", SPAN_LIT("admin socket"));
	SCOPED_BUF(op, 0);
	buf_printf(&op, "%.*s %s", SPAN_ARG(r->l->type), json_text_in(r->json, "what"));
	put_ocsf_text(o, "api.operation", buf_view(&op));
}

/* Adds a finding, with the request as its evidence. */
static void
put_finding(json_t *o, const struct export_record *r, const struct class *c, struct span uid)
{
	struct span rule = record_span(r->json, RF_RULE);
	json_auto_t *proof = json_object();

	put_ocsf_text(o, "finding_info.uid", uid);
	put_ocsf_text(o, "finding_info.title", span_str(c->title));
	if (rule.n) {
		put_ocsf_text(o, "finding_info.analytic.name", rule);
		put_ocsf(o, "finding_info.analytic.type_id", json_integer(1));
	}
	if (found_in(r->json))
		put_ocsf(o, "finding_info.types", names_of(record_get(r->json, RF_CLASSES)));
	for (size_t i = 0; i < COUNT_OF(evidence); i++) {
		json_t *v = json_object_get(o, evidence[i]);
		if (v)
			json_object_set(proof, evidence[i], v);
		json_object_del(o, evidence[i]);
	}
	if (json_object_size(proof))
		json_object_set_new(o, "evidences", json_pack("[O]", proof));
	/* the profile ai_operation does not apply to findings */
	json_t *model = json_object_get(o, "ai_model");
	if (model)
		json_object_set(json_object_get(o, "unmapped"), "ai_model", model);
	json_object_del(o, "ai_model");
	put_ocsf(o, "status_id", json_integer(1)); /* the status New */
	put_ocsf(o, "is_alert", json_true());
}

/* Appends the record as one event of OCSF. */
static void
export_ocsf(struct buf *out, const struct export_record *r)
{
	const struct class *c = class_of(r);
	json_auto_t *o = json_object();
	int64_t ns = 0;
	char *text;

	clock_parse(r->l->time.p, r->l->time.n, &ns);
	SCOPED_BUF(uid, 0);
	buf_printf(&uid, "%.*s/%" PRIu64, SPAN_ARG(r->l->node), r->l->seq);
	put_ocsf(o, "class_uid", json_integer(c->class_uid));
	put_ocsf(o, "category_uid", json_integer(c->class_uid / 1000));
	put_ocsf(o, "activity_id", json_integer(c->activity_id));
	put_ocsf_text(o, "activity_name", c->activity ? span_str(c->activity) : r->l->type);
	put_ocsf(o, "type_uid", json_integer((json_int_t)c->class_uid * 100 + c->activity_id));
	put_ocsf(o, "severity_id", json_integer(c->severity_id));
	put_ocsf(o, "time", json_integer(ns / 1000000));
	put_ocsf_text(o, "message", c->title ? span_str(c->title) : r->l->type);
	put_ocsf_text(o, "metadata.version", SPAN_LIT(VERSION));
	put_ocsf_text(o, "metadata.product.name", SPAN_LIT("tollgate"));
	put_ocsf_text(o, "metadata.product.vendor_name", SPAN_LIT("tollgate"));
	put_ocsf(o, "metadata.profiles",
		json_pack("[s,s,s]", "ai_operation", "record_integrity", "security_control"));
	put_ocsf_text(o, "metadata.uid", buf_view(&uid));
	put_ocsf(o, "metadata.sequence", json_integer((json_int_t)r->l->seq));
	put_ocsf_text(o, "metadata.event_code", r->l->type);
	put_ocsf_text(o, "metadata.log_name", r->l->node);
	put_ocsf(o, "attestation_list",
		json_pack("[{s:s%,s:s%,s:{s:i,s:s}}]", "uid", buf_view(&uid).p, uid.n,
			"chain_uid", r->l->node.p, r->l->node.n, "fingerprint", "algorithm_id",
			3, "value", r->hash));
	if (c->flags & REQUEST) {
		put_ocsf(o, "status_id", json_integer(succeeded(r) ? 1 : 2));
		put_request(o, r);
	} else {
		put_ocsf_text(o, "raw_data", r->line);
		if (c->class_uid == 6003)
			put_admin(o, r);
		if (c->class_uid == 6002) {
			put_ocsf_text(o, "app.name", SPAN_LIT("tollgate"));
			put_ocsf_text(o, "app.uid", r->l->node);
		}
	}
	if (c->flags & FOUND)
		put_finding(o, r, c, buf_view(&uid));
	text = json_dumps(o, JSON_COMPACT);
	buf_str(out, text ? text : "{}");
	free(text);
}

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
		} else if (((unsigned char)c < ' ' && !is_space(c)) || c == 0x7f) {
			buf_putc(out, '?');
		} else {
			buf_put(out, rest.p, n);
		}
		*fresh = is_space(c) ? *fresh || c != ' ' : c && strchr(",;|\"'", c) != NULL;
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
	if (text.n && ((is_space(text.p[0]) && text.p[0] != ' ') ||
			      (rest.n < text.n && begins_formula(rest)))) {
		buf_putc(out, '\'');
		fresh = is_space(text.p[0]) && text.p[0] != ' ';
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
