/* The endpoints that read records, as commands of tollgate: one row for each. */
#include "operator/admin/reads.h"

#include "record/audit/record_terms.h"

/* clang-format off */
#define SEARCHED \
	{ "at",      PARAM_TEXT, .text = "Around this time, as `audit search --at`." }, \
	{ "between", PARAM_TEXT, .text = "Between two times, as A..B." }, \
	{ "since",   PARAM_TEXT, .text = "Begin: 2026-12-01, 11:47, yesterday, 7d." }, \
	{ "until",   PARAM_TEXT, .text = "Before when." }, \
	{ "zone",    PARAM_TEXT, .text = "The time zone of times without a zone; default: UTC." }

const struct param search_asked[] = {
	SEARCHED,
	{ "where",  PARAM_TEXT, .max = 4096, .text = "A CEL condition on `record`." },
	{ "limit",  PARAM_INTEGER, .min = 1, .max = 1000, .text = "Records per page; 100." },
	{ "after",  PARAM_TEXT, .text = "The value of `after` in the previous page." },
	{ "oldest", PARAM_BOOLEAN, .text = "Oldest records first." },
	{ "count",  PARAM_BOOLEAN, .text = "Return only the number of records." },
	{ "by",     PARAM_TEXT, .text = "Count by this term, or by day." },
#define X(id, name, paths, flags, what) \
	{ name, PARAM_TEXT, PARAM_MANY, .max = 1024, .text = what[0] ? what : "This value; x* matches a prefix; - matches absence." },
	RECORD_TERMS(X) /* rows without a name end the list */
#undef X
};

const struct reader read_search = {
	.step = { { .command = { "audit", "search", "--json" }, .member = "records", .shape = READ_LINES } },
	.other = { { "by", "counts" }, { "count", "counts" } },
	.records = true,
};

const struct param show_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of a request." }, { .name = NULL },
};
const struct reader read_show = {
	.step = { { .command = { "audit", "show" }, .member = "records", .no = MHD_HTTP_NOT_FOUND },
		  { { "audit", "show", "--proof" }, .member = "proof", .shape = READ_TEXT, .soft = true } },
	.operand = "id", .records = true,
};

const struct reader read_page = {
	.step = { { .command = { "audit", "show", "--proof=html" }, .member = "page", .shape = READ_TEXT, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "id", .records = true,
};

const struct param explain_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of a request." }, { .name = NULL },
};
const struct reader read_explain = {
	.step = { { .command = { "audit", "explain", "--json" }, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "id", .records = true, .policy = true,
};

const struct param report_asked[] = {
	{ "since",   PARAM_TIME, .text = "Beginning of the period." },
	{ "until",   PARAM_TIME, .text = "Before when." },
	{ "article", PARAM_CHOICE, .words = "12 14 19 26", .text = "The requirements of this article of the AI Act." }, { .name = NULL },
};
const struct reader read_report = {
	.step = { { .command = { "audit", "report", "--json" } } },
	.records = true, .policy = true,
};

const struct param usage_asked[] = {
	{ "by",    PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "Columns, with commas: person, team, model, route, tag, key, provider, target, tool, day." },
	{ "since", PARAM_TIME, .text = "Beginning of the period." },
	{ "until", PARAM_TIME, .text = "Before when." },
	{ "sort",  PARAM_CHOICE, .words = "cost requests refused tokens last_seen prompt_max name", .text = "The order; cost." },
	{ "limit", PARAM_INTEGER, .min = 1, .max = 1000, .text = "Rows per page." },
	{ "after", PARAM_TEXT, .max = 4096, .text = "The value of `after` in the previous page." },
	{ "match", PARAM_TEXT, .text = "Only rows in which a value contains this text." }, { .name = NULL },
};
const struct reader read_usage = {
	.step = { { .command = { "usage", "--json" } } },
	.records = true,
};

/* ---- policies ---- */

#define WHERE_IT_WOULD_DIFFER "--where=has(record.shadow_policy) && has(record.shadow_policy.differs) && size(record.shadow_policy.differs) > 0"

const struct param versions_asked[] = {
	{ "since",  PARAM_TEXT, .text = "Beginning of the period, as for records." },
	{ "until",  PARAM_TEXT, .text = "Before when." },
	{ "limit",  PARAM_INTEGER, .min = 1, .max = 1000, .text = "Entries per page; 100." },
	{ "after",  PARAM_TEXT, .text = "The value of `after` in the previous page." }, { .name = NULL },
};
const struct reader read_versions = {
	.step = { { .command = { "audit", "search", "--json", "--type=policy" }, .member = "versions", .shape = READ_LINES } },
	.records = true,
};
const struct param version_asked[] = {
	{ "version", PARAM_TEXT, PARAM_NEEDED, .min = 6, .max = 128, .text = "A version, its first 6 digits or more, or a label." }, { .name = NULL },
};
const struct reader read_version = {
	.step = { { .command = { "policy", "show" }, .member = "text", .shape = READ_TEXT, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "version",
};
const struct reader read_shadow = {
	.step = { { .command = { "audit", "search", "--json", WHERE_IT_WOULD_DIFFER }, .member = "records", .shape = READ_LINES } },
	.records = true,
};

#define POLICY_TEXT(flags) \
	{ "policy", PARAM_TEXT, flags, .max = 64 << 10, .text = "The policy's text; it may include only files that the policy in force includes." }

const struct param check_asked[] = { POLICY_TEXT(PARAM_NEEDED), { .name = NULL } };
const struct reader try_check = {
	.step = { { .command = { "check", "--policy=-", "--json" } } },
	.input = "policy", .policy = true,
};
const struct param decide_asked[] = {
	{ "request", PARAM_OBJECT, PARAM_NEEDED, .text = "method, path, headers, body and so on, as `tollgate decide` takes them." },
	POLICY_TEXT(0), { .name = NULL },
};
const struct reader try_decide = {
	.step = { { .command = { "decide", "--policy=-", "--explain" } } },
	.input = "*", .policy = true,
};
const struct param replay_asked[] = {
	POLICY_TEXT(PARAM_NEEDED),
	{ "since",    PARAM_TIME, .text = "Beginning of the period." },
	{ "until",    PARAM_TIME, .text = "Before when." },
	{ "examples", PARAM_INTEGER, .min = 0, .max = 100, .text = "The number of examples of each kind of difference; default: 5." }, { .name = NULL },
};
const struct reader try_replay = {
	.step = { { .command = { "policy", "replay", "--policy=-", "--json" } } },
	.input = "policy", .records = true, .policy = true,
};
/* clang-format on */
