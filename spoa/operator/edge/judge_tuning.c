/* Times, sizes, compression, error pages, and what differs by HAProxy's version. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "scan/dialect/dialect.h"

void
rule_http_no_delay(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		if ((engine_of(s) || s == j->inner) &&
			!haproxy_last(s, "option", "http-no-delay"))
			found(j, s->head, "option http-no-delay",
				"without it the tokens of a stream come in bursts of 300 ms");
	}
}

/* ---- times ---- */

static bool
timeout_of(const struct haproxy_section *s, const char *which, uint64_t *us,
	const struct haproxy_line **at)
{
	*at = s ? haproxy_last(s, "timeout", which) : NULL;
	return *at && haproxy_time(haproxy_word(*at, 2), us);
}

/* `timeout processing` of the engine's file. */
static void
judge_processing(struct judge *j)
{
	const struct haproxy_line *at;
	struct haproxy spoe;
	uint64_t us;

	if (read_engine(j->engine, &spoe) &&
		timeout_of(&spoe.section[0], "processing", &us, &at) &&
		us <= j->cfg->agent_deadline_us)
		found(j, at, "timeout processing 1s",
			"HAProxy gives up before tollgate has decided: agent.deadline of %s is "
			"%llu ms, and must be less",
			j->cfg->file, (unsigned long long)(j->cfg->agent_deadline_us / 1000));
	haproxy_free(&spoe);
}

void
rule_deadlines(struct judge *j)
{
	const struct haproxy_section *relay = backend_named(j->h, SPAN_LIT("tollgate-relay"));
	const struct haproxy_line *at;
	uint64_t us;

	if (!j->cfg)
		return;
	judge_processing(j);
	if (timeout_of(relay, "queue", &us, &at) && us >= j->cfg->ticket_ttl_us)
		found(j, at, "timeout queue 4s",
			"a request that waits this long finds its decision gone: "
			"relay.ticket_ttl of %s is %llu s, and must be more",
			j->cfg->file, (unsigned long long)(j->cfg->ticket_ttl_us / 1000000));
	if (timeout_of(relay, "server", &us, &at) && us < j->cfg->relay_response_us)
		found(j, at, "timeout server 15m",
			"HAProxy gives up while the relay still waits for the provider: "
			"relay.response_timeout of %s is %llu s, and must be less",
			j->cfg->file,
			(unsigned long long)(j->cfg->relay_response_us / 1000000));
}

#define MODEL_US (UINT64_C(300) * 1000000)

/* A server's own streams of MCP are silent for hours, and the relay waits for them. */
static bool
is_of_mcp(const struct judge *j, const struct haproxy_section *s)
{
	for (size_t i = 0; j->policy && i < j->policy->nroutes; i++) {
		const struct route *r = &j->policy->routes[i];
		for (size_t k = 0;
			r->dialect && dialect_is_of_mcp(r->dialect) && k < r->ntargets; k++)
			if (r->targets[k].backend && span_is(s->name, r->targets[k].backend))
				return true;
	}
	return false;
}

void
rule_provider_timeouts(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *at;
		uint64_t us;
		if (!is_provider(j, s) || !timeout_of(s, "server", &us, &at))
			continue;
		if (us < MODEL_US)
			found(j, at, "timeout server 10m",
				"%.*s: a model may think for minutes; this turns that into a "
				"504",
				SPAN_ARG(s->name));
		else if (j->cfg && j->cfg->relay && us > j->cfg->relay_response_us &&
			 !is_of_mcp(j, s))
			found(j, at, "timeout server 10m",
				"%.*s: the relay gives up sooner: relay.response_timeout of %s "
				"is %llu s",
				SPAN_ARG(s->name), j->cfg->file,
				(unsigned long long)(j->cfg->relay_response_us / 1000000));
	}
}

/* ---- sizes ---- */

enum { BUFSIZE = 16384, MAXREWRITE = 1024, SMALL = 65536 }; /* HAProxy's own; ours is 256k */

static uint64_t
global_number(const struct judge *j, const char *word, uint64_t other)
{
	uint64_t v;

	return span_u64(global_value(j->h, word), &v) == 0 ? v : other;
}

static const struct haproxy_line *
global_head(const struct judge *j)
{
	const struct haproxy_section *global = haproxy_global(j->h);

	return global ? global->head : NULL;
}

void
rule_bufsize(struct judge *j)
{
	uint64_t size = global_number(j, "tune.bufsize", BUFSIZE);

	if (size < SMALL)
		found(j, global_head(j), "tune.bufsize 262144\ntune.maxrewrite 16384",
			"bodies beyond %llu bytes do not fit HAProxy's buffer and take the "
			"relay",
			(unsigned long long)size - MAXREWRITE);
}

static const struct haproxy_line *
compression_of(const struct haproxy_section *s)
{
	const struct haproxy_line *l = haproxy_last(s, "compression", "algo");

	l = l ? l : haproxy_last(s, "compression", "algo-res");
	return l ? l : haproxy_last(s, "compression", "algo-req");
}

void
rule_compression_filter(struct judge *j)
{
	const struct haproxy_line *l = j->gate ? compression_of(j->gate) : NULL;
	const struct haproxy_line *filter =
		j->gate ? haproxy_last(j->gate, "filter", NULL) : NULL;
	bool named = false;

	for (size_t i = 0; filter && i < j->gate->n; i++)
		named |= span_is(j->gate->line[i].word[0], "filter") &&
			 span_starts(haproxy_word(&j->gate->line[i], 1), SPAN_LIT("comp"));
	if (l && !named)
		found(j, l, "filter compression",
			"compression in %.*s, which has another filter: HAProxy wants its own "
			"named before `filter spoe`",
			SPAN_ARG(j->gate->name));
}

/* What the compressor may write past its input, and the releases that end it: "BUG/MAJOR: slz:
 * always make sure to limit fixed output to less than worst case literals" of 8 April 2026
 * (before it a sixteenth) and "BUG/MEDIUM: slz: bound the bits wasted by the 9-bit literals" of
 * 28 July 2026 (before it a thirty-second). Of a branch that is not here, and of NONE, no
 * release is known to us: what is asked for costs nothing. */
enum { NONE = 1000 };
static const struct {
	unsigned major, minor, april, july;
} slz_fixed[] = {
	{ 3, 2, 16, 22 },
	{ 3, 3, 7, NONE },
	{ 3, 4, 0, NONE },
};

/* The part of the buffer that is to be kept free: 16 of a sixteenth, 0: none. */
static unsigned
slz_reserve(const struct haproxy *h)
{
	if (haproxy_version_atleast(h, 3, 5, 0))
		return 0;
	for (size_t i = 0; i < COUNT_OF(slz_fixed); i++)
		if (h->version[0] == slz_fixed[i].major && h->version[1] == slz_fixed[i].minor)
			return h->version[2] >= slz_fixed[i].july    ? 0
			       : h->version[2] >= slz_fixed[i].april ? 32
								     : 16;
	return 16;
}

void
rule_compression_overflow(struct judge *j)
{
	uint64_t size = global_number(j, "tune.bufsize", BUFSIZE);
	uint64_t reserve = global_number(j, "tune.maxrewrite", MAXREWRITE);
	unsigned part = slz_reserve(j->h);

	if (part == 0 || reserve >= size / part || (size <= BUFSIZE && reserve >= 964))
		return;
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l =
			is_front(s) || is_back(s) ? compression_of(s) : NULL;
		if (!l)
			continue;
		found(j, l,
			arena_printf(&j->pieces.arena, "tune.maxrewrite %llu",
				(unsigned long long)(size / 16))
				.p,
			"%.*s compresses with tune.bufsize %llu and tune.maxrewrite %llu: "
			"before HAProxy's fixes of April and July 2026 its compressor can "
			"write past the buffer (fixed in 3.2.22 and 3.5); a sixteenth is "
			"enough",
			SPAN_ARG(s->name), (unsigned long long)size,
			(unsigned long long)reserve);
		return;
	}
}

/* ---- the rest ---- */

/* An error page that is JSON: the shipped one, or a file that says so; http-error names its
 * own type. */
static bool
is_json_page(const struct haproxy_line *l)
{
	struct span file = haproxy_word(l, 2);
	bool json = false;

	if (span_is(l->word[0], "http-error"))
		return line_holds(l, "json");
	if (span_is(file, "/etc/haproxy/tollgate/503.http"))
		return true;
	SCOPED_BUF(text, 1 << 20);
	if (buf_file(&text, file.p)) {
		struct span v = buf_view(&text);
		json = memmem(v.p, v.n, "application/json", 16) != NULL;
	}
	return json;
}

static bool
answers_json(const struct haproxy_section *s, const char *status)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	bool json = false;

	while ((l = haproxy_next(&w)))
		if ((span_is(l->word[0], "errorfile") && span_is(haproxy_word(l, 1), status)) ||
			(span_is(l->word[0], "http-error") &&
				span_is(value_after(l, 1, "status"), status)))
			json = is_json_page(l);
	return json;
}

static const struct haproxy_line *
unchecked_server(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *unchecked = NULL;
	bool checked = false;

	while ((l = haproxy_next(&w))) {
		bool check = false;
		for (size_t i = 1; i < l->n; i++)
			check |= span_is(l->word[i], "check");
		checked |= check && span_is(l->word[0], "default-server");
		if (span_is(l->word[0], "server") && !check && !checked)
			unchecked = l;
	}
	return unchecked;
}

void
rule_html_errors(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l = is_provider(j, s) ? unchecked_server(s) : NULL;
		if (!l || (answers_json(s, "503") && answers_json(s, "502")))
			continue;
		found(j, l,
			"errorfile 502 /etc/haproxy/tollgate/503.http\n"
			"errorfile 503 /etc/haproxy/tollgate/503.http\n"
			"errorfile 504 /etc/haproxy/tollgate/503.http",
			"this server has no `check`: where it refuses, callers get HAProxy's "
			"own HTML page. In backend %.*s",
			SPAN_ARG(s->name));
	}
}

void
rule_version(struct judge *j)
{
	const struct haproxy *h = j->h;

	if (!h->version[0])
		found(j, global_head(j), NULL,
			"HAProxy's version is not known here: name it with --haproxy-version");
	else if (!haproxy_version_atleast(h, 2, 6, 0))
		found(j, global_head(j), NULL, "HAProxy %u.%u: tollgate needs 2.6 or later",
			h->version[0], h->version[1]);
	else if (haproxy_version_atleast(h, 3, 5, 0))
		found(j, global_head(j), NULL,
			"HAProxy %u.%u: tollgate is tried on 2.6, 3.0, 3.2 and 3.4",
			h->version[0], h->version[1]);
	for (size_t i = 0; h->version[0] && i < h->n; i++)
		for (size_t k = 0; k < h->section[i].n; k++) {
			const struct haproxy_line *l = &h->section[i].line[k];
			if (l->maybe || !span_is(l->word[0], "option"))
				continue;
			if (span_is(haproxy_word(l, 1), "http-drop-response-trailers") &&
				!haproxy_version_atleast(h, 3, 2, 0))
				found(j, l, NULL,
					"HAProxy %u.%u does not know this: 3.2 or later",
					h->version[0], h->version[1]);
			if (span_is(haproxy_word(l, 1), "abortonclose") &&
				h->section[i].kind != HAPROXY_DEFAULTS &&
				!haproxy_version_atleast(h, 3, 0, 0))
				found(j, l, "option abortonclose",
					"HAProxy %u.%u obeys this in a `defaults` section only",
					h->version[0], h->version[1]);
		}
}
