/* tollgate audit report: prints the evidence for a period. The sections are rows of a
 * table, each with the articles of Regulation (EU) 2024/1689 (AI Act) for which it is
 * evidence.
 *
 * The first half adds records to the counts and lists of a report. There may be millions of
 * decisions and completions, so their members are found without parsing the whole line. Records
 * of other types are parsed. */
#include "cmd/report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "record/audit/usage.h"

/* ---- counts and lists ---- */

/* Adds a new member and returns it. Returns NULL if memory is exhausted or there is no
 * name; additions to NULL are ignored. */
static json_t *
made_in(json_t *o, const char *name, json_t *made)
{
	return json_object_set_new(o, name, made) < 0 ? NULL : made;
}

static json_t *
object_in(json_t *o, const char *name)
{
	json_t *v = json_object_get(o, name);

	return v ? v : made_in(o, name, json_object());
}

/* Returns a string of a record without its quotes. Escapes are not decoded. */
static struct span
bare_raw(struct span raw)
{
	return raw.n >= 2 && raw.p[0] == '"' ? span_cut(raw, 1, raw.n - 1) : raw;
}

/* Returns the name under which a value is counted: itself, or "(other)" if the counts are
 * full. The value may contain anything. */
static void
name_among(const json_t *counts, struct span value, size_t most, char out[256])
{
	struct span cut = span_cut(value.n ? value : SPAN_LIT("-"), 0, 255);

	while (cut.n && cut.n < value.n && ((unsigned char)cut.p[cut.n] & 0xc0) == 0x80)
		cut.n--; /* do not cut inside a UTF-8 character */
	json_auto_t *text = json_stringn(cut.p, cut.n);
	snprintf(out, 256, "%.*s", SPAN_ARG(text ? cut : SPAN_LIT("(not UTF-8)")));
	if (!json_object_get(counts, out) && json_object_size(counts) >= most)
		snprintf(out, 256, "(other)");
}

/* Adds a count and stops at the largest number, since records of others may have any
 * number. */
static void
add_to_counts(json_t *counts, const char *name, int64_t n)
{
	json_t *v = json_object_get(counts, name);
	json_int_t sum;

	if (__builtin_add_overflow(json_integer_value(v), n > 0 ? n : 0, &sum))
		sum = INT64_MAX;
	if (v)
		json_integer_set(v, sum);
	else
		json_object_set_new(counts, name, json_integer(sum));
}

static void
add_among(json_t *section, const char *by, struct span value, size_t most, int64_t n)
{
	json_t *counts = object_in(section, by);
	char name[256];

	name_among(counts, value, most, name);
	add_to_counts(counts, name, n);
}

static void
count_reported(json_t *section, const char *by, struct span raw)
{
	add_among(section, by, bare_raw(raw), REPORT_NAMES, 1);
}

/* Counts each string of a JSON list. */
static void
count_each(json_t *section, const char *by, struct span raw, size_t most)
{
	while (raw.n) {
		size_t at = span_chr(raw, '"');
		struct span rest = span_cut(raw, at + 1, raw.n);
		size_t end = span_chr(rest, '"');
		if (at >= raw.n || end >= rest.n)
			return;
		add_among(section, by, span_cut(rest, 0, end), most, 1);
		raw = span_cut(rest, end + 1, rest.n);
	}
}

static int64_t
reported_number(struct span raw)
{
	uint64_t n = 0;

	return raw.n && span_u64(raw, &n) == 0 ? (int64_t)(n < INT64_MAX ? n : INT64_MAX) : 0;
}

/* Appends an item to a list and takes ownership of it. */
static void
list_reported(json_t *section, const char *name, json_t *item)
{
	json_t *v = json_object_get(section, name);
	char more[64];

	if (!v)
		v = made_in(section, name, json_array());
	if (json_array_size(v) < REPORT_LIST) {
		json_array_append_new(v, item);
		return;
	}
	json_decref(item);
	snprintf(more, sizeof(more), "more_%s", name);
	add_to_counts(section, more, 1);
}

/* Returns the named members that the record has; a null member means that the value is
 * unknown. */
static json_t *
copy_members(const json_t *record, const char *const *names)
{
	json_t *o = json_object();

	for (; *names; names++) {
		json_t *v = json_object_get(record, *names);
		if (v)
			json_object_set(o, *names, v);
	}
	return o;
}

/* ---- decisions ---- */

static void
coverage_of(json_t *route, struct span prompt, struct span not_inspected)
{
	static const char *const names[] = { "bytes", "inspected_bytes", "not_inspected_bytes",
		"opaque_bytes", "opaque_parts", "sealed_bytes", "sealed_parts", "not_read",
		"head_only", "unreadable", NULL };
	struct span v[COUNT_OF(names) - 1];

	usage_members(prompt, names, v);
	for (size_t i = 0; i < COUNT_OF(v); i++)
		if (v[i].n)
			add_to_counts(
				route, names[i], v[i].p[0] == 't' ? 1 : reported_number(v[i]));
	count_each(route, "not_inspected", not_inspected, REPORT_FEW);
}

static json_t *
route_of(struct report *r, const char *section, struct span route)
{
	json_t *routes = object_in(object_in(r->o, section), "by_route");
	char name[256];

	name_among(routes, bare_raw(route), REPORT_NAMES, name);
	return object_in(routes, name);
}

/* Counts what was sealed of one text and what was not kept, in total and for the route.
 * `bytes` is the size of the text. */
static void
take_kept(struct report *r, struct span route, const char *part, struct span kept,
	struct span bytes)
{
	enum { BYTES, CUT, N };
	static const char *const names[] = { "bytes", "cut", NULL };
	struct span v[N];
	json_t *to[] = { object_in(r->o, "texts"), route_of(r, "texts", route) };
	char name[64];

	usage_members(kept, names, v);
	const struct {
		const char *how;
		int64_t n;
	} counts[] = { { "kept", kept.n > 0 }, { "sealed_bytes", reported_number(v[BYTES]) },
		{ "cut", span_is(v[CUT], "true") }, { "not_kept", kept.n == 0 },
		{ "not_kept_bytes", kept.n ? 0 : reported_number(bytes) } };
	for (size_t i = 0; i < COUNT_OF(to); i++)
		for (size_t k = 0; k < COUNT_OF(counts); k++) {
			snprintf(name, sizeof(name), "%s_%s", part, counts[k].how);
			if (counts[k].n)
				add_to_counts(to[i], name, counts[k].n);
		}
}

static void
about_of(struct report *r, struct span about, struct span decision)
{
	static const char *const names[] = { "use_case", "risk", "operation", "reviewer",
		NULL };
	struct span v[COUNT_OF(names) - 1];
	char by[32], name[256];

	usage_members(about, names, v);
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		snprintf(by, sizeof(by), "by_%s", names[i]);
		json_t *counts = object_in(object_in(r->o, "about"), by);
		name_among(counts, bare_raw(v[i]), REPORT_NAMES, name);
		add_among(counts, name, bare_raw(decision), REPORT_FEW, 1);
	}
}

static void
take_decision(struct report *r, struct span line, bool later)
{
	enum {
		DECISION,
		CLASSES,
		STATUS,
		ROUTE,
		RULE,
		ABOUT,
		REGION,
		PROMPT,
		NOT_INSPECTED,
		LOW,
		FAILED,
		SHADOW,
		TOOLS,
		N
	};
	static const char *const of_prompt[] = { "kept", "bytes", NULL };
	static const char *const names[] = { "decision", "classes", "status", "route", "rule",
		"about", "region", "prompt", "not_inspected", "low_confidence",
		"classifier_failed", "shadow", "tools_kept", NULL };
	struct span v[N], p[COUNT_OF(of_prompt) - 1];
	json_t *d = object_in(r->o, "decisions");

	usage_members(line, names, v);
	if (later) {
		add_to_counts(d, "later_attempts", 1);
		return;
	}
	add_to_counts(d, "total", 1);
	count_reported(d, "by_decision", v[DECISION]);
	if (v[CLASSES].n)
		count_each(d, "by_class", v[CLASSES], REPORT_NAMES);
	if (v[STATUS].n)
		count_reported(d, "by_status", v[STATUS]);
	if (v[RULE].n)
		count_reported(d, "by_rule", v[RULE]);
	if (v[SHADOW].n)
		add_to_counts(d, "in_shadow", 1);
	count_reported(d, "by_region", v[REGION]);
	add_among(route_of(r, "decisions", v[ROUTE]), "by_decision", bare_raw(v[DECISION]),
		REPORT_FEW, 1);
	about_of(r, v[ABOUT], v[DECISION]);
	json_t *c = route_of(r, "coverage", v[ROUTE]);
	add_to_counts(c, "requests", 1);
	coverage_of(c, v[PROMPT], v[NOT_INSPECTED]);
	usage_members(v[PROMPT], of_prompt, p);
	take_kept(r, v[ROUTE], "prompts", p[0], p[1]);
	if (v[TOOLS].n)
		take_kept(r, v[ROUTE], "calls", v[TOOLS], p[1]);
	if (v[LOW].n)
		add_to_counts(c, "low_confidence", 1);
	if (v[FAILED].n)
		add_to_counts(c, "classifier_failed", 1);
}

/* Counts a cache hit, for which no model was called, in total and for the route. */
static void
take_cache_hit(struct report *r, struct span route, struct span saved)
{
	static const char *const of_saved[] = { "input_tokens", "output_tokens", "cost_nanousd",
		NULL };
	struct span v[COUNT_OF(of_saved) - 1];
	json_t *of_route = route_of(r, "cache", route);
	json_t *to[] = { object_in(r->o, "cache"), of_route };
	char name[64];

	usage_members(saved, of_saved, v);
	for (size_t i = 0; i < COUNT_OF(to); i++) {
		add_to_counts(to[i], "hits", 1);
		for (size_t k = 0; k < COUNT_OF(v); k++) {
			snprintf(name, sizeof(name), "saved_%s", of_saved[k]);
			add_to_counts(to[i], name, reported_number(v[k]));
		}
	}
}

static void
take_completion(struct report *r, struct span line)
{
	enum { OUTCOME, ROUTE, ANSWER, CACHE, SAVED, TOOLS, N };
	static const char *const names[] = { "outcome", "route", "answer", "cache", "saved",
		"tools_kept", NULL };
	static const char *const of_answer[] = { "text_bytes", "opaque_bytes", "sealed_bytes",
		"not_inspected_bytes", NULL };
	static const char *const of_kept[] = { "kept", NULL };
	struct span kept, v[N], w[COUNT_OF(of_answer) - 1];
	json_t *a = object_in(r->o, "answers"), *c;
	char name[64];

	usage_members(line, names, v);
	add_to_counts(a, "total", 1);
	count_reported(a, "by_outcome", v[OUTCOME]);
	if (span_is(v[CACHE], "\"hit\""))
		take_cache_hit(r, v[ROUTE], v[SAVED]);
	c = route_of(r, "coverage", v[ROUTE]);
	add_to_counts(c, "answers", 1);
	usage_members(v[ANSWER], of_answer, w);
	for (size_t i = 0; i < COUNT_OF(w); i++) {
		snprintf(name, sizeof(name), "answer_%s", of_answer[i]);
		if (w[i].n)
			add_to_counts(c, name, reported_number(w[i]));
	}
	usage_members(v[ANSWER], of_kept, &kept);
	if (v[ANSWER].n)
		take_kept(r, v[ROUTE], "answers", kept, w[0]);
	if (v[TOOLS].n)
		take_kept(r, v[ROUTE], "calls", v[TOOLS], w[0]);
}

/* ---- other types ---- */

static void
take_degraded(struct report *r, const json_t *o, const char *node)
{
	static const char *const names[] = { "node", "dependency", "name", "since", "until",
		"seconds", "times", "why", "on_failure", "meanwhile", NULL };
	char key[512];
	const char *name = json_str_in(o, "name");
	json_t *d = object_in(r->o, "degraded");

	snprintf(key, sizeof(key), "%s %s %s", node, json_str_in(o, "dependency"),
		name ? name : "");
	if (str_same(json_str_in(o, "what"), "begin")) {
		if (json_object_size(r->open) < REPORT_NAMES)
			json_object_set_new(r->open, key, copy_members(o, names));
		return;
	}
	json_object_del(r->open, key);
	add_among(d, "seconds", span_str(json_str_in(o, "dependency")), REPORT_NAMES,
		json_int_in(o, "seconds"));
	list_reported(d, "times", copy_members(o, names));
}

/* Ends degraded periods, because the node's daemon ended or because the report ends. */
static void
end_degraded(struct report *r, const char *node, const char *how)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(r->open, next, key, v)
	{
		if (node && !str_same(json_str_in(v, "node"), node))
			continue;
		json_object_set_new(v, "ended", json_string(how));
		list_reported(object_in(r->o, "degraded"), "times", json_incref(v));
		json_object_del(r->open, key);
	}
}

static void
take_read(struct report *r, const json_t *o)
{
	json_t *readers = object_in(object_in(r->o, "reads"), "by_reader"), *one;
	const json_t *after = json_object_get(o, "after");
	const char *command = json_str_in(o, "read"),
		   *user = json_text_in(json_object_get(o, "peer"), "user");
	char key[256], name[256];

	snprintf(key, sizeof(key), "%s: %s%s", user[0] ? user : "(not known)",
		command ? command : "",
		str_same(json_str_in(o, "what"), "text") ? ", by a text" : "");
	name_among(readers, span_str(key), REPORT_NAMES, name);
	one = object_in(readers, name);
	/* a record that sums up readings states their number */
	add_to_counts(one, "times",
		json_object_get(after, "readings") ? json_int_in(after, "readings") : 1);
	add_to_counts(one, "records", json_int_in(after, "records"));
	json_object_set(one, "last", json_object_get(o, "time"));
	if (!json_object_get(one, "first"))
		json_object_set(one, "first", json_object_get(o, "time"));
}

static void
take_anchor(struct report *r, const json_t *o)
{
	json_t *a = object_in(r->o, "anchors"), *places = object_in(a, "by_place"), *one;
	char key[512], name[256];

	snprintf(key, sizeof(key), "%s %s", json_str_in(o, "kind"), json_str_in(o, "place"));
	name_among(places, span_str(key), REPORT_NAMES, name);
	one = object_in(places, name);
	name_among(one, span_str(json_str_in(o, "result")), REPORT_FEW, name);
	add_to_counts(one, name, 1);
	if (str_same(json_str_in(o, "result"), "taken")) {
		json_object_set(one, "last_taken", json_object_get(o, "time"));
		json_object_set(one, "last_size", json_object_get(o, "size"));
	}
}

static void
take_boot(struct report *r, const json_t *o, struct report_chain *c)
{
	const json_t *previous = json_object_get(o, "previous");

	c->boots++;
	end_degraded(r, c->node, "the daemon ended");
	if (!json_is_object(previous) || json_is_true(json_object_get(previous, "clean")))
		return;
	c->unclean++;
	list_reported(object_in(r->o, "gaps"), "unclean_ends",
		json_pack("{s:s,s:O,s:O?}", "node", c->node, "boot_at",
			json_object_get(o, "time"), "cut", json_object_get(o, "cut")));
}

/* The section, list and members for each rare type. */
/* clang-format off */
static const struct {
	const char *type, *section, *list, *names[12];
} lists[] = {
	{ "policy", "policies", "in_force", { "time", "node", "policy", "policy_version", "shadow", "observing" } },
	{ "change", "changes",  "changes",  { "time", "node", "what", "change", "id", "by", "claimed", "reason", "peer", "failed", "entries" } },
	{ "key",    "keys",     "keys",     { "time", "node", "change", "statement" } },
	{ "resume", "gaps",     "refused_by_disk", { "time", "node", "since", "refused", "lost" } },
	{ "alarm",  "gaps",     "alarms",   { "time", "node", "how", "segment", "from", "bytes" } },
	{ "trim",   "retention", "trims",   { "time", "node", "what", "first", "last", "begin", "end", "why", "archive" } },
	{ "clock",  "clock",    "sources",  { "time", "node", "what", "source", "synchronized", "counter" } },
};
/* clang-format on */

static void
take_other(struct report *r, struct span line, struct span type, struct report_chain *c,
	bool within)
{
	json_auto_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);

	if (!o)
		return;
	if (span_is(type, "policy") && !within) {
		json_decref(c->policy);
		c->policy = copy_members(o, lists[0].names);
	}
	if (span_is(type, "trim") && (uint64_t)json_int_in(o, "last") > c->trimmed)
		c->trimmed = (uint64_t)json_int_in(o, "last");
	if (!within)
		return;
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (span_is(type, lists[i].type))
			list_reported(object_in(r->o, lists[i].section), lists[i].list,
				copy_members(o, lists[i].names));
	if (span_is(type, "degraded"))
		take_degraded(r, o, c->node);
	else if (span_is(type, "read"))
		take_read(r, o);
	else if (span_is(type, "anchor"))
		take_anchor(r, o);
	else if (span_is(type, "boot"))
		take_boot(r, o, c);
}

static void
count_reported_decision(struct report *r, struct span line, struct report_chain *c)
{
	struct span type = bare_raw(chain_member(line, "type")), time = audit_time_of(line);
	bool within = audit_time_within(line, r->a->q.since, r->a->q.until);

	if (within) {
		r->records++;
		reading_add(1);
		c->records++;
		snprintf(c->end, sizeof(c->end), "%.*s", SPAN_ARG(time));
		if (!c->begin[0])
			memcpy(c->begin, c->end, sizeof(c->begin));
		count_reported(object_in(r->o, "records"), "by_type", type);
	}
	if (span_is(type, "decision") || span_is(type, "attempt")) {
		if (within)
			take_decision(r, line, type.n == 7);
	} else if (span_is(type, "completion")) {
		if (within)
			take_completion(r, line);
	} else if (span_is(type, "checkpoint")) {
		json_t *a = object_in(r->o, "anchors");
		if (within) {
			add_to_counts(a, "checkpoints", 1);
			json_object_set_new(a, "last_checkpoint",
				json_pack("{s:s%,s:I}", "time", time.p, time.n, "size",
					(json_int_t)reported_number(
						chain_member(line, "size"))));
		}
	} else {
		take_other(r, line, type, c, within);
	}
}

/* ---- chains ---- */

static void
verify_begin(struct report *r, struct report_chain *c)
{
	struct verify_options o = {
		.ring = r->a->ring, .trimmed = true, .live = true, .node = c->node
	};

	if (r->a->ring && !(c->verifier = verifier_new(&o)))
		r->no_memory = true;
}

static void
verify_end(struct report *r, struct report_chain *c)
{
	struct verify_result v;

	if (!c->verifier)
		return;
	verifier_end(c->verifier, &v);
	verifier_free(&c->verifier);
	c->verified += v.records;
	c->commits += v.commits;
	if (v.ok)
		return;
	c->bad = true;
	list_reported(object_in(r->o, "verification"), "bad",
		json_pack("{s:s,s:I,s:s}", "node", c->node, "seq", (json_int_t)v.bad_seq, "why",
			v.why));
}

static struct report_chain *
chain_of(struct report *r, struct span node)
{
	for (size_t i = r->nchains; i-- > 0;)
		if (span_is(node, r->chain[i].node))
			return &r->chain[i];
	if (r->nchains == REPORT_NODES)
		return NULL;
	struct report_chain *c = &r->chain[r->nchains++];
	snprintf(c->node, sizeof(c->node), "%.*s", SPAN_ARG(node));
	verify_begin(r, c);
	return c;
}

void
report_line(void *arg, struct span line)
{
	struct report *r = arg;
	struct chain_line l;

	if (chain_parse(line, &l)) {
		add_to_counts(object_in(r->o, "gaps"), "lines_that_are_no_records", 1);
		return;
	}
	struct report_chain *c = chain_of(r, l.node);
	if (!c) {
		add_to_counts(object_in(r->o, "gaps"), "records_of_further_nodes", 1);
		return;
	}
	if (!l.commit && c->last && l.seq > c->last + 1) {
		verify_end(r, c);
		verify_begin(r, c);
		list_reported(object_in(r->o, "gaps"), "missing",
			json_pack("{s:s,s:I,s:I}", "node", c->node, "from",
				(json_int_t)c->last + 1, "to", (json_int_t)l.seq - 1));
	}
	if (c->verifier)
		verifier_line(c->verifier, line);
	if (l.commit)
		return;
	c->first = c->first ? c->first : l.seq;
	c->last = l.seq;
	count_reported_decision(r, line, c);
}

/* Adds bytes at the end of a segment that are not a complete line. */
static void
report_torn(void *arg, size_t bytes)
{
	((struct report *)arg)->torn += bytes;
}

/* ---- the end of the report ---- */

void
report_end(struct report *r)
{
	json_t *v = object_in(r->o, "verification"), *nodes = json_array(), *p;
	const char *oldest = "";
	bool holds = true;

	end_degraded(r, NULL, "had not ended in these records");
	for (size_t i = 0; i < r->nchains; i++) {
		struct report_chain *c = &r->chain[i];
		verify_end(r, c);
		holds = holds && !c->bad;
		if (c->first > 1 && !r->a->q.since[0] && c->trimmed < c->first - 1)
			list_reported(object_in(r->o, "gaps"), "missing",
				json_pack("{s:s,s:I,s:I,s:s}", "node", c->node, "from",
					(json_int_t)1, "to", (json_int_t)c->first - 1, "why",
					"no trim record names them"));
		json_array_append_new(nodes,
			json_pack("{s:s,s:I,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "node", c->node,
				"records", (json_int_t)c->records, "begin", c->begin, "end",
				c->end, "first_read", (json_int_t)c->first, "last_read",
				(json_int_t)c->last, "boots", (json_int_t)c->boots,
				"unclean_ends", (json_int_t)c->unclean, "verified",
				(json_int_t)c->verified));
		if (c->begin[0] && (!oldest[0] || strcmp(c->begin, oldest) < 0))
			oldest = c->begin;
		if (c->policy)
			list_reported(
				object_in(r->o, "policies"), "before", json_incref(c->policy));
		json_decref(c->policy);
		c->policy = NULL;
	}
	p = object_in(r->o, "records");
	json_object_set_new(p, "total", json_integer((json_int_t)r->records));
	json_object_set_new(p, "nodes", nodes);
	if (oldest[0] && !r->a->q.since[0])
		json_object_set_new(
			object_in(r->o, "retention"), "oldest_record", json_string(oldest));
	json_object_set_new(v, "done", json_boolean(r->a->ring != NULL));
	if (r->a->ring)
		json_object_set_new(v, "holds",
			json_boolean(holds && !json_object_get(json_object_get(r->o, "gaps"),
						      "missing")));
	else
		json_object_set_new(v, "why", json_string("no public key was given or "
							  "configured"));
	if (r->torn)
		json_object_set_new(
			v, "bytes_after_the_last_record", json_integer((json_int_t)r->torn));
}

/* ---- the command ---- */

#define WHAT "audit report"

/* clang-format off */
enum { A12 = 1, A14 = 2, A19 = 4, A26 = 8 };
static const struct {
	int article;
	unsigned bit;
	const char *says;
} articles[] = {
	{ 12, A12, "record-keeping: events are recorded over the lifetime of the system" },
	{ 14, A14, "human oversight: who observes, and who changed or denied something" },
	{ 19, A19, "logs kept: by providers of high-risk systems, at least six months" },
	{ 26, A26, "deployers: monitoring, and logs kept at least six months (26(5), 26(6))" },
};
static const struct {
	const char *name, *title;
	unsigned articles;
} sections[] = {
	{ "records",      "Records",                                              A12 | A19 | A26 },
	{ "decisions",    "Decisions",                                            A12 | A14 | A26 },
	{ "about",        "Requests by purpose of the route",                     A12 | A14 | A26 },
	{ "answers",      "Outcomes of requests",                                 A12 | A26 },
	{ "cache",        "Responses from the cache, and what they saved",        A12 | A26 },
	{ "coverage",     "Inspected and uninspected content, by route",          A12 | A14 | A26 },
	{ "texts",        "Sealed texts that were kept, by route",                A12 | A19 | A26 },
	{ "gaps",         "Gaps, unclean ends, alarms",                           A12 | A19 | A26 },
	{ "degraded",     "Periods of degraded operation",                        A12 | A14 | A26 },
	{ "policies",     "Policies in force",                                    A12 | A14 | A26 },
	{ "changes",      "Changes at run time, with person and reason",          A12 | A14 | A26 },
	{ "keys",         "Signing keys",                                         A12 | A19 },
	{ "verification", "Verification",                                         A12 | A19 | A26 },
	{ "anchors",      "Checkpoints and anchors",                              A12 | A19 },
	{ "reads",        "Reads of records",                                     A14 | A19 | A26 },
	{ "retention",    "Retention, and trimmed records",                       A19 | A26 },
	{ "clock",        "The clock",                                            A12 | A19 },
};
/* clang-format on */

/* ---- text ---- */

static void
put_report_value(struct buf *b, const json_t *v)
{
	const char *name;
	json_t *one;
	size_t i, n = 0;

	if (json_is_string(v)) {
		plain_put(b, json_span(v), SIZE_MAX);
	} else if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, name, one)
		{
			buf_str(b, n++ ? ", " : "");
			plain_put(b, span_str(name), SIZE_MAX);
			buf_putc(b, json_is_object(one) ? '(' : ' ');
			put_report_value(b, one);
			buf_str(b, json_is_object(one) ? ")" : "");
		}
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, one)
		{
			buf_str(b, i ? "; " : "");
			put_report_value(b, one);
		}
	} else {
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		buf_str(b, text ? text : "?");
		free(text);
	}
}

static bool
is_many(const json_t *v)
{
	const json_t *first;

	if (json_is_array(v))
		return true;
	first = json_is_object(v)
			? json_object_iter_value(json_object_iter((json_t *)(uintptr_t)v))
			: NULL;
	return json_object_size(v) > 4 || json_is_object(first);
}

static void
put_section(struct buf *b, const char *title, const json_t *o)
{
	const char *name, *of;
	json_t *v, *one;
	size_t i;

	buf_printf(b, "\n%s\n", title);
	if (!json_object_size(o))
		buf_str(b, "  none\n");
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		buf_printf(b, "  %s:%s", name, is_many(v) ? "\n" : " ");
		if (json_is_array(v)) {
			json_array_foreach(v, i, one)
			{
				buf_str(b, "    ");
				put_report_value(b, one);
				buf_putc(b, '\n');
			}
		} else if (is_many(v)) {
			json_object_foreach(v, of, one)
			{
				buf_str(b, "    ");
				plain_put(b, span_str(of), SIZE_MAX);
				buf_str(b, ": ");
				put_report_value(b, one);
				buf_putc(b, '\n');
			}
		} else {
			put_report_value(b, v);
			buf_putc(b, '\n');
		}
	}
}

static int
print_section(struct report *r, unsigned bits, int article, const char *says)
{
	const struct query *q = &r->a->q;
	json_t *head = json_object_get(r->o, "report");
	int code = EXIT_DONE;

	for (size_t i = 0; i < COUNT_OF(sections); i++) {
		if (!(sections[i].articles & bits))
			json_object_del(r->o, sections[i].name);
		else if (!json_object_get(r->o, sections[i].name))
			json_object_set_new(r->o, sections[i].name, json_object());
	}
	if (r->a->as_json) {
		char *text = json_dumps(r->o, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		if (!text || puts(text) < 0 || fflush(stdout) == EOF)
			code = cmd_fail(WHAT, "%s", text ? strerror(errno) : "out of memory");
		free(text);
		return code;
	}
	SCOPED_BUF(b, 0);
	buf_str(&b, "Evidence from the records. docs/compliance.md lists what the law also "
		    "requires.\n");
	if (article)
		buf_printf(&b, "Regulation (EU) 2024/1689, article %d: %s\n", article, says);
	buf_printf(&b, "from %s to %s, made %s\n", q->since[0] ? q->since : "the first record",
		q->until[0] ? q->until : "now", json_str_in(head, "made"));
	for (size_t i = 0; i < COUNT_OF(sections); i++)
		if (sections[i].articles & bits)
			put_section(
				&b, sections[i].title, json_object_get(r->o, sections[i].name));
	if (!cmd_write(&b))
		code = cmd_fail(WHAT, "%s", strerror(errno));
	return code;
}

/* ---- the command ---- */

static int
run_report(struct report *r, unsigned bits, int article, const char *says)
{
	struct query *q = &r->a->q;
	char made[CLOCK_RFC3339_LEN];
	/* without a key, the report states that nothing was verified */
	int code = audit_signers(r->a, false);

	SCOPED_BUF(why, 8192);
	if (!code && r->a->nkeys)
		code = cmd_failed(WHAT, audit_ring(r->a, &why), &why);
	if (code)
		return code;
	clock_rfc3339(clock_wall_ns(), made);
	json_object_set_new(r->o, "report",
		json_pack("{s:s?,s:s?,s:s,s:o}", "since", q->since[0] ? q->since : NULL,
			"until", q->until[0] ? q->until : NULL, "made", made, "article",
			article ? json_integer(article) : json_null()));
	q->evidence = true;
	q->arg = r;
	q->line = report_line;
	q->torn = report_torn;
	code = query_run(q);
	report_end(r);
	if (!code && r->no_memory)
		code = cmd_fail(WHAT, "out of memory");
	if (code)
		return code;
	const json_t *v = json_object_get(r->o, "verification");
	bool bad = json_is_false(json_object_get(v, "holds"));
	code = print_section(r, bits, article, says);
	return code ? code : bad ? EXIT_NO : EXIT_DONE;
}

int
audit_report(int argc, char **argv)
{
	struct audit_args a = { .q = { .what = WHAT } };
	struct query *q = &a.q;
	struct report r = { .a = &a };
	const char *article = NULL;
	size_t row = COUNT_OF(articles);
	const struct cmd_option options[] = { QUERY_SOURCE(q), QUERY_TIMES(q), AUDIT_KEYS(&a),
		{ "article", .text = &article }, { "json", .flag = &a.as_json },
		{ .name = NULL } };
	char **operands, number[8];

	if (cmd_options(WHAT, argc, argv, options, &operands) != 0 ||
		!!q->journal + !!q->redis + !!q->file > 1)
		return cmd_usage("audit report");
	for (size_t i = 0; article && i < COUNT_OF(articles); i++) {
		snprintf(number, sizeof(number), "%d", articles[i].article);
		if (!strcmp(article, number))
			row = i;
	}
	if (article && row == COUNT_OF(articles))
		return cmd_fail(WHAT, "--article %s: give 12, 14, 19 or 26", article);
	int code = query_times(q);
	if (code)
		return code;
	r.o = json_object();
	r.open = json_object();
	r.chain = calloc(REPORT_NODES, sizeof(*r.chain));
	code = query_begin(q, options, NULL, 0);
	if (!r.o || !r.open || !r.chain)
		code = cmd_fail(WHAT, "out of memory");
	else if (!code && row < COUNT_OF(articles))
		code = run_report(
			&r, articles[row].bit, articles[row].article, articles[row].says);
	else if (!code)
		code = run_report(&r, A12 | A14 | A19 | A26, 0, NULL);
	for (size_t i = 0; i < r.nchains; i++) {
		verifier_free(&r.chain[i].verifier);
		json_decref(r.chain[i].policy);
	}
	free(r.chain);
	free(a.ring);
	json_decref(r.open);
	json_decref(r.o);
	return query_end(q, code);
}
