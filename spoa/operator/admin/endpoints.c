/* The endpoints. Rows of one area are together; a new area is a section of its own, here and
 * above where its parameters are. */
#include "operator/admin/endpoint.h"
#include "operator/admin/policy.h"
#include "operator/admin/reads.h"
#include "operator/admin/sealed.h"
#include "operator/admin/verifying.h"

#include "base/attr.h"
#include "base/scoped.h"
#include "operator/admin/admin.h"
#include "operator/admin/caches.h"
#include "operator/admin/change.h"
#include "operator/admin/door.h"
#include "operator/admin/page.h"
#include "operator/server/server.h"
#include "operator/telemetry/openmetrics.h"

/* ---- what is asked without a call of its own ---- */

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

enum { RELOAD_BYTES = 3 << 10 }; /* its records, and what it costs: five a second */

/* Who had it done is on record whatever comes of it, and whatever the disk says. */
static unsigned
post_reload(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	unsigned wait_s = change_wait(s, peer, RELOAD_BYTES);

	if (wait_s) {
		metric_inc(&s->metrics, M_ADMIN_SHARE);
		return calls_error(out, MHD_HTTP_TOO_MANY_REQUESTS,
			"too many of yours at once: try again in %u s", wait_s);
	}
	char by[CHANGE_WHO_LEN];

	change_told(s, peer, "configuration", "reload", "reload", NULL, NULL);
	change_who(peer, by);
	const char *why = json_string_value(json_object_get(in, "reason"));
	return reload_ask(&s->reloading, by, why, out) ? MHD_HTTP_OK : 422 /* RFC 9110 15.5.21 */;
}

#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define PLAIN_TEXT   "text/plain; charset=utf-8"
#define PAGE_TYPE    "text/html; charset=utf-8"

/* ---- parameters ---- */

#define PERSON_MAX 16384 /* a token's name may be as long as its header */

/* clang-format off */
#define SIGNED \
	{ "by",     PARAM_TEXT, .max = 256,  .text = "Who wants it, in his own words." }, \
	{ "reason", PARAM_TEXT, .max = 1024, .text = "Why; it goes into the record." }
#define UNTIL(at) \
	{ "ttl", PARAM_TEXT, .text = "How long it lives, such as 90d, or never." }, \
	{ at,    PARAM_TEXT, .text = "When it ends, such as 2026-12-01T00:00:00Z." }
#define KEY_ID { "id", PARAM_TEXT, PARAM_NEEDED, .text = "Which key." }

/* Members of a key are a key's: identity/apikey.h. A list that says so takes any. */
static const struct param key_new[] = {
	UNTIL("expires"), SIGNED, { "*", PARAM_ANY, .text = "Members of a key: person, team, models, …" }, { .name = NULL },
};
static const struct param key_change[] = {
	KEY_ID, UNTIL("expires"), SIGNED, { "*", PARAM_ANY, .text = "Members that get another value, or none (null)." }, { .name = NULL },
};
static const struct param key_rotate[] = {
	KEY_ID, { "overlap", PARAM_TEXT, .text = "How long the old one passes besides; 24h." }, UNTIL("expires"), SIGNED, { .name = NULL },
};
static const struct param key_revoke[] = { KEY_ID, SIGNED, { .name = NULL } };
static const struct param signed_alone[] = { SIGNED, { .name = NULL } };
static const struct param quota_asked[] = {
	{ "identity", PARAM_OBJECT, .text = "Whose limits: members of an identity." },
	{ "key",   PARAM_TEXT, .text = "Or the id of an API key." },
	{ "route", PARAM_TEXT, .text = "The limits of this route alone." },
	{ "model", PARAM_TEXT, .text = "And of this model." }, { .name = NULL },
};
static const struct param limit_set[] = {
	{ "limit", PARAM_TEXT, PARAM_NEEDED, .text = "The limit's name in the policy." },
	{ "for", PARAM_OBJECT, .text = "Whose: {\"person\": …}; an empty object: everyone's." },
	{ "to", PARAM_ANY, .text = "The amount: a whole number, or US dollars." },
	{ "id", PARAM_TEXT, .text = "An override that is there." }, UNTIL("until"), SIGNED, { .name = NULL },
};
static const struct param limit_clear[] = {
	{ "id", PARAM_TEXT, .text = "The override." },
	{ "limit", PARAM_TEXT, .text = "Or its limit" }, { "for", PARAM_OBJECT, .text = "and whose it is." }, SIGNED, { .name = NULL },
};
static const struct param target_named[] = {
	{ "target", PARAM_TEXT, PARAM_NEEDED, .text = "PROVIDER, or PROVIDER/MODEL." }, SIGNED, { .name = NULL },
};
static const struct param cache_purged[] = {
	{ "route", PARAM_TEXT, .min = 1, .text = "Answers of this route." },
	{ "person", PARAM_TEXT, .min = 1, .text = "That this person asked for; or the id of a key that is nobody's." },
	{ "older", PARAM_DURATION, .text = "That are older than this." },
	{ "all", PARAM_BOOLEAN, .text = "All of them; goes alone." }, SIGNED, { .name = NULL },
};
#define TOOL \
	{ "server", PARAM_TEXT, PARAM_NEEDED, .text = "The MCP server: a provider of the policy." }, \
	{ "kind", PARAM_TEXT, .text = "tool, prompt or instructions." }, \
	{ "name", PARAM_TEXT, .text = "Of the tool or prompt." }
static const struct param tool_named[] = { TOOL, SIGNED, { .name = NULL } };
static const struct param tool_approve[] = {
	TOOL, { "hash", PARAM_TEXT, .text = "32 digits or more of the text that is approved." },
	{ "only", PARAM_BOOLEAN, .text = "No other text is approved from then on." },
	{ "none", PARAM_BOOLEAN, .text = "No text is." }, SIGNED, { .name = NULL },
};
static const struct param read_told[] = {
	{ "command", PARAM_TEXT, PARAM_NEEDED, .text = "Words of the command that read." },
	{ "asked", PARAM_OBJECT, PARAM_NEEDED, .text = "What it was asked for." },
	{ "records", PARAM_INTEGER, PARAM_NEEDED, .max = INT64_MAX, .text = "How many records it showed." },
	{ "follow", PARAM_TEXT, .text = "begin or end." }, SIGNED, { .name = NULL },
};
static const struct param text_hashed[] = {
	{ "text", PARAM_TEXT, PARAM_NEEDED, .max = 64 << 10, .text = "The text." },
	{ "person", PARAM_TEXT, .max = PERSON_MAX, .text = "Whose it is: hashes as records have them of who has a share, too." }, SIGNED, { .name = NULL },
};
static const struct param person_named[] = {
	{ "person", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = PERSON_MAX, .text = "The name." }, SIGNED, { .name = NULL },
};
static const struct param export_signed[] = {
	{ "object", PARAM_TEXT, PARAM_NEEDED, .max = 64 << 10, .text = "What the manifest says." }, SIGNED, { .name = NULL },
};

static const struct param share_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of the request whose text is opened." },
	{ "part", PARAM_CHOICE, PARAM_NEEDED, .words = "prompt response tools", .text = "Which of its texts." },
	{ "share", PARAM_INTEGER, PARAM_NEEDED, .min = 1, .max = (INT64_C(1) << 53) - 1, .text = "The share's number, as the record has it." },
	SIGNED, { .name = NULL },
};
static const struct param opening_asked[] = {
	{ "id", PARAM_TEXT, PARAM_NEEDED, .min = 1, .text = "The public id of a request." }, SIGNED, { .name = NULL },
};
static const struct param erased[] = {
	{ "person", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = PERSON_MAX, .text = "Who; or the id of a key that is nobody's." },
	{ "why", PARAM_TEXT, PARAM_NEEDED, .min = 1, .max = 1024, .text = "Why; it goes into the record." },
	{ "ticket", PARAM_TEXT, .text = "Where it was asked for; likewise." },
	SIGNED, { .name = NULL },
};
static const struct param log_set[] = {
	{ "level", PARAM_TEXT, PARAM_NEEDED, .text = "error, warn, info or debug." },
	{ "for", PARAM_TEXT, .text = "How long, up to 7d; else until the process ends." }, SIGNED, { .name = NULL },
};
static const struct param near_asked[] = {
	{ "from", PARAM_INTEGER, .max = 100000, .text = "How many are left out first." },
	{ "count", PARAM_INTEGER, .min = 1, .max = 256, .text = "How many; 50." }, { .name = NULL },
};
static const struct param fullest_asked[] = {
	{ "count", PARAM_INTEGER, .min = 1, .max = 256, .text = "The number of limits; 20." }, { .name = NULL },
};
static const struct param series_asked[] = {
	{ "window", PARAM_DURATION, .text = "How far back, up to 1h, which it is otherwise." },
	{ "by", PARAM_CHOICE, .words = "total route target model team rule", .text = "Of this kind alone." }, { .name = NULL },
};
static const struct param trends_asked[] = {
	{ "by", PARAM_CHOICE, .words = "total route target provider model team rule person key tool", .text = "The kind of the rows; total." },
	{ "name", PARAM_TEXT, .text = "The row of this name only." },
	{ "range", PARAM_CHOICE, .words = "1h 24h 7d 90d", .text = "How far back; 1h." }, { .name = NULL },
};
static const struct param decisions_seen[] = {
	{ "decision", PARAM_TEXT, .text = "permit, redact, deny, observed; several with commas." },
	{ "person", PARAM_TEXT, .text = "Of this person alone." },
	{ "route", PARAM_TEXT, .text = "Of this route." },
	{ "model", PARAM_TEXT, .text = "Of this model." },
	{ "after", PARAM_TEXT, .text = "NODE/SEQ: those after this record. Last-Event-ID comes first." },
	{ "last", PARAM_INTEGER, .max = 1000, .text = "So many that were before, first." }, { .name = NULL },
};
static const struct param login[] = {
	{ "token", PARAM_TEXT, PARAM_NEEDED, .text = "A token of admin.tokens." }, { .name = NULL },
};

/* ---- the table ---- */

const struct admin_endpoint admin_endpoints[] = {

/* -- for machines that watch: nobody is asked who he is -- */
{ "GET", "/metrics", 0, "Metrics as Prometheus takes them; with exemplars, for who accepts OpenMetrics.",
  .type = METRICS_TEXT, .show = get_metrics, .open = get_openmetrics, .tcp = true },
{ "GET", "/healthz", 0, "Whether the daemon runs.",
  .type = PLAIN_TEXT, .show = get_healthz, .tcp = true },
{ "GET", "/readyz", 0, "Whether it can decide, and if not why: 503.",
  .type = PLAIN_TEXT, .write = get_readyz, .tcp = true },

/* -- the daemon -- */
{ "GET", "/status", ROLE_VIEWER, "What runs, what is degraded, the policy in force.",
  .show = server_status, .shape = "version:string node:string", .tcp = true },
{ "GET", "/recent", ROLE_VIEWER, "The last decisions and counters, for `tollgate top`.",
  .show = server_recent, .shape = "", .tcp = true },
{ "POST", "/reload", ROLE_OPERATOR, "Reads configuration and policy again; 422: refused.",
  .params = signed_alone, .call = post_reload, .shape = "result:string", .tcp = true },

/* -- keys, limits -- */
{ "GET", "/keys", ROLE_VIEWER, "Keys made at run time.",
  .write = admin_keys, .shape = "state_key:boolean keys:array", .tcp = true },
{ "POST", "/keys/new", ROLE_OPERATOR, "Makes a key; the answer holds its text, once.",
  .params = key_new, .change = &admin_key_new, .shape = "id:string key:string" },
{ "POST", "/keys/change", ROLE_OPERATOR, "Changes members of a key.",
  .params = key_change, .change = &admin_key_change, .shape = "id:string" },
{ "POST", "/keys/rotate", ROLE_OPERATOR, "Makes the next key and gives this one an end.",
  .params = key_rotate, .change = &admin_key_rotate, .shape = "id:string key:string" },
{ "POST", "/keys/revoke", ROLE_OPERATOR, "Revokes a key, of a file too.",
  .params = key_revoke, .change = &admin_key_revoke, .shape = "id:string" },
{ "POST", "/quota", ROLE_VIEWER, "What limits have left for somebody.",
  .params = quota_asked, .call = admin_quota, .own = true, .shape = "limits:array" },
{ "GET", "/limits", ROLE_VIEWER, "Overrides of limits that were made at run time.",
  .write = admin_limits, .shape = "state_key:boolean overrides:array", .tcp = true },
{ "POST", "/limits/set", ROLE_OPERATOR, "Gives some callers another amount of a limit.",
  .params = limit_set, .change = &admin_limit_set, .shape = "id:string" },
{ "POST", "/limits/clear", ROLE_OPERATOR, "Ends an override.",
  .params = limit_clear, .change = &admin_limit_clear, .shape = "id:string" },

/* -- targets, tools -- */
{ "GET", "/targets", ROLE_VIEWER, "How each target does.",
  .show = admin_targets, .shape = "targets:array", .tcp = true },
{ "POST", "/targets/eject", ROLE_OPERATOR, "Takes a target out.",
  .params = target_named, .change = &admin_target_eject, .shape = "id:string" },
{ "POST", "/targets/admit", ROLE_OPERATOR, "Lets it in again.",
  .params = target_named, .change = &admin_target_admit, .shape = "id:string" },
{ "GET", "/tools", ROLE_VIEWER, "Pins of tools, prompts and instructions of MCP servers.",
  .write = admin_tools, .shape = "state_key:boolean full:array tools:array", .tcp = true },
{ "POST", "/tools/show", ROLE_VIEWER, "One pin with its texts.",
  .params = tool_named, .call = admin_tool_show, .own = true, .shape = "server:string kind:string" },
{ "POST", "/tools/approve", ROLE_OPERATOR, "Approves a text of a tool.",
  .params = tool_approve, .change = &admin_tool_approve, .shape = "id:string" },

/* -- answers that are given again -- */
{ "GET", "/cache", ROLE_VIEWER, "What the cache of answers has, and gave since the start.",
  .begin = caches_stats, .shape = "where:string routes:integer hits:integer saved_nanousd:integer" },
{ "POST", "/cache/purge", ROLE_OPERATOR, "Answers go from the cache at once: of a route, of a person, older than, or all.",
  .params = cache_purged, .begin = caches_purge, .shape = "id:string purged:integer failed:integer" },

/* -- records -- */
{ "POST", "/audit/read", ROLE_VIEWER, "Records that a command read records.",
  .params = read_told, .change = &admin_read, .shape = "" },
{ "POST", "/audit/text", ROLE_AUDITOR, "The keyed hash of a text, for a search.",
  .params = text_hashed, .change = &admin_text_hash, .shape = "id:string hashes:array" },
{ "POST", "/audit/pseudonym", ROLE_AUDITOR, "The word that records have in place of a person's name; 404: there is none.",
  .params = person_named, .change = &admin_pseudonym, .checked = true, .shape = "id:string pseudonym:string" },
{ "POST", "/audit/export", ROLE_AUDITOR, "Signs the manifest of an export.",
  .params = export_signed, .change = &admin_export, .shape = "id:string manifest:string" },
{ "POST", "/audit/share", ROLE_AUDITOR, "The share that opens a sealed text, on record first; 410: it is erased.",
  .params = share_asked, .change = &admin_share, .checked = true, .shape = "share:string number:integer" },
{ "POST", "/audit/opening", ROLE_AUDITOR, "What the console opens a request's texts with; 404 without `console.open`.",
  .params = opening_asked, .begin = admin_opening, .arg = &sealed_texts, .shape = "node:string records:array" },
{ "POST", "/audit/erase", ROLE_AUDITOR, "Makes a person's sealed texts unreadable, on every node.",
  .params = erased, .change = &admin_erase, .checked = true, .shape = "erasure:string serial:integer here:boolean near:array respelled:boolean nodes:array" },
{ "GET", "/audit/erasures", ROLE_AUDITOR, "What was erased, and which nodes have done it.",
  .write = admin_erasures, .shape = "erasures:array" },
{ "GET", "/records/search", ROLE_AUDITOR, "Records by any of their terms, a page at a time.",
  .params = search_asked, .begin = reader_begin, .arg = &read_search, .shape = "records:array" },
{ "GET", "/records/show", ROLE_AUDITOR, "All records of one request, and the proof of its decision.",
  .params = show_asked, .begin = reader_begin, .arg = &read_show, .shape = "records:array proof:any" },
{ "GET", "/records/page", ROLE_AUDITOR, "The proof of a decision as a page that verifies itself in a browser.",
  .params = show_asked, .begin = reader_begin, .arg = &read_page, .shape = "page:string" },
{ "GET", "/records/explain", ROLE_AUDITOR, "Why a decision came out as it did.",
  .params = explain_asked, .begin = reader_begin, .arg = &read_explain, .shape = "" },
{ "GET", "/records/report", ROLE_AUDITOR, "What audit report says, for auditors.",
  .params = report_asked, .begin = reader_begin, .arg = &read_report, .shape = "report:object" },
{ "GET", "/records/verify", ROLE_AUDITOR, "The chain's state, and what its last verification said.",
  .show = admin_verifying, .shape = "running:boolean last:any state:object" },
{ "POST", "/records/verify", ROLE_AUDITOR, "Begins to verify all of the chain; 409: one runs.",
  .begin = verifying_begin, .shape = "running:boolean" },

/* -- webhooks -- */
{ "GET", "/notify", ROLE_VIEWER, "What came of the webhooks of notify.url.",
  .show = admin_notify, .shape = "signed:boolean dropped:integer kinds:array", .tcp = true },
{ "POST", "/notify/test", ROLE_OPERATOR, "Sends one of kind test; GET /notify says what came of it.",
  .params = signed_alone, .change = &admin_notify_test, .shape = "id:string" },

/* -- people, usage -- */
{ "GET", "/usage", ROLE_VIEWER, "What was used and what it cost, summed over the records.",
  .params = usage_asked, .begin = reader_begin, .arg = &read_usage, .shape = "" },

/* -- policy -- */
{ "GET", "/policy", ROLE_VIEWER, "The policy in force: version, since when, rules, text.",
  .show = admin_policy, .shape = "policy:string version:string since:string rules:array" },
{ "GET", "/policy/versions", ROLE_VIEWER, "Policies that came into force, newest first.",
  .params = versions_asked, .begin = reader_begin, .arg = &read_versions, .shape = "versions:array" },
{ "GET", "/policy/text", ROLE_AUDITOR, "The kept text of a version, with the files that it included.",
  .params = version_asked, .begin = reader_begin, .arg = &read_version, .shape = "text:string" },
{ "GET", "/policy/shadow", ROLE_AUDITOR, "Decisions of which the shadow policy says something else.",
  .params = versions_asked, .begin = reader_begin, .arg = &read_shadow, .shape = "records:array" },
{ "POST", "/policy/check", ROLE_VIEWER, "Every mistake of a policy's text, with line and column.",
  .params = check_asked, .begin = reader_begin, .arg = &try_check, .shape = "valid:boolean errors:array notes:array" },
{ "POST", "/policy/decide", ROLE_OPERATOR, "What a policy says about one request, rule by rule.",
  .params = decide_asked, .begin = reader_begin, .arg = &try_decide, .shape = "decision:string explain:object" },
{ "POST", "/policy/replay", ROLE_AUDITOR, "What a policy's text would have decided otherwise.",
  .params = replay_asked, .begin = reader_begin, .arg = &try_replay, .shape = "total:integer different:integer" },

/* -- live: decisions, series, models, log -- */
{ "GET", "/now", ROLE_VIEWER, "What is degraded, whether it is ready, rates and latencies, targets.",
  .show = server_now, .shape = "node:string ready:boolean parts:array degraded:array targets:array" },
{ "GET", "/log", ROLE_VIEWER, "How much the log says.",
  .show = admin_log, .shape = "level:string configured:string" },
{ "POST", "/log", ROLE_OPERATOR, "Says more or less in the log, for a time.",
  .params = log_set, .change = &admin_log_set, .shape = "level:string" },
{ "GET", "/policy/rules", ROLE_VIEWER, "What each rule did, since the start and since the policy came, and when last.",
  .write = admin_policy_rules, .shape = "policy:string version:string rules:array" },
{ "GET", "/models", ROLE_VIEWER, "Models that were seen or are configured: targets, price, tokens, cost.",
  .show = admin_models, .shape = "models:array" },
{ "GET", "/limits/near", ROLE_VIEWER, "Who came near a limit of late, the fullest first.",
  .params = near_asked, .call = admin_limits_near, .shape = "total:integer near:array" },
{ "GET", "/limits/fullest", ROLE_VIEWER, "The limits of callers with the largest used share, and when each is used up at today's rate.",
  .params = fullest_asked, .call = admin_limits_fullest, .shape = "limits:array" },
{ "GET", "/series", ROLE_VIEWER, "The last hour in steps of ten seconds: in all, by route, target, model.",
  .params = series_asked, .call = admin_series, .shape = "step_s:integer steps:integer series:array" },
{ "GET", "/trends", ROLE_VIEWER, "The last hour, day, week or ninety days in steps, and the period before. Kept over restarts.",
  .params = trends_asked, .call = admin_trends, .shape = "range:string step_s:integer steps:integer series:array before:array daemons:array" },
{ "GET", "/decisions/live", ROLE_AUDITOR, "Decisions as they are made, as server-sent events; goes on after Last-Event-ID.",
  .params = decisions_seen, .begin = admin_decisions_live, .type = "text/event-stream" },

/* -- who asks -- */
{ "GET", "/session", ROLE_VIEWER, "Who I am here, and what I may.",
  .begin = door_who, .shape = "name:string roles:array by:string door:string opens:boolean" },
{ "POST", "/session", 0, "Trades a token for a cookie, for a browser.",
  .params = login, .begin = door_login, .shape = "name:string roles:array by:string door:string opens:boolean" },
{ "DELETE", "/session", 0, "Ends the session of the cookie.",
  .begin = door_logout, .shape = "ended:boolean" },
{ "GET", "/openapi.json", ROLE_VIEWER, "This table, as OpenAPI 3.1.",
  .show = admin_openapi, .shape = "openapi:string info:object paths:object" },

/* -- console: the page; nobody is asked who he is -- */
{ "GET", "/", 0, "Leads to the console.", .type = PAGE_TYPE, .begin = admin_page_redirect },
{ "GET", "/console", 0, "Leads to the console.", .type = PAGE_TYPE, .begin = admin_page_redirect },
{ "GET", "/console/", 0, "The console's page and its files; 404 without `admin.console`.",
  .type = PAGE_TYPE, .begin = admin_page },

};
/* clang-format on */
const size_t admin_endpoint_count = COUNT_OF(admin_endpoints);
