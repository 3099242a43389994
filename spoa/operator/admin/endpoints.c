/* The table of the admin server's endpoints, and the handlers that are too small for a file of
 * their own: verification, targets and models, the console's files, GET /policy, the log level,
 * webhooks, and time series.
 *
 * Rows of one area stand together, in the table and in the lists of parameters above it.
 *
 * The endpoints that read records, or try the text of a policy, run a command of tollgate as a
 * child process. Each has a row (struct reader) with the command, and a list of parameters.
 * POST /records/verify runs `audit verify` as a child in the long lane and keeps its result. No
 * connection waits for it.
 *
 * A model in GET /models was used, or a target of the policy in force sends it, or both. Use is
 * what the workers count by model (budget/tally/series.h), where the number of names is capped.
 * For configured models the response has their targets' health and prices.
 *
 * The console's files change only with the program. Each has an ETag, and browsers revalidate it
 * at each use, which costs a response without a body. */
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/snapshot.h"
#include "gate/targets/sync.h"
#include "operator/admin/admin.h"
#include "operator/admin/caches.h"
#include "operator/admin/calls.h"
#include "operator/admin/change.h"
#include "operator/admin/door.h"
#include "operator/admin/endpoint.h"
#include "operator/admin/nodes.h"
#include "operator/admin/reader.h"
#include "operator/admin/sealed.h"
#include "operator/admin/verifying.h"
#include "operator/console/asset.h"
#include "operator/server/server.h"
#include "operator/telemetry/notify.h"
#include "operator/telemetry/openmetrics.h"
#include "policy/config/config.h"
#include "policy/config/read.h"
#include "policy/limit.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/section.h"
#include "policy/verdict/explain.h"
#include "record/audit/recheck.h"
#include "record/audit/record_terms.h"

/* ---- verification of the whole chain ---- */

enum { SAID_BYTES = 256 << 10 };

static const struct reader verify_read = {
	.step = { { .command = { "audit", "verify", "--json" } } },
	.records = true,
};

/* The one verification of this process, guarded by `lock`. */
static struct verifying {
	pthread_mutex_t lock;
	bool running;
	int64_t began_ns;
	struct children *children;
	struct recheck *recheck; /* receives the result */
	struct reading *r; /* the child while it runs, owned by the children's thread */
	char *last;	   /* result as JSON; NULL: none yet */
} now = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Adds the fault of a chain, if it has one. `line` is what the child printed. */
static size_t
chain_fault(struct span line, struct recheck_fault *f, size_t n)
{
	json_auto_t *chain = json_loadb(line.p, line.n, 0, NULL);

	if (n == RECHECK_FAULTS || !json_is_false(json_object_get(chain, "ok")))
		return n;
	const char *source = json_str_in(chain, "source"), *node = json_str_in(chain, "node"),
		   *why = json_str_in(chain, "why");
	f[n] = (struct recheck_fault){ .seq = (uint64_t)json_int_in(chain, "seq"),
		.found_ns = clock_wall_ns(),
		.whole = true };
	/* the file that keeps faults has one word for each */
	snprintf(f[n].source, sizeof(f[n].source), "%s", source && source[0] ? source : "-");
	snprintf(f[n].node, sizeof(f[n].node), "%s", node ? node : "");
	snprintf(f[n].why, sizeof(f[n].why), "%s", why ? why : "not verified");
	return n + 1;
}

/* Writes the result: one object for each chain that the output has. If the child did not
 * finish, the reason instead. A verification that finished is part of the daemon's state. */
static void
write_last(struct buf *b, const struct child *c, int64_t began_ns)
{
	struct recheck_fault fault[RECHECK_FAULTS];
	size_t nfaults = 0;
	char *said = malloc(SAID_BYTES);
	ssize_t n = said ? pread(c->out, said, SAID_BYTES, 0) : 0;
	struct span rest = span_of(said, n > 0 ? (size_t)n : 0);
	bool over = c->end == CHILD_EXITED && c->code <= 1;

	json_put_open(b, NULL, '{');
	json_put_time(b, "began", began_ns);
	json_put_time(b, "ended", clock_wall_ns());
	if (over)
		json_put_bool(b, "holds", c->code == 0);
	else
		json_put_null(b, "holds");
	json_put_open(b, "chains", '[');
	while (over && rest.n) {
		struct span line = span_next(&rest, '\n');
		if (!span_starts(line, SPAN_LIT("{")))
			continue;
		json_put_raw(b, NULL, line);
		nfaults = chain_fault(line, fault, nfaults);
	}
	json_put_close(b, ']');
	/* a verification that failed without naming a record leaves the known faults */
	if (over && (nfaults || c->code == 0))
		recheck_verified(now.recheck, began_ns, fault, nfaults);
	if (!over || c->error[0])
		json_put_str(b, "why",
			c->end == CHILD_LATE	  ? "the verification was stopped after an "
						    "hour"
			: c->end == CHILD_STOPPED ? "the daemon is stopping"
			: c->error[0]		  ? c->error
						  : "the child process ended without a result");
	json_put_close(b, '}');
	free(said);
}

static void
keep_verification(struct child *c)
{
	struct reading *r = (struct reading *)c;

	SCOPED_BUF(b, 2 * SAID_BYTES);
	pthread_mutex_lock(&now.lock);
	write_last(&b, c, now.began_ns);
	buf_putc(&b, '\0');
	free(now.last);
	now.last = buf_failed(&b) ? NULL : strdup(buf_view(&b).p);
	now.running = false;
	now.r = NULL;
	pthread_mutex_unlock(&now.lock);
	child_release(now.children, c);
	reading_args_free(r);
	free(r);
}

/* Starts a verification: 202, or 409 if one is running. */
static enum MHD_Result
verifying_begin(struct asking *q)
{
	struct reading *r = calloc(1, sizeof(*r));
	enum MHD_Result ok;
	int err = r ? 0 : ERR_NOMEM;

	SCOPED_BUF(why, 1024);
	if (!err && !q->server->audit)
		err = ERR_NOTFOUND;
	if (!err && !reading_args(r, &verify_read, 0, NULL, q->in, q->server->config_file, &why))
		err = ERR_NOMEM;
	if (!err) {
		r->peer = q->peer;
		r->c.who = r->peer.who;
		r->c.lane = CHILD_LONG;
		r->c.client = -1;
		r->c.done = keep_verification;
		SCOPED_LOCK(&now.lock);
		now.children = admin_children(q->admin);
		now.recheck = q->server->rechecking;
		err = now.running ? ERR_LIMIT : child_ask(now.children, &r->c);
		if (!err) {
			now.running = true;
			now.r = r;
			now.began_ns = clock_wall_ns();
		}
	}
	if (!err) {
		buf_str(&why, "{\"running\":true}\n");
		ok = asking_answer(q, MHD_HTTP_ACCEPTED, &why);
	} else {
		ok = err == ERR_NOTFOUND ? asking_refuse(q, MHD_HTTP_CONFLICT,
						   "the daemon writes no records: set "
						   "audit.journal in tollgate.yaml")
		     : err == ERR_LIMIT	 ? asking_refuse(q, MHD_HTTP_CONFLICT,
						   "a verification is running: GET /records/verify has its state")
					 : asking_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE,
						   "the verification could not start: %s", err_str(err));
		if (r)
			reading_args_free(r);
		free(r);
	}
	return ok;
}

/* Writes {"running", "began", "last": {"holds", "chains": […], …} or null, "state": …}. */
static void
admin_verifying(struct server *s, struct buf *out)
{
	pthread_mutex_lock(&now.lock);
	json_put_open(out, NULL, '{');
	json_put_bool(out, "running", now.running);
	if (now.running)
		json_put_time(out, "began", now.began_ns);
	json_put_raw(out, "last", span_str(now.last ? now.last : "null"));
	json_put_name(out, "state");
	pthread_mutex_unlock(&now.lock);
	/* The state of this daemon's chain, without reading it. */
	static const char *const members[] = { "node", "audit", "audit_key", "anchors" };

	SCOPED_BUF(text, 0);
	server_status(s, &text);
	json_auto_t *all = json_loadb(buf_view(&text).p, buf_view(&text).n, 0, NULL),
		    *some = json_object();
	for (size_t i = 0; i < COUNT_OF(members); i++)
		json_object_set(some, members[i], json_object_get(all, members[i]));
	char *said = json_dumps(some, JSON_COMPACT);
	buf_str(out, said ? said : "null");
	free(said);
	buf_str(out, "}\n");
}

void
verifying_free(void)
{
	free(now.last);
	now.last = NULL;
}

static bool
change_fault(struct change *c, json_t **before UNUSED, json_t **after)
{
	const char *id = change_text(c, "record"), *reason = json_str_in(c->in, "reason");
	struct recheck_state v = { .nfaults = 0 };
	const struct recheck_fault *f = NULL;

	if (c->status != MHD_HTTP_OK)
		return false;
	if (c->s->rechecking)
		recheck_state(c->s->rechecking, &v);
	for (size_t i = 0; i < v.nfaults && !f && id; i++) {
		char name[CHAIN_NODE_MAX + 24];
		snprintf(name, sizeof(name), "%s/%" PRIu64, v.fault[i].node, v.fault[i].seq);
		f = strcmp(name, id) ? NULL : &v.fault[i];
	}
	if (!f)
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.90s: no fault of this record is known: `tollgate status` lists faults "
			"as NODE/SEQ",
			id ? id : "record");
	if (!reason || !reason[0])
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"reason: this parameter is missing: say what happened to the record");
	*after = json_pack("{s:s,s:s,s:I,s:s}", "id", id, "node", f->node, "seq",
		(json_int_t)f->seq, "fault", f->why);
	return change_sign(c, *after);
}

static void
apply_acceptance(struct change *c, const json_t *after)
{
	recheck_accept(c->s->rechecking, json_str_in(after, "node"),
		(uint64_t)json_int_in(after, "seq"));
}

/* Accepts the fault of a record, so that it is no news any more. The fault stays listed. */
static const struct change_row admin_fault_accept = { "fault", 0, "accept", change_fault,
	apply_acceptance };

/* ---- targets and models ---- */

/* {"targets": […]}: the targets of the policy in force, as target_table_json(). */
static void
admin_targets(struct server *s, struct buf *out)
{
	json_put_form(out, "{'targets':");
	server_targets(s, out, NULL);
	buf_str(out, "}\n");
}

static bool
change_target(struct change *c, json_t **before UNUSED, json_t **after)
{
	const char *name = change_text(c, "target");
	struct nearest near;

	if (c->status != MHD_HTTP_OK)
		return false;
	if (!name || !name[0])
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"target: this parameter is missing: send PROVIDER or PROVIDER/MODEL");
	if (!server_target_find(c->s, name, &near))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.160s: the policy in force has no such target%s", name,
			nearest_hint(&near));
	*after = json_pack("{s:s}", "id", name);
	return change_sign(c, *after);
}

static void
apply_ejection(struct change *c, const json_t *after)
{
	target_eject(gate_targets(c->s->shared), json_span(json_object_get(after, "id")));
	target_sync_soon(c->s->target_sync);
}

static void
apply_readmission(struct change *c, const json_t *after)
{
	target_admit(gate_targets(c->s->shared), json_span(json_object_get(after, "id")));
	target_sync_soon(c->s->target_sync);
}

const struct change_row admin_target_eject = { "target", 0, "eject", change_target,
	apply_ejection };

/* target: PROVIDER for all of its models, or PROVIDER/MODEL. Lasts until the process ends. */
static const struct change_row admin_target_admit = { "target", 0, "admit", change_target,
	apply_readmission };

/* ---- models ---- */

/* Returns the object of a model, which is created if needed. */
static json_t *
model_of(json_t *models, const char *name)
{
	json_t *m = json_object_get(models, name);

	if (m)
		return m;
	m = json_pack("{s:s,s:b,s:[],s:i,s:i,s:i,s:i,s:I,s:I,s:I}", "model", name, "configured",
		0, "targets", "permit", 0, "redact", 0, "deny", 0, "observed", 0,
		"input_tokens", (json_int_t)0, "output_tokens", (json_int_t)0, "cost_nanousd",
		(json_int_t)0);
	json_object_set_new(models, name, m);
	return m;
}

static void
add_seen(json_t *models, const struct series *s)
{
	static const struct {
		enum series_value of;
		const char *name;
	} parts[] = { { SERIES_PERMIT, "permit" }, { SERIES_REDACT, "redact" },
		{ SERIES_DENY, "deny" }, { SERIES_OBSERVED, "observed" },
		{ SERIES_INPUT, "input_tokens" }, { SERIES_OUTPUT, "output_tokens" },
		{ SERIES_COST, "cost_nanousd" }, { SERIES_UNPRICED, "unpriced_answers" } };
	size_t n = atomic_load_explicit(&s->n, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		const struct series_entry *e = &s->entry[i];
		const char *name = e->key.label[SERIES_MODEL];
		if (!strcmp(name, "-"))
			continue; /* requests without a model */
		json_t *m = model_of(models, name);
		for (size_t k = 0; m && k < COUNT_OF(parts); k++) {
			uint64_t more =
				atomic_load_explicit(&e->v[parts[k].of], memory_order_relaxed);
			json_object_set_new(m, parts[k].name,
				json_integer(json_int_in(m, parts[k].name) + (json_int_t)more));
		}
	}
}

/* Adds the prices in US dollars for a million tokens. */
static void
add_price(json_t *m, const struct price_row *row)
{
	static const enum price_kind kinds[] = { PRICE_INPUT, PRICE_CACHED, PRICE_OUTPUT };
	json_t *price = json_object();

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (row->rates.has >> kinds[i] & 1)
			json_object_set_new(price, price_names[kinds[i]],
				json_real((double)row->rates.pico[kinds[i]] / 1e6));
	if (row->model)
		json_object_set_new(price, "row", json_string(row->model));
	json_object_set_new(m, "usd_per_million", price);
}

static void
add_targets(json_t *models, const struct policy *p, const struct route *routes, size_t n,
	const json_t *states)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < routes[i].ntargets; k++) {
			const struct target *t = &routes[i].targets[k];
			json_t *m = t->model ? model_of(models, t->model) : NULL, *one,
			       *found = NULL;
			char name[256];
			size_t at;
			if (!m)
				continue;
			snprintf(name, sizeof(name), "%s/%s", t->name, t->model);
			json_array_foreach(states, at, one)
			{
				if (str_same(json_str_in(one, "target"), name))
					found = one;
			}
			json_object_set_new(m, "configured", json_true());
			json_array_append_new(json_object_get(m, "targets"),
				json_pack("{s:s,s:s,s:O?,s:O?,s:O?}", "target", name, "route",
					routes[i].name, "state",
					json_object_get(found, "state"), "errors",
					json_object_get(found, "errors"), "last_failure",
					json_object_get(found, "last_failure")));
			const struct price_row *row =
				policy_price(p, t, span_str(t->model), clock_wall_ns());
			if (row)
				add_price(m, row);
		}
}

/* GET /models: {"models": […]}. */
static void
admin_models(struct server *s, struct buf *out)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;
	json_auto_t *models = json_object();
	json_t *list = json_array(), *m;
	const char *name;

	SCOPED_BUF(text, 0);
	server_targets(s, &text, NULL);
	json_auto_t *states = json_loadb(buf_view(&text).p, text.n, 0, NULL);
	for (unsigned i = 0; i < s->nworkers; i++)
		add_seen(models, &gate_tally(s->workers[i].gate)->series);
	add_targets(models, p, p->routes, p->nroutes, states);
	for (size_t i = 0; i < p->nroutes; i++)
		add_targets(models, p, p->routes[i].aliases, p->routes[i].naliases, states);
	json_object_foreach(models, name, m) json_array_append(list, m);
	calls_json(out, json_pack("{s:o}", "models", list));
}

/* ---- records and policies, read by a child ---- */

/* clang-format off */
#define SEARCHED \
	{ "at",      PARAM_TEXT, .text = "Around this time, as `audit search --at`." }, \
	{ "between", PARAM_TEXT, .text = "Between two times, as A..B." }, \
	{ "since",   PARAM_TEXT, .text = "Begin: 2026-12-01, 11:47, yesterday, 7d." }, \
	{ "until",   PARAM_TEXT, .text = "Before when." }, \
	{ "zone",    PARAM_TEXT, .text = "The time zone of times without a zone; default: UTC." }

static const struct param search_asked[] = {
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

static const struct reader read_search = {
	.step = { { .command = { "audit", "search", "--json" }, .member = "records", .shape = READ_LINES } },
	.other = { { "by", "counts" }, { "count", "counts" } },
	.records = true,
};

static const struct param show_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of a request." }, { .name = NULL },
};
static const struct reader read_show = {
	.step = { { .command = { "audit", "show" }, .member = "records", .no = MHD_HTTP_NOT_FOUND },
		  { { "audit", "show", "--proof" }, .member = "proof", .shape = READ_TEXT, .soft = true } },
	.operand = "id", .records = true,
};

static const struct reader read_page = {
	.step = { { .command = { "audit", "show", "--proof=html" }, .member = "page", .shape = READ_TEXT, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "id", .records = true,
};

static const struct param explain_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of a request." }, { .name = NULL },
};
static const struct reader read_explain = {
	.step = { { .command = { "audit", "explain", "--json" }, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "id", .records = true, .policy = true,
};

static const struct param report_asked[] = {
	{ "since",   PARAM_TIME, .text = "Beginning of the period." },
	{ "until",   PARAM_TIME, .text = "Before when." },
	{ "article", PARAM_CHOICE, .words = "12 14 19 26", .text = "The requirements of this article of the AI Act." }, { .name = NULL },
};
static const struct reader read_report = {
	.step = { { .command = { "audit", "report", "--json" } } },
	.records = true, .policy = true,
};

static const struct param usage_asked[] = {
	{ "by",    PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "Columns, with commas: person, team, agent, model, route, tag, key, provider, target, tool, day." },
	{ "since", PARAM_TIME, .text = "Beginning of the period." },
	{ "until", PARAM_TIME, .text = "Before when." },
	{ "sort",  PARAM_CHOICE, .words = "cost requests refused redacted tokens last_seen prompt_max cost_max total_p50 refused_growth name", .text = "The order; cost." },
	{ "limit", PARAM_INTEGER, .min = 1, .max = 1000, .text = "Rows per page." },
	{ "after", PARAM_TEXT, .max = 4096, .text = "The value of `after` in the previous page." },
	{ "match", PARAM_TEXT, .text = "Only rows in which a value contains this text." }, { .name = NULL },
};
static const struct reader read_usage = {
	.step = { { .command = { "usage", "--json" } } },
	.records = true,
};

/* ---- policies: versions in force, decisions of the shadow policy, trials of a text ---- */

#define WHERE_IT_WOULD_DIFFER "--where=has(record.shadow_policy) && has(record.shadow_policy.differs) && size(record.shadow_policy.differs) > 0"

static const struct param versions_asked[] = {
	{ "since",  PARAM_TEXT, .text = "Beginning of the period, as for records." },
	{ "until",  PARAM_TEXT, .text = "Before when." },
	{ "limit",  PARAM_INTEGER, .min = 1, .max = 1000, .text = "Entries per page; 100." },
	{ "after",  PARAM_TEXT, .text = "The value of `after` in the previous page." }, { .name = NULL },
};
static const struct reader read_versions = {
	.step = { { .command = { "audit", "search", "--json", "--type=policy" }, .member = "versions", .shape = READ_LINES } },
	.records = true,
};
static const struct param version_asked[] = {
	{ "version", PARAM_TEXT, PARAM_NEEDED, .min = 6, .max = 128, .text = "A version, its first 6 digits or more, or a label." }, { .name = NULL },
};
static const struct reader read_version = {
	.step = { { .command = { "policy", "show" }, .member = "text", .shape = READ_TEXT, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "version",
};
static const struct reader read_next = {
	.step = { { .command = { "policy", "next", "--json" }, .no = 422 } },
	.policy = true,
};
static const struct reader read_shadow = {
	.step = { { .command = { "audit", "search", "--json", WHERE_IT_WOULD_DIFFER }, .member = "records", .shape = READ_LINES } },
	.records = true,
};

#define POLICY_TEXT(flags) \
	{ "policy", PARAM_TEXT, flags, .max = 64 << 10, .text = "The policy's text; it may include only files that the policy in force includes." }

static const struct param check_asked[] = { POLICY_TEXT(PARAM_NEEDED), { .name = NULL } };
static const struct reader try_check = {
	.step = { { .command = { "check", "--policy=-", "--json" } } },
	.input = "policy", .policy = true,
};
static const struct param decide_asked[] = {
	{ "request", PARAM_OBJECT, PARAM_NEEDED, .text = "method, path, headers, body and so on, as `tollgate decide` takes them." },
	POLICY_TEXT(0), { .name = NULL },
};
static const struct reader try_decide = {
	.step = { { .command = { "decide", "--policy=-", "--explain" } } },
	.input = "*", .policy = true,
};
static const struct param replay_asked[] = {
	POLICY_TEXT(PARAM_NEEDED),
	{ "since",    PARAM_TIME, .text = "Beginning of the period." },
	{ "until",    PARAM_TIME, .text = "Before when." },
	{ "examples", PARAM_INTEGER, .min = 0, .max = 100, .text = "The number of examples of each kind of difference; default: 5." }, { .name = NULL },
};
static const struct reader try_replay = {
	.step = { { .command = { "policy", "replay", "--policy=-", "--json" } } },
	.input = "policy", .records = true, .policy = true,
};
/* clang-format on */

/* ---- the console's files ---- */

#define PAGE_PATH "/console/"

static enum MHD_Result
console_is_off(struct asking *q)
{
	return asking_refuse(q, MHD_HTTP_NOT_FOUND,
		"the console is off: set admin.console: true in tollgate.yaml and restart the "
		"daemon");
}

/* Queues the response with one more field and releases it. */
static enum MHD_Result
send_response(struct asking *q, unsigned status, struct MHD_Response *r, const char *field,
	const char *value)
{
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, field, value);
	asking_fields(q, r);
	enum MHD_Result ok = MHD_queue_response(q->connection, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
admin_page_redirect(struct asking *q)
{
	if (!q->server->shared_cfg->admin_console)
		return console_is_off(q);
	return send_response(q, MHD_HTTP_FOUND,
		MHD_create_response_from_buffer(
			0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT),
		"location", PAGE_PATH);
}

static enum MHD_Result
admin_page(struct asking *q)
{
	struct console_asset a;

	if (!q->server->shared_cfg->admin_console)
		return console_is_off(q);
	if (!console_asset(q->path + strlen(PAGE_PATH), &a))
		return asking_refuse(q, MHD_HTTP_NOT_FOUND,
			"the console has no such file; it starts at " PAGE_PATH);
	/* RFC 9110 13.1.2: a list of tags, weak ones too, or "*". Our tags contain neither
	 * commas nor spaces, so a search finds them. */
	const char *has = MHD_lookup_connection_value(
		q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
	bool known = has && (strstr(has, a.etag) || !strcmp(has, "*"));
	struct MHD_Response *r = MHD_create_response_from_buffer(
		known ? 0 : a.text.n, (void *)(uintptr_t)a.text.p, MHD_RESPMEM_PERSISTENT);
	if (r) {
		MHD_add_response_header(r, "content-type", a.type);
		MHD_add_response_header(r, "cache-control", "no-cache");
	}
	return send_response(q, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r, "etag", a.etag);
}

/* ---- GET /policy ----
 *
 * Trying a policy's text is done by a child process (try_check and others). */

enum { TEXT_MAX = 1 << 20 };

static void
put_rules(struct buf *out, const struct policy *p)
{
	json_put_open(out, "rules", '[');
	for (size_t i = 0; i < p->nall_rules; i++) {
		const struct rule *r = &p->rules[i];
		json_put_open(out, NULL, '{');
		json_put_opt(out, "name", r->name);
		json_put_str(out, "phase", phase_words[r->phase]);
		json_put_str(out, "effect", rule_effect_name(r->effect));
		json_put_bool(out, "shadow", r->shadow);
		json_put_opt(out, "when", r->when_text);
		json_put_uint(out, "line", r->at ? r->at->line : 0);
		json_put_close(out, '}');
	}
	json_put_close(out, ']');
}

/* Writes the current text of the policy's file. "text_is_newer": the file was written after the
 * policy in force was read. */
static void
put_policy_text(struct buf *out, const struct policy *p, int64_t in_force_ns)
{
	struct stat st;

	SCOPED_BUF(text, TEXT_MAX);
	json_put_opt(out, "file", p->file);
	bool is = stat(p->file, &st) == 0;
	json_put_bool(out, "text_is_newer",
		is && (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec >
				in_force_ns);
	if (buf_regular_file(&text, p->file) && !buf_failed(&text)) {
		json_put_text(out, "text", buf_view(&text));
	} else {
		json_put_null(out, "text");
		json_put_str(out, "text_why",
			buf_failed(&text) ? "the file is longer than 1 MB" : strerror(errno));
	}
}

static void
admin_policy(struct server *s, struct buf *out)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;

	pthread_mutex_lock(&s->reloading.lock);
	int64_t since_ns = s->reloading.in_force_ns;
	pthread_mutex_unlock(&s->reloading.lock);
	json_put_open(out, NULL, '{');
	json_put_opt(out, "policy", p->label);
	json_put_opt(out, "name", p->name);
	json_put_opt(out, "version", p->version);
	json_put_time(out, "since", since_ns);
	json_put_str(out, "mode", p->shadow ? "shadow" : "enforce");
	json_put_str(out, "default", p->default_permit ? "permit" : "deny");
	json_put_opt(
		out, "shadow_policy", snap->shadow_policy ? snap->shadow_policy->label : NULL);
	json_put_open(out, "routes", '[');
	for (size_t i = 0; i < p->nroutes; i++)
		json_put_opt(out, NULL, p->routes[i].name);
	json_put_form(out, "],'limits':[");
	for (size_t i = 0; i < p->nlimits; i++)
		json_put_opt(out, NULL, p->limits[i].name);
	json_put_close(out, ']');
	put_rules(out, p);
	put_policy_text(out, p, since_ns);
	buf_str(out, "}\n");
}

/* ---- GET and POST /log ----
 *
 * The log level can be changed while the daemon runs. The change ends at the given time
 * (operator/server/looks.c checks it) or with the process. */

#define FOR_MOST_US (7 * 86400 * SECOND_US)

static void
admin_log(struct server *s, struct buf *out)
{
	json_put_form(out, "{'level':%s,'configured':%s", log_level_names[log_level()],
		log_level_names[s->shared_cfg->log_level]);
	json_put_time(out, "until", atomic_load(&s->log_until_ns));
	buf_str(out, "}\n");
}

/* Returns the level of that name, or -1. */
static int
log_level_of(const char *name)
{
	for (int i = 0; name && log_level_names[i]; i++)
		if (!strcmp(name, log_level_names[i]))
			return i;
	return -1;
}

static bool
change_log_level(struct change *c, json_t **before, json_t **after)
{
	const char *level = change_text(c, "level"), *lasts = change_text(c, "for");
	uint64_t us = 0;

	if (c->status != MHD_HTTP_OK)
		return false;
	if (log_level_of(level) < 0)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"level: send one of error, warn, info, debug");
	if (lasts && (duration_parse(span_str(lasts), &us) < 0 || us < SECOND_US ||
			     us > FOR_MOST_US))
		return change_refuse(
			c, MHD_HTTP_BAD_REQUEST, "for: send a duration from 1s to 7d");
	*before = json_pack("{s:s}", "level", log_level_names[log_level()]);
	*after = json_pack("{s:s,s:s}", "id", level, "level", level);
	if (lasts)
		change_set_time(*after, "until", wall_now_ns() + (int64_t)us * 1000);
	json_object_set(c->answer, "level", json_object_get(*after, "level"));
	json_object_set(c->answer, "until", json_object_get(*after, "until"));
	return change_sign(c, *after);
}

static void
apply_log_level(struct change *c, const json_t *after)
{
	int level = log_level_of(json_string_value(json_object_get(after, "level")));

	atomic_store(&c->s->log_until_ns, change_time(after, "until"));
	log_set_level((enum log_level)level);
}

static const struct change_row admin_log_set = { "log", 0, "level", change_log_level, apply_log_level };

/* ---- webhooks ---- */

/* Writes notify_status(). */
static void
admin_notify(struct server *s, struct buf *out)
{
	notify_status(s->notify, out);
}

static bool
change_notify(struct change *c, json_t **before UNUSED, json_t **after)
{
	if (!c->s->notify)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"no webhook is configured: set notify.url in tollgate.yaml");
	if (notify_testing(c->s->notify))
		return change_refuse(
			c, MHD_HTTP_CONFLICT, "a test is in progress: see its result with "
				"tollgate notify status");
	*after = json_pack("{s:s}", "id", "test");
	return change_sign(c, *after);
}

static void
send_notify_test(struct change *c UNUSED, const json_t *after)
{
	notify_test(json_text_in(after, "by"));
}

static const struct change_row admin_notify_test = { "notify", 0, "test", change_notify, send_notify_test };

/* ---- samples: GET /series, /trends, /policy/rules, /limits/near, /limits/fullest ----
 *
 * The data is in operator/server/sampling.h. */

enum { HOUR_S = 3600, NEAR_COUNT = 50, FULLEST_COUNT = 20 };

static unsigned
admin_series(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const char *by = json_string_value(json_object_get(in, "by")),
		   *window = json_string_value(json_object_get(in, "window"));
	uint64_t us = HOUR_S * SECOND_US;
	unsigned kind = 0;

	while (by && kind < RATES_BY && strcmp(by, rates_by_names[kind]) != 0)
		kind++;
	if (window && (duration_parse(span_str(window), &us) < 0 || us > HOUR_S * SECOND_US ||
			      us < RATES_STEP_S * SECOND_US))
		return calls_error(out, MHD_HTTP_BAD_REQUEST,
			"window: send a duration from 10s to 1h");
	if (!s->sampling.rates)
		return calls_error(out, MHD_HTTP_CONFLICT, "the daemon takes no samples, "
			"because memory was exhausted at its start: restart it");
	rates_series(
		s->sampling.rates, by ? (enum rates_by)kind : RATES_BY, us / SECOND_US, out);
	return MHD_HTTP_OK;
}

static unsigned
admin_trends(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const char *by = json_string_value(json_object_get(in, "by")),
		   *range = json_string_value(json_object_get(in, "range"));
	struct trends_asked asked = { .by = by ? trends_by_of(by) : RATES_ALL,
		.name = json_string_value(json_object_get(in, "name")) };
	unsigned of = TRENDS_1H;

	while (range && of < TRENDS_RANGES && strcmp(range, trends_range_names[of]) != 0)
		of++;
	if (asked.by == TRENDS_BY || of == TRENDS_RANGES)
		return calls_error(out, MHD_HTTP_BAD_REQUEST,
			"by: send total, route, target, provider, model, team, rule, person, "
			"key or tool; range: send 1h, 24h, 7d or 90d");
	if (asked.name && asked.by == RATES_ALL)
		return calls_error(out, MHD_HTTP_BAD_REQUEST, "name: this needs `by` as well");
	if (!s->sampling.trends)
		return calls_error(out, MHD_HTTP_CONFLICT, "the daemon takes no samples, "
			"because memory was exhausted at its start: restart it");
	asked.range = (enum trends_range)of;
	sampling_trends(s, &asked, out);
	return MHD_HTTP_OK;
}

static unsigned
admin_policy_rules(struct server *s, struct buf *out)
{
	if (!s->sampling.rates)
		return calls_error(out, MHD_HTTP_CONFLICT, "the daemon takes no samples, "
			"because memory was exhausted at its start: restart it");
	sampling_rules(s, out);
	return MHD_HTTP_OK;
}

static unsigned
admin_limits_near(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const json_t *count = json_object_get(in, "count");

	sampling_near(s, (size_t)json_integer_value(json_object_get(in, "from")),
		count ? (size_t)json_integer_value(count) : NEAR_COUNT, out);
	return MHD_HTTP_OK;
}

static unsigned
admin_limits_fullest(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const json_t *count = json_object_get(in, "count");

	sampling_fullest(s, count ? (size_t)json_integer_value(count) : FULLEST_COUNT, out);
	return MHD_HTTP_OK;
}

/* ---- small handlers of the table ---- */

static void
get_metrics(struct server *s, struct buf *out)
{
	server_metrics(s, out, false);
	admin_metrics(s, out);
}

static void
get_openmetrics(struct server *s, struct buf *out)
{
	SCOPED_BUF(text, 0);
	server_metrics(s, &text, true);
	admin_metrics(s, &text);
	openmetrics_write(out, buf_view(&text));
}

static void
get_healthz(struct server *s UNUSED, struct buf *out)
{
	buf_str(out, "ok\n");
}

static unsigned
get_readyz(struct server *s, struct buf *out)
{
	return server_ready(s, out) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* cost of a reload in the caller's limit of changes: about five a second */
enum { RELOAD_BYTES = 3 << 10 };

/* A reload is recorded with its caller whatever its result, even if the disk is nearly full. */
static unsigned
post_reload(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	unsigned wait_s = change_wait(s, peer, RELOAD_BYTES);

	if (wait_s) {
		metric_inc(&s->metrics, M_ADMIN_SHARE);
		return calls_error(out, MHD_HTTP_TOO_MANY_REQUESTS,
			"you have sent too many reloads: try again in %u s", wait_s);
	}
	char by[CHANGE_WHO_LEN];

	change_told(s, peer, "configuration", "reload", "reload", NULL, NULL);
	change_who(peer, by);
	const char *why = json_string_value(json_object_get(in, "reason"));
	json_t *checked = json_object_get(in, "checked");
	return reload_ask(&s->reloading, by, why, checked, out) ? MHD_HTTP_OK : 422 /* RFC 9110 15.5.21 */;
}

#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define PLAIN_TEXT   "text/plain; charset=utf-8"
#define PAGE_TYPE    "text/html; charset=utf-8"

/* ---- parameters ---- */

#define PERSON_MAX 16384 /* a token's name may be as long as a header field */

/* clang-format off */
#define SIGNED \
	{ "by",     PARAM_TEXT, .max = 256,  .text = "Who makes the change, in the caller's own words." }, \
	{ "reason", PARAM_TEXT, .max = 1024, .text = "The reason, for the record." }
#define UNTIL(at) \
	{ "ttl", PARAM_TEXT, .text = "How long it is valid, such as 90d, or never." }, \
	{ at,    PARAM_TEXT, .text = "When it ends, such as 2026-12-01T00:00:00Z." }
#define KEY_ID { "id", PARAM_TEXT, PARAM_NEEDED, .text = "Which key." }

/* A name "*" accepts any member. Members of a key are those of an API key
 * (policy/identity/apikeys.h). */
static const struct param key_new[] = {
	UNTIL("expires"), SIGNED, { "*", PARAM_ANY, .text = "Members of a key: person, team, models, …" }, { .name = NULL },
};
static const struct param key_change[] = {
	KEY_ID, UNTIL("expires"), SIGNED, { "*", PARAM_ANY, .text = "Members with new values; null removes one." }, { .name = NULL },
};
static const struct param key_rotate[] = {
	KEY_ID, { "overlap", PARAM_TEXT, .text = "How long the old key stays valid; default: 24h." }, UNTIL("expires"), SIGNED, { .name = NULL },
};
static const struct param key_revoke[] = { KEY_ID, SIGNED, { .name = NULL } };
static const struct param fault_accepted[] = {
	{ "record", PARAM_TEXT, PARAM_NEEDED, .text = "NODE/SEQ of the fault, as GET /status lists it." },
	SIGNED, { .name = NULL },
};
static const struct param signed_alone[] = { SIGNED, { .name = NULL } };
static const struct param reload_asked[] = {
	SIGNED,
	{ "checked", PARAM_OBJECT, .text = "The SHA-256 of the files that were checked, as GET /policy/next has it: the order is refused if the daemon reads others." },
	{ .name = NULL },
};
static const struct param quota_asked[] = {
	{ "identity", PARAM_OBJECT, .text = "Whose limits: attributes of a caller, such as person and team." },
	{ "key",   PARAM_TEXT, .text = "The ID of an API key, instead of identity." },
	{ "route", PARAM_TEXT, .text = "Only limits of this route." },
	{ "model", PARAM_TEXT, .text = "Only limits of this model." }, { .name = NULL },
};
static const struct param limit_set[] = {
	{ "limit", PARAM_TEXT, PARAM_NEEDED, .text = "The limit's name in the policy." },
	{ "for", PARAM_OBJECT, .text = "The callers: {\"person\": …}; an empty object stands for everyone." },
	{ "to", PARAM_ANY, .text = "The new amount: a whole number, or US dollars." },
	{ "id", PARAM_TEXT, .text = "An existing override." }, UNTIL("until"), SIGNED, { .name = NULL },
};
static const struct param limit_clear[] = {
	{ "id", PARAM_TEXT, .text = "The override." },
	{ "limit", PARAM_TEXT, .text = "Or its limit" }, { "for", PARAM_OBJECT, .text = "and whose limit it is." }, SIGNED, { .name = NULL },
};
static const struct param nodes_asked[] = {
	{ "all", PARAM_BOOLEAN, .text = "Also nodes that are stopped or retired." }, { .name = NULL },
};
#define NODE \
	{ "node", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = 64, .text = "The node's name." }, \
	{ "why", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The reason, which the record has." }
static const struct param node_retired[] = {
	NODE, { "journal", PARAM_TEXT, .min = 1, .max = 4096, .text = "The folder of the node's journal on this machine: its open reservations are settled." },
	{ "keep_stream", PARAM_BOOLEAN, .text = "Keep the copy of the node's records in Redis." }, SIGNED, { .name = NULL },
};
static const struct param node_admitted[] = { NODE, SIGNED, { .name = NULL } };
static const struct param target_asked[] = {
	{ "target", PARAM_TEXT, PARAM_NEEDED, .text = "PROVIDER, or PROVIDER/MODEL." }, SIGNED, { .name = NULL },
};
static const struct param cache_purged[] = {
	{ "route", PARAM_TEXT, .min = 1, .text = "Responses of this route." },
	{ "person", PARAM_TEXT, .min = 1, .text = "Responses to this person, or to the id of a key without an owner." },
	{ "older", PARAM_DURATION, .text = "Responses older than this." },
	{ "all", PARAM_BOOLEAN, .text = "Purge all responses; cannot be combined with other fields." }, SIGNED, { .name = NULL },
};
#define TOOL \
	{ "server", PARAM_TEXT, PARAM_NEEDED, .text = "The MCP server: a provider of the policy." }, \
	{ "kind", PARAM_TEXT, .text = "tool, prompt or instructions." }, \
	{ "name", PARAM_TEXT, .text = "Name of the tool or prompt." }
static const struct param tool_named[] = { TOOL, SIGNED, { .name = NULL } };
static const struct param tool_approve[] = {
	TOOL, { "hash", PARAM_TEXT, .text = "The first 32 digits or more of the hash of the approved text." },
	{ "only", PARAM_BOOLEAN, .text = "Withdraw the approval of all other texts." },
	{ "none", PARAM_BOOLEAN, .text = "Withdraw the approval of all texts." }, SIGNED, { .name = NULL },
};
static const struct param read_told[] = {
	{ "command", PARAM_TEXT, PARAM_NEEDED, .text = "The command that read records, as its words." },
	{ "asked", PARAM_OBJECT, PARAM_NEEDED, .text = "The command's parameters." },
	{ "records", PARAM_INTEGER, PARAM_NEEDED, .max = INT64_MAX, .text = "How many records the command showed." },
	{ "follow", PARAM_TEXT, .text = "begin or end." }, SIGNED, { .name = NULL },
};
static const struct param text_hashed[] = {
	{ "text", PARAM_TEXT, PARAM_NEEDED, .max = 64 << 10, .text = "The text." },
	{ "person", PARAM_TEXT, .max = PERSON_MAX, .text = "The person who owns the text: the result then includes hashes with this person's shares." }, SIGNED, { .name = NULL },
};
static const struct param person_named[] = {
	{ "person", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = PERSON_MAX, .text = "The name." }, SIGNED, { .name = NULL },
};
static const struct param export_signed[] = {
	{ "object", PARAM_TEXT, PARAM_NEEDED, .max = 64 << 10, .text = "The contents of the manifest." }, SIGNED, { .name = NULL },
};

static const struct param share_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of the request whose text is opened." },
	{ "part", PARAM_CHOICE, PARAM_NEEDED, .words = "prompt response tools", .text = "The part: prompt, response or tools." },
	{ "share", PARAM_INTEGER, PARAM_NEEDED, .min = 1, .max = (INT64_C(1) << 53) - 1, .text = "The share's number in the record." },
	{ "node", PARAM_TEXT, .max = 64, .text = "The record's node: this one, or that of the other instance. Default: this one." },
	SIGNED, { .name = NULL },
};
static const struct param opening_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public ID of a request." }, SIGNED, { .name = NULL },
};
static const struct param erased[] = {
	{ "person", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = PERSON_MAX, .text = "The person, or the id of a key without an owner." },
	{ "why", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = 1024, .text = "The reason, for the record." },
	{ "ticket", PARAM_TEXT, .text = "The ticket of the request, for the record." },
	SIGNED, { .name = NULL },
};
static const struct param log_set[] = {
	{ "level", PARAM_TEXT, PARAM_NEEDED, .text = "error, warn, info or debug." },
	{ "for", PARAM_TEXT, .text = "How long, up to 7d; default: until the process ends." }, SIGNED, { .name = NULL },
};
static const struct param near_asked[] = {
	{ "from", PARAM_INTEGER, .max = 100000, .text = "The number of rows to skip." },
	{ "count", PARAM_INTEGER, .min = 1, .max = 256, .text = "How many rows; 50." }, { .name = NULL },
};
static const struct param fullest_asked[] = {
	{ "count", PARAM_INTEGER, .min = 1, .max = 256, .text = "The number of limits; default: 20." }, { .name = NULL },
};
static const struct param series_asked[] = {
	{ "window", PARAM_DURATION, .text = "The length of the period, up to 1h; default: 1h." },
	{ "by", PARAM_CHOICE, .words = "total route target model team rule", .text = "Only series of this kind." }, { .name = NULL },
};
static const struct param trends_asked[] = {
	{ "by", PARAM_CHOICE, .words = "total route target provider model team rule person key tool", .text = "The kind of the rows; default: total." },
	{ "name", PARAM_TEXT, .text = "Only the row of this name." },
	{ "range", PARAM_CHOICE, .words = "1h 24h 7d 90d", .text = "How far back; 1h." }, { .name = NULL },
};
static const struct param decisions_seen[] = {
	{ "decision", PARAM_TEXT, .text = "Decisions, separated by commas: permit, redact, deny, observed." },
	{ "person", PARAM_TEXT, .text = "Only this person." },
	{ "route", PARAM_TEXT, .text = "Only this route." },
	{ "model", PARAM_TEXT, .text = "Only this model." },
	{ "after", PARAM_TEXT, .text = "NODE/SEQ: begin after this record. Last-Event-ID has precedence." },
	{ "last", PARAM_INTEGER, .max = 1000, .text = "Begin with this number of earlier decisions." }, { .name = NULL },
};
static const struct param login[] = {
	{ "token", PARAM_TEXT, PARAM_NEEDED, .text = "A token of admin.tokens." }, { .name = NULL },
};

/* ---- the table ---- */

const struct admin_endpoint admin_endpoints[] = {

/* -- monitoring: open to everyone -- */
{ "GET", "/metrics", 0, "Metrics for Prometheus, with exemplars for clients that accept OpenMetrics.",
  .type = METRICS_TEXT, .show = get_metrics, .open = get_openmetrics, .tcp = true },
{ "GET", "/healthz", 0, "Whether the daemon is running.",
  .type = PLAIN_TEXT, .show = get_healthz, .tcp = true },
{ "GET", "/readyz", 0, "Whether the daemon can decide; if not, 503 with the reasons.",
  .type = PLAIN_TEXT, .write = get_readyz, .tcp = true },

/* -- the daemon -- */
{ "GET", "/status", ROLE_VIEWER, "Version, degraded parts and policy in force.",
  .show = server_status, .shape = "version:string node:string", .tcp = true },
{ "GET", "/recent", ROLE_VIEWER, "The last decisions and counters, for `tollgate top`.",
  .show = server_recent, .shape = "", .tcp = true },
{ "POST", "/reload", ROLE_OPERATOR, "Reads configuration and policy again; 422 if they are invalid.",
  .params = reload_asked, .call = post_reload, .shape = "result:string", .tcp = true },

/* -- keys, limits -- */
{ "GET", "/keys", ROLE_VIEWER, "Keys that were created at run time.",
  .write = admin_keys, .shape = "state_key:boolean keys:array", .tcp = true },
{ "POST", "/keys/new", ROLE_OPERATOR, "Creates a key; the response contains its text, which is not shown again.",
  .params = key_new, .change = &admin_key_new, .shape = "id:string key:string" },
{ "POST", "/keys/change", ROLE_OPERATOR, "Changes members of a key.",
  .params = key_change, .change = &admin_key_change, .shape = "id:string" },
{ "POST", "/keys/rotate", ROLE_OPERATOR, "Creates the successor of a key and sets an end for the old key.",
  .params = key_rotate, .change = &admin_key_rotate, .shape = "id:string key:string" },
{ "POST", "/keys/revoke", ROLE_OPERATOR, "Revokes a key, also one in a file.",
  .params = key_revoke, .change = &admin_key_revoke, .shape = "id:string" },
{ "POST", "/quota", ROLE_VIEWER, "What remains of each limit for an identity or a key.",
  .params = quota_asked, .call = admin_quota, .own = true, .shape = "limits:array" },
{ "GET", "/limits", ROLE_VIEWER, "Overrides of limits that were made at run time.",
  .write = admin_limits, .shape = "state_key:boolean overrides:array", .tcp = true },
{ "POST", "/limits/set", ROLE_OPERATOR, "Overrides a limit for some callers.",
  .params = limit_set, .change = &admin_limit_set, .shape = "id:string" },
{ "POST", "/limits/clear", ROLE_OPERATOR, "Ends an override.",
  .params = limit_clear, .change = &admin_limit_clear, .shape = "id:string" },

/* -- nodes -- */
{ "GET", "/nodes", ROLE_VIEWER, "The daemons that share this Redis: version, policy, degraded parts, head of the chain, requests a minute.",
  .params = nodes_asked, .call = admin_nodes, .shape = "node:string known:boolean nodes:array", .tcp = true },
{ "POST", "/nodes/retire", ROLE_OPERATOR, "Retires a node that will not return: removes what Redis has of it. A daemon with that name is refused until it is admitted.",
  .params = node_retired, .change = &admin_node_retire, .checked = true, .shape = "id:string holds:string removed:boolean" },
{ "POST", "/nodes/admit", ROLE_OPERATOR, "Admits a retired node again.",
  .params = node_admitted, .change = &admin_node_admit, .checked = true, .shape = "id:string" },

/* -- targets, tools -- */
{ "GET", "/targets", ROLE_VIEWER, "Lists the targets with their health.",
  .show = admin_targets, .shape = "targets:array", .tcp = true },
{ "POST", "/targets/eject", ROLE_OPERATOR, "Ejects a target.",
  .params = target_asked, .change = &admin_target_eject, .shape = "id:string" },
{ "POST", "/targets/admit", ROLE_OPERATOR, "Readmits a target.",
  .params = target_asked, .change = &admin_target_admit, .shape = "id:string" },
{ "GET", "/tools", ROLE_VIEWER, "Pins of tools, prompts and instructions of MCP servers.",
  .write = admin_tools, .shape = "state_key:boolean full:array tools:array", .tcp = true },
{ "POST", "/tools/show", ROLE_VIEWER, "One pin with its texts.",
  .params = tool_named, .call = admin_tool_show, .own = true, .shape = "server:string kind:string" },
{ "POST", "/tools/approve", ROLE_OPERATOR, "Approves a text of a tool.",
  .params = tool_approve, .change = &admin_tool_approve, .shape = "id:string" },

/* -- response cache -- */
{ "GET", "/cache", ROLE_VIEWER, "Contents of the response cache, and hits since the start.",
  .begin = caches_stats, .shape = "where:string routes:integer hits:integer saved_nanousd:integer" },
{ "POST", "/cache/purge", ROLE_OPERATOR, "Removes responses from the cache: of a route, of a person, older than an age, or all.",
  .params = cache_purged, .begin = caches_purge, .shape = "id:string purged:integer failed:integer" },

/* -- records -- */
{ "POST", "/audit/read", ROLE_VIEWER, "Records that a command has read records.",
  .params = read_told, .change = &admin_read, .shape = "" },
{ "POST", "/audit/text", ROLE_AUDITOR, "The keyed hash of a text, for a search.",
  .params = text_hashed, .change = &admin_text_hash, .shape = "id:string hashes:array" },
{ "POST", "/audit/pseudonym", ROLE_AUDITOR, "The pseudonym of a person in the records; 404 if the person has none.",
  .params = person_named, .change = &admin_pseudonym, .checked = true, .shape = "id:string pseudonym:string" },
{ "POST", "/audit/export", ROLE_AUDITOR, "Signs the manifest of an export.",
  .params = export_signed, .change = &admin_export, .shape = "id:string manifest:string" },
{ "POST", "/audit/share", ROLE_AUDITOR, "The share that opens a sealed text. The request is recorded first; 410 if the share is erased.",
  .params = share_asked, .change = &admin_share, .checked = true, .shape = "share:string number:integer" },
{ "POST", "/audit/opening", ROLE_AUDITOR, "The data with which the console opens a request's texts; 404 unless `console.open` is set.",
  .params = opening_asked, .begin = admin_opening, .arg = &sealed_texts, .shape = "node:string records:array" },
{ "POST", "/audit/erase", ROLE_AUDITOR, "Makes a person's sealed texts unreadable, on every node.",
  .params = erased, .change = &admin_erase, .checked = true, .shape = "erasure:string serial:integer here:boolean near:array respelled:boolean nodes:array" },
{ "GET", "/audit/erasures", ROLE_AUDITOR, "The erasures, and the nodes that have carried them out.",
  .write = admin_erasures, .shape = "erasures:array" },
{ "GET", "/records/search", ROLE_AUDITOR, "Records that match all given terms, in pages.",
  .params = search_asked, .begin = reader_begin, .arg = &read_search, .shape = "records:array" },
{ "GET", "/records/show", ROLE_AUDITOR, "All records of one request, and the proof of its decision.",
  .params = show_asked, .begin = reader_begin, .arg = &read_show, .shape = "records:array proof:any" },
{ "GET", "/records/page", ROLE_AUDITOR, "The proof of a decision as a page that verifies itself in a browser.",
  .params = show_asked, .begin = reader_begin, .arg = &read_page, .shape = "page:string" },
{ "GET", "/records/explain", ROLE_AUDITOR, "The reasons for a decision.",
  .params = explain_asked, .begin = reader_begin, .arg = &read_explain, .shape = "" },
{ "GET", "/records/report", ROLE_AUDITOR, "The report for auditors; see `tollgate audit report`.",
  .params = report_asked, .begin = reader_begin, .arg = &read_report, .shape = "report:object" },
{ "GET", "/records/verify", ROLE_AUDITOR, "The state of the chain, and the result of its last verification.",
  .show = admin_verifying, .shape = "running:boolean last:any state:object" },
{ "POST", "/records/verify", ROLE_AUDITOR, "Starts a verification of the whole chain; 409 if one is running.",
  .begin = verifying_begin, .shape = "running:boolean" },
{ "POST", "/records/accept", ROLE_AUDITOR, "Accepts the fault of a record that does not verify, with a reason, so that it is reported no longer.",
  .params = fault_accepted, .change = &admin_fault_accept, .shape = "id:string" },

/* -- webhooks -- */
{ "GET", "/notify", ROLE_VIEWER, "The state of the webhooks of notify.url.",
  .show = admin_notify, .shape = "signed:boolean dropped:integer kinds:array", .tcp = true },
{ "POST", "/notify/test", ROLE_OPERATOR, "Sends a notice of kind test; GET /notify has the result.",
  .params = signed_alone, .change = &admin_notify_test, .shape = "id:string" },

/* -- people, usage -- */
{ "GET", "/usage", ROLE_VIEWER, "Usage and cost, summed over the records.",
  .params = usage_asked, .begin = reader_begin, .arg = &read_usage, .shape = "" },

/* -- policy -- */
{ "GET", "/policy", ROLE_VIEWER, "The policy in force: version, start, rules, text.",
  .show = admin_policy, .shape = "policy:string version:string since:string rules:array" },
{ "GET", "/policy/versions", ROLE_VIEWER, "Policies that came into force, newest first.",
  .params = versions_asked, .begin = reader_begin, .arg = &read_versions, .shape = "versions:array" },
{ "GET", "/policy/next", ROLE_OPERATOR, "The policy that a reload would put in force, its changes, and the SHA-256 of its files; 422 if they have mistakes.",
  .begin = reader_begin, .arg = &read_next, .shape = "next:string changes:string checked:object", .tcp = true },
{ "GET", "/policy/text", ROLE_AUDITOR, "The stored text of a version, with the files that it included.",
  .params = version_asked, .begin = reader_begin, .arg = &read_version, .shape = "text:string" },
{ "GET", "/policy/shadow", ROLE_AUDITOR, "Recorded decisions on which the shadow policy differs.",
  .params = versions_asked, .begin = reader_begin, .arg = &read_shadow, .shape = "records:array" },
{ "POST", "/policy/check", ROLE_VIEWER, "All errors in a policy's text, with line and column.",
  .params = check_asked, .begin = reader_begin, .arg = &try_check, .shape = "valid:boolean errors:array notes:array" },
{ "POST", "/policy/decide", ROLE_OPERATOR, "The decision of a policy on one request, with the result of each rule.",
  .params = decide_asked, .begin = reader_begin, .arg = &try_decide, .shape = "decision:string explain:object" },
{ "POST", "/policy/replay", ROLE_AUDITOR, "Recorded decisions on which a policy's text differs.",
  .params = replay_asked, .begin = reader_begin, .arg = &try_replay, .shape = "total:integer different:integer" },

/* -- live: decisions, series, models, log -- */
{ "GET", "/now", ROLE_VIEWER, "Degraded parts, readiness, rates, latencies and targets.",
  .show = server_now, .shape = "node:string ready:boolean parts:array degraded:array targets:array" },
{ "GET", "/log", ROLE_VIEWER, "The level of the log.",
  .show = admin_log, .shape = "level:string configured:string" },
{ "POST", "/log", ROLE_OPERATOR, "Changes the level of the log for a period.",
  .params = log_set, .change = &admin_log_set, .shape = "level:string" },
{ "GET", "/policy/rules", ROLE_VIEWER, "The effect of each rule since the daemon started and since the policy came into force, and its last match.",
  .write = admin_policy_rules, .shape = "policy:string version:string rules:array" },
{ "GET", "/models", ROLE_VIEWER, "Models that were used or are configured, with targets, price, tokens and cost.",
  .show = admin_models, .shape = "models:array" },
{ "GET", "/limits/near", ROLE_VIEWER, "Callers that recently came close to a limit, the highest share first.",
  .params = near_asked, .call = admin_limits_near, .shape = "total:integer near:array" },
{ "GET", "/limits/fullest", ROLE_VIEWER, "The callers who have used the largest share of a limit, and when each limit is used up at today's rate.",
  .params = fullest_asked, .call = admin_limits_fullest, .shape = "limits:array" },
{ "GET", "/series", ROLE_VIEWER, "The last hour in steps of ten seconds: the total, or by route, target, model, team or rule.",
  .params = series_asked, .call = admin_series, .shape = "step_s:integer steps:integer series:array" },
{ "GET", "/trends", ROLE_VIEWER, "The last hour, day, week or ninety days in steps, and the period before. The data survive restarts.",
  .params = trends_asked, .call = admin_trends, .shape = "range:string step_s:integer steps:integer series:array before:array daemons:array" },
{ "GET", "/decisions/live", ROLE_AUDITOR, "Decisions as they are made, as server-sent events; continues after Last-Event-ID.",
  .params = decisions_seen, .begin = admin_decisions_live, .type = "text/event-stream" },

/* -- sessions -- */
{ "GET", "/session", ROLE_VIEWER, "The caller's name and roles.",
  .begin = door_who, .shape = "name:string roles:array by:string door:string opens:boolean" },
{ "POST", "/session", 0, "Exchanges a token for a browser's session cookie.",
  .params = login, .begin = door_login, .shape = "name:string roles:array by:string door:string opens:boolean" },
{ "DELETE", "/session", 0, "Ends the session of the cookie.",
  .begin = door_logout, .shape = "ended:boolean" },
{ "GET", "/openapi.json", ROLE_VIEWER, "This table as OpenAPI 3.1.",
  .show = admin_openapi, .shape = "openapi:string info:object paths:object" },

/* -- the console's page: open to everyone -- */
{ "GET", "/", 0, "Redirects to the console.", .type = PAGE_TYPE, .begin = admin_page_redirect },
{ "GET", "/console", 0, "Redirects to the console.", .type = PAGE_TYPE, .begin = admin_page_redirect },
{ "GET", "/console/", 0, "The console's page and its files; 404 unless `admin.console` is set.",
  .type = PAGE_TYPE, .begin = admin_page },

};
/* clang-format on */
const size_t admin_endpoint_count = COUNT_OF(admin_endpoints);
