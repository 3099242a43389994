/* Writes generated traffic into a journal. A generator with a fixed seed draws the requests;
 * the records are written in commits, as the audit thread writes them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/traffic_journal.h"

enum { TRAFFIC_IN_FLIGHT = 256, TRAFFIC_TEAM = 20 /* people */ };

struct traffic_request {
	char id[27];
	unsigned person, route, model, target, how;
	int64_t began_ns, ends_ns; /* ends 0: the entry is free */
};

struct traffic_run {
	const struct traffic *t;
	uint64_t state, first, covered, in_segment, made;
	struct chain chain;
	struct merkle_range tree;
	struct buf out, fields;
	int fd;
	bool failed;
	struct traffic_request flight[TRAFFIC_IN_FLIGHT];
};

/* Kinds of requests, with their frequency in a thousand. */
/* clang-format off */
enum traffic_how { TR_PERMIT, TR_REDACT, TR_SECRET, TR_LIMIT, TR_MODEL, TR_LOGIN, TR_MCP,
	TR_MCP_DENIED, TR_CALLS, TR_FAILED, TR_AGAIN, TR_UNPRICED, TR_UNKNOWN };

static const struct {
	unsigned of_1000;
	const char *decision, *rule, *denial;
} traffic_ways[] = {
	[TR_PERMIT] =     { 690, "permit", "default", NULL },
	[TR_REDACT] =     { 110, "redact", "pii", NULL },
	[TR_SECRET] =     { 20,  "deny", "secrets", "\"status\":403,\"code\":\"content_policy_violation\",\"reason\":\"the prompt holds a secret\"," },
	[TR_LIMIT] =      { 15,  "deny", NULL, "\"status\":429,\"code\":\"rate_limit_exceeded\",\"reason\":\"the limit requests is used up\"," },
	[TR_MODEL] =      { 8,   "deny", "models of the team", "\"status\":403,\"code\":\"permission_denied\",\"reason\":\"this model is not for the team\"," },
	[TR_LOGIN] =      { 7,   "deny", NULL, "\"status\":401,\"code\":\"token_expired\",\"reason\":\"the token has expired\"," },
	[TR_MCP] =        { 50,  "permit", "default", NULL },
	[TR_MCP_DENIED] = { 5,   "deny", "no deletes", "\"status\":403,\"code\":\"permission_denied\",\"reason\":\"this tool is not for the role\"," },
	[TR_CALLS] =      { 40,  "permit", "default", NULL },
	[TR_FAILED] =     { 15,  "permit", "default", NULL },
	[TR_AGAIN] =      { 20,  "permit", "default", NULL },
	[TR_UNPRICED] =   { 12,  "permit", "default", NULL },
	[TR_UNKNOWN] =    { 8,   "permit", "default", NULL },
};

/* clang-format on */

static const char *const traffic_routes[] = { "chat", "messages", "embeddings", "responses",
	"agents" };

static const char *const traffic_models[] = { "gpt-4o", "gpt-4o-mini", "claude-sonnet-4",
	"gemini-2.5", "mistral-large", "llama-3.3-70b", "text-embedding-3" };

static const char *const traffic_targets[] = { "openai", "anthropic", "google", "local" };

static const char *const traffic_entities[] = { "EMAIL_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER",
	"PERSON_NAME", "IBAN_CODE" };

static const char *const traffic_tools[] = { "search", "read_file", "tickets/create",
	"tickets/delete", "weather" };

static const char *const traffic_servers[] = { "files", "tickets", "web" };

static const char *const traffic_tags[] = { "internal", "customer", "batch", "urgent" };

static unsigned
traffic_pick(struct traffic_run *r, unsigned n)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (unsigned)(r->state >> 33) % n;
}

#define TRAFFIC_ONE(r, list) list[traffic_pick(r, COUNT_OF(list))]

static void
traffic_hex(struct traffic_run *r, char out[65])
{
	for (size_t i = 0; i < 64; i++)
		out[i] = "0123456789abcdef"[traffic_pick(r, 16)];
	out[64] = '\0';
}

static void
traffic_id(struct traffic_run *r, char id[27], int64_t ns)
{
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t ms = (uint64_t)ns / 1000000;

	for (int i = 9; i >= 0; i--, ms /= 32)
		id[i] = letters[ms % 32];
	for (int i = 10; i < 26; i++)
		id[i] = letters[traffic_pick(r, 32)];
	id[26] = '\0';
}

static void
traffic_model(const struct traffic_run *r, const struct traffic_request *q, struct buf *b)
{
	bool strange = r->t->strange && q->person % 997 == 3;

	buf_str(b, ",\"model\":\"");
	buf_str(b, strange ? "<img src=x onerror=alert(1)>" : traffic_models[q->model]);
	buf_putc(b, '"');
}

static void
traffic_identity(
	const struct traffic_run *r, const struct traffic_request *q, struct buf *b, bool whole)
{
	unsigned team = q->person % (unsigned)(r->t->people / TRAFFIC_TEAM + 3);

	if (q->how == TR_LOGIN) {
		buf_str(b, ",\"identity\":{\"method\":\"jwt\"}");
		return;
	}
	buf_printf(b, ",\"identity\":{\"method\":\"jwt\",\"person\":\"person-%05u%s\"",
		q->person,
		r->t->strange && q->person % 499 == 7 ? "\xe2\x80\xae<b>nosrep</b>" : "");
	if (q->person % 10 == 4)
		buf_printf(b, ",\"agent\":\"agent-%u\"", q->person % 7);
	if (whole)
		buf_printf(b, ",\"department\":\"department-%u\"", team % 12);
	buf_printf(b, ",\"team\":\"team-%u\"", team);
	if (whole)
		buf_str(b, ",\"tier\":\"standard\",\"clearance\":1,\"roles\":[\"analyst\"],"
			   "\"attributes\":{\"roles\":[\"analyst\"],\"plan\":\"standard\"},"
			   "\"issuer\":\"https://issuer.example.com/\"");
	buf_printf(b, ",\"key\":\"idp-%u\"", q->person % 3);
	buf_putc(b, '}');
}

static void
traffic_place(const struct traffic_run *r, const struct traffic_request *q, struct buf *b)
{
	const char *target = traffic_targets[q->target];

	buf_printf(b, "\"policy\":\"company@594e03afacfc\",\"policy_version\":"
		      "\"594e03afacfc49b2217b9f7cd1446e73634acc0b3dade68ade0c055141e05ef4\"");
	if (q->how == TR_MCP || q->how == TR_MCP_DENIED) {
		buf_printf(b, ",\"route\":\"mcp\",\"target\":\"%s\",\"backend\":\"mcp\"",
			traffic_servers[q->target % 3]);
		return;
	}
	buf_printf(b, ",\"route\":\"%s\"", traffic_routes[q->route]);
	if (q->how == TR_LOGIN)
		return;
	buf_printf(b, ",\"target\":\"%s\",\"backend\":\"%s\"", target, target);
	traffic_model(r, q, b);
}

static void
traffic_call(struct traffic_run *r, const struct traffic_request *q, struct buf *b,
	const char *by, bool deny)
{
	buf_printf(b, "{\"by\":\"%s\",\"server\":\"%s\"%s,\"tool\":\"%s\",\"decision\":\"%s\"",
		by, traffic_servers[q->target % 3],
		strcmp(by, "mcp") ? "" : ",\"method\":\"tools/call\"",
		deny ? "tickets/delete" : traffic_tools[q->model % COUNT_OF(traffic_tools)],
		deny ? "deny" : "permit");
	if (deny)
		buf_str(b, ",\"rule\":\"no deletes\"");
	buf_printf(b, ",\"arguments_bytes\":%u}", traffic_pick(r, 900));
}

static void
traffic_tag(struct buf *b, const struct traffic_request *q)
{
	if (q->person % 4 == 1)
		buf_printf(b, ",\"tags\":[\"%s\"]", traffic_tags[q->route % 4]);
	if (q->person % 9 == 2)
		buf_printf(b, ",\"request_tags\":[\"project-%u\",\"%s\"]", q->person % 30,
			traffic_tags[q->model % 4]);
}

static void
traffic_decision(struct traffic_run *r, struct traffic_request *q, struct buf *b)
{
	char when[CLOCK_RFC3339_LEN], hash[65];
	unsigned tokens = 20 + traffic_pick(r, 4000);
	bool mcp = q->how == TR_MCP || q->how == TR_MCP_DENIED, deny;

	deny = traffic_ways[q->how].denial != NULL;
	clock_rfc3339(q->began_ns, when);
	traffic_hex(r, hash);
	buf_printf(b,
		"\"type\":\"decision\",\"id\":\"%s\",\"decided_at\":\"%s\",\"decision\":\"%s\","
		"%s",
		q->id, when, traffic_ways[q->how].decision,
		deny ? traffic_ways[q->how].denial : "");
	if (traffic_ways[q->how].rule)
		buf_printf(b, "\"rule\":\"%s\",", traffic_ways[q->how].rule);
	buf_printf(b, "\"via\":\"%s\",", deny ? "direct" : "relay");
	traffic_place(r, q, b);
	buf_printf(b,
		",\"searched\":\"1fc4061ff480dbcb\",\"verdict\":{\"effect\":\"%s\","
		"\"outcomes\":"
		"\"nnm\"}",
		deny ? "deny" : "permit");
	traffic_tag(b, q);
	buf_printf(b,
		",\"request\":{\"method\":\"POST\",\"host\":\"ai.example.com\",\"path\":\"/v1/"
		"%s\","
		"\"src\":\"10.%u.%u.%u\",\"content_length\":%u,\"parameters\":{\"max_tokens\":%"
		"u,"
		"\"temperature\":0.7}}",
		mcp ? "mcp" : traffic_routes[q->route], traffic_pick(r, 256),
		traffic_pick(r, 256), traffic_pick(r, 256), tokens * 4,
		16 + traffic_pick(r, 2000));
	traffic_identity(r, q, b, true);
	if (mcp) {
		buf_str(b, ",\"calls\":[");
		traffic_call(r, q, b, "mcp", deny);
		buf_putc(b, ']');
	}
	if (q->how == TR_REDACT)
		buf_printf(b,
			",\"classes\":[\"pii\"],\"entities\":{\"%s\":{\"count\":1,\"score\":0."
			"85,"
			"\"roles\":[\"user\"],\"with\":\"placeholder\"}}",
			TRAFFIC_ONE(r, traffic_entities));
	else
		buf_printf(b, ",\"classes\":[%s]", q->how == TR_SECRET ? "\"secret\"" : "");
	buf_printf(b,
		",\"prompt\":{\"hmac_sha256\":\"%s\",\"bytes\":%u,\"segments\":%u,"
		"\"inspected_bytes\":%u,\"opaque_bytes\":0,\"opaque_parts\":0,"
		"\"estimated_input_tokens\":%u,\"reserved_input_tokens\":%u,"
		"\"reserved_output_tokens\":500},\"limits\":[{\"limit\":\"requests\",\"kind\":"
		"\"requests\",\"of\":600,\"window_s\":60,\"taken\":1,\"remaining\":%u,"
		"\"counted_at\":\"%s\"}],\"not_inspected\":[\"header values\"]",
		hash, tokens * 4, 2 + traffic_pick(r, 20), tokens * 4 - 17, tokens, tokens,
		q->how == TR_LIMIT ? 0 : traffic_pick(r, 600), when);
}

static void
traffic_completion(struct traffic_run *r, const struct traffic_request *q, struct buf *b)
{
	char hash[65];
	unsigned input = 3 + traffic_pick(r, 4000), output = traffic_pick(r, 900),
		 cost = input * 2500 + output * 10000;
	bool failed = q->how == TR_FAILED, unknown = q->how == TR_UNKNOWN;

	traffic_hex(r, hash);
	buf_printf(b, "\"type\":\"completion\",\"id\":\"%s\",\"outcome\":\"%s\",", q->id,
		failed	  ? "provider_abort"
		: unknown ? "client_abort"
			  : "complete");
	if (failed)
		buf_str(b, "\"status\":502,\"why\":\"the provider closed before\",");
	else
		buf_str(b, "\"status\":200,");
	traffic_place(r, q, b);
	traffic_tag(b, q);
	traffic_identity(r, q, b, false);
	if (q->how == TR_MCP || q->how == TR_CALLS) {
		buf_str(b, ",\"calls\":[");
		traffic_call(r, q, b, q->how == TR_MCP ? "mcp" : "answer", false);
		if (q->how == TR_CALLS && q->person % 3 == 0) {
			buf_putc(b, ',');
			traffic_call(r, q, b, "answer", true);
		}
		buf_putc(b, ']');
	}
	if (q->how == TR_AGAIN)
		buf_printf(b,
			",\"attempts\":[{\"target\":\"%s/"
			"%s\",\"cause\":\"throttled\",\"ms\":%u,"
			"\"status\":429},{\"target\":\"%s/"
			"%s\",\"cause\":\"perhaps_billed\",\"ms\":%u,"
			"\"tokens\":%u,\"cost\":%u,\"maybe_billed\":true},{\"target\":\"%s/"
			"%s\","
			"\"cause\":\"done\",\"ms\":%u,\"cost\":%u}]",
			traffic_targets[(q->target + 1) % 4], traffic_models[q->model],
			traffic_pick(r, 90), traffic_targets[(q->target + 2) % 4],
			traffic_models[q->model], traffic_pick(r, 900), input, cost,
			traffic_targets[q->target], traffic_models[q->model],
			traffic_pick(r, 9000), cost);
	buf_printf(b, ",\"response_bytes\":%u", traffic_pick(r, 9000));
	if (unknown)
		buf_printf(b,
			",\"usage_unknown\":true,\"estimated_usage\":{\"input_tokens\":%u,"
			"\"output_tokens\":%u,\"cost_nanousd\":%u}",
			input, output, cost);
	else if (!failed && q->how != TR_MCP)
		buf_printf(b,
			",\"usage\":{\"input_tokens\":%u,\"output_tokens\":%u,\"cached_"
			"tokens\":%u%s}",
			input, output, q->person % 5 ? 0 : input / 2,
			q->model == 2 ? ",\"reasoning_tokens\":64" : "");
	if (q->how == TR_UNPRICED)
		buf_str(b, ",\"price_unknown\":true");
	else if (!failed && !unknown && q->how != TR_MCP)
		buf_printf(b, ",\"cost_nanousd\":%u", cost);
	if (!failed && q->how != TR_MCP)
		buf_printf(b,
			",\"answer\":{%s\"model\":\"%s\",\"finish_reason\":\"stop\",\"texts\":["
			"{"
			"\"kind\":\"text\",\"choice\":0,\"bytes\":%u,\"hmac_sha256\":\"%s\"}],"
			"\"text_bytes\":%u,\"first_text_us\":%u}",
			q->person % 2 ? "\"streamed\":true," : "", traffic_models[q->model],
			output * 4, hash, output * 4, 1 + traffic_pick(r, 200000));
	buf_printf(b, ",\"duration_us\":%" PRId64, (q->ends_ns - q->began_ns) / 1000);
}

/* ---- the chain ---- */
static void
traffic_grow(struct traffic_run *r)
{
	struct merkle_hash leaf;

	merkle_leaf(r->chain.head, &leaf);
	merkle_append(&r->tree, &leaf);
}

static void
traffic_record(struct traffic_run *r, int64_t ns)
{
	chain_record(&r->out, &r->chain, ns, buf_view(&r->fields));
	buf_clear(&r->fields);
	traffic_grow(r);
}

static void
traffic_checkpoint(struct traffic_run *r, int64_t ns)
{
	struct merkle_hash root;
	struct buf text, note, *b = &r->fields;
	char origin[CHAIN_NODE_MAX + 16];

	snprintf(origin, sizeof(origin), "tollgate/%s", r->t->node);
	buf_init(&text, 0);
	buf_init(&note, 0);
	merkle_root(&r->tree, &root);
	checkpoint_text(&text, span_str(origin), r->chain.seq, &root);
	buf_span(&note, buf_view(&text));
	buf_putc(&note, '\n');
	note_sign(&note, buf_view(&text), span_str(origin), &r->t->key);
	buf_printf(b,
		"\"type\":\"checkpoint\",\"origin\":\"%s\",\"size\":%" PRIu64 ",\"root\":\"",
		origin, r->chain.seq);
	buf_hex(b, root.b, sizeof(root.b));
	buf_str(b, "\",\"note\":");
	buf_json_str(b, buf_view(&note));
	buf_str(b, ",\"range\":[");
	for (unsigned i = 0; i < merkle_range_hashes(r->tree.n); i++) {
		buf_str(b, i ? ",\"" : "\"");
		buf_hex(b, r->tree.hash[i].b, MERKLE_BYTES);
		buf_putc(b, '"');
	}
	buf_putc(b, ']');
	buf_free(&text);
	buf_free(&note);
	r->covered = r->chain.seq;
	traffic_record(r, ns);
}

/* Writes the records since the last commit into the open segment, or into a new one. */
static void
traffic_commit(struct traffic_run *r, int64_t ns)
{
	char path[JOURNAL_PATH_MAX];

	chain_commit(&r->out, &r->chain, r->first, ns, &r->t->key);
	if (r->in_segment >= r->t->segment) {
		if (r->fd >= 0)
			close(r->fd);
		snprintf(path, sizeof(path), "%s/%s-%08d-%016" PRIu64 ".jsonl", r->t->journal,
			r->t->node, 1, r->first);
		r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		r->in_segment = 0;
	}
	r->in_segment += r->out.n;
	r->first = r->chain.seq + 1;
	for (struct span s = buf_view(&r->out); s.n && !r->failed;) {
		ssize_t n = r->fd < 0 ? -1 : write(r->fd, s.p, s.n);
		r->failed = n <= 0;
		s = span_cut(s, n > 0 ? (size_t)n : 0, s.n);
	}
	buf_clear(&r->out);
	if (r->t->every && r->chain.seq - r->covered >= r->t->every)
		traffic_checkpoint(r, ns);
}

static void
traffic_put(struct traffic_run *r, int64_t ns)
{
	traffic_record(r, ns);
	r->made++;
	if (r->chain.seq - r->first + 1 >= r->t->commit)
		traffic_commit(r, ns);
}

/* Writes the responses that have arrived by then (INT64_MAX: all), the earliest first. */
static void
traffic_answers(struct traffic_run *r, int64_t by_ns)
{
	for (;;) {
		struct traffic_request *first = NULL;
		for (size_t i = 0; i < TRAFFIC_IN_FLIGHT; i++)
			if (r->flight[i].ends_ns && r->flight[i].ends_ns <= by_ns &&
				(!first || r->flight[i].ends_ns < first->ends_ns))
				first = &r->flight[i];
		if (!first || r->failed)
			return;
		if (r->made < r->t->records) {
			traffic_completion(r, first, &r->fields);
			traffic_put(r, first->ends_ns < r->t->until_ns ? first->ends_ns
								       : r->t->until_ns);
		}
		first->ends_ns = 0;
	}
}

static void
traffic_ask(struct traffic_run *r, size_t i, int64_t ns)
{
	unsigned people = (unsigned)r->t->people, at = traffic_pick(r, 1000);
	/* Some people send far more requests than others. */
	double u = traffic_pick(r, 1000000) / 1e6;
	struct traffic_request q = { .person = (unsigned)((double)people * u * u * u),
		.route = traffic_pick(r, COUNT_OF(traffic_routes)),
		.model = traffic_pick(r, COUNT_OF(traffic_models)),
		.target = traffic_pick(r, COUNT_OF(traffic_targets)),
		.began_ns = ns };

	while (at >= traffic_ways[q.how].of_1000)
		at -= traffic_ways[q.how++].of_1000;
	traffic_id(r, q.id, ns);
	traffic_decision(r, &q, &r->fields);
	traffic_put(r, ns);
	struct traffic_request *slot = &r->flight[i % TRAFFIC_IN_FLIGHT];
	if (slot->ends_ns) /* its completion is missing, as after a crash */
		slot->ends_ns = 0;
	if (traffic_ways[q.how].denial)
		return;
	q.ends_ns = ns + 1000000 * (5 + (int64_t)traffic_pick(r, 9000));
	*slot = q;
}

int
traffic_make(const struct traffic *t)
{
	struct traffic_run *r = calloc(1, sizeof(*r));
	int64_t ns, from = t->until_ns - (int64_t)t->days * CLOCK_DAY_NS;

	INVARIANT(r && t->records && t->days && t->people && t->commit &&
		  t->commit < CHAIN_COMMIT_RECORDS - 8);
	r->t = t;
	r->state = 88172645463325252u;
	r->first = 1;
	r->in_segment = t->segment;
	r->fd = -1;
	r->chain.boot = 1;
	snprintf(r->chain.node, sizeof(r->chain.node), "%s", t->node);
	buf_init(&r->out, 64u << 20);
	buf_init(&r->fields, 1u << 20);
	buf_str(&r->fields, "\"type\":\"boot\",\"program\":\"made traffic\",\"previous\":null,"
			    "\"tree\":{\"size\":0,\"range\":[]}");
	traffic_record(r, from);
	traffic_commit(r, from);
	for (uint64_t i = 0; r->made < t->records && !r->failed; i++) {
		ns = from + (int64_t)((double)(t->until_ns - from) * (double)r->made /
				      (double)t->records);
		traffic_answers(r, ns);
		if (r->made < t->records)
			traffic_ask(r, i, ns);
	}
	buf_str(&r->fields, "\"type\":\"close\"");
	traffic_record(r, t->until_ns);
	traffic_commit(r, t->until_ns);
	if (r->fd >= 0 && close(r->fd) < 0)
		r->failed = true;
	buf_free(&r->out);
	buf_free(&r->fields);
	int err = r->failed ? ERR_IO : 0;
	free(r);
	return err;
}
