/* Rules about timeouts, compression and versions: deadlines that must not end before the
 * daemon's, the order of filters, a bug of HAProxy's compressor, and options that a version
 * does not support. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"

/* ---- times ---- */

/* Reads a time such as "600s", "2m" or "1500" (milliseconds) as microseconds. Returns false if
 * the text is not a time. */
static bool
haproxy_time(struct span text, uint64_t *us)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = { { "", 1000 }, { "us", 1 }, { "ms", 1000 }, { "s", 1000000 },
		{ "m", 60000000 }, { "h", 3600000000 }, { "d", 86400000000 } };
	size_t digits = 0;
	uint64_t v = 0;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	if (span_u64(span_cut(text, 0, digits), &v) != 0 || v > UINT64_MAX / 86400000000)
		return false;
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (span_is(span_cut(text, digits, text.n), units[i].unit)) {
			*us = v * units[i].us;
			return true;
		}
	return false;
}

static bool
timeout_of(const struct haproxy_section *s, const char *which, uint64_t *us,
	const struct haproxy_line **at)
{
	*at = s ? haproxy_last(s, "timeout", which) : NULL;
	return *at && haproxy_time(haproxy_word(*at, 2), us);
}

/* Checks `timeout processing` in the SPOE file. */
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
			"HAProxy stops waiting before tollgate decides: agent.deadline of %s "
			"is %llu ms and must be shorter than this timeout",
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
			"a request that waits this long loses its decision: relay.ticket_ttl "
			"of %s is %llu s and must be longer than this timeout",
			j->cfg->file, (unsigned long long)(j->cfg->ticket_ttl_us / 1000000));
	if (timeout_of(relay, "server", &us, &at) && us < j->cfg->relay_response_us)
		found(j, at, "timeout server 15m",
			"HAProxy stops waiting while the relay still waits for the provider: "
			"relay.response_timeout of %s is %llu s and must be shorter than this "
			"timeout",
			j->cfg->file,
			(unsigned long long)(j->cfg->relay_response_us / 1000000));
}

/* ---- sizes ---- */

enum { BUFSIZE = 16384, MAXREWRITE = 1024 }; /* HAProxy's defaults, in bytes */

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
			"%.*s uses compression and another filter, so HAProxy needs the "
			"compression filter declared above `filter spoe`",
			SPAN_ARG(j->gate->name));
}

/* The HAProxy releases that fix the compressor, which may write more bytes than it reads. The
 * first fix is "BUG/MAJOR: slz: always make sure to limit fixed output to less than worst case
 * literals" of 8 April 2026; before it, the excess is up to a sixteenth. The second is
 * "BUG/MEDIUM: slz: bound the bits wasted by the 9-bit literals" of 28 July 2026; before it,
 * the excess is up to a thirty-second. For other branches, and for NONE, no fixed release is
 * known; the rule then asks for the reserve, which costs nothing. */
enum { NONE = 1000 };
static const struct {
	unsigned major, minor, april, july;
} slz_fixed[] = {
	{ 3, 2, 16, 22 },
	{ 3, 3, 7, NONE },
	{ 3, 4, 0, NONE },
};

/* Returns n if 1/n of the buffer must be kept free for the compressor, or 0 if nothing must. */
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
			"%.*s uses compression with tune.bufsize %llu and tune.maxrewrite "
			"%llu: HAProxy releases before the fixes of April and July 2026 "
			"(3.2.22, 3.5) can write past the buffer. Reserve a sixteenth of the "
			"buffer",
			SPAN_ARG(s->name), (unsigned long long)size,
			(unsigned long long)reserve);
		return;
	}
}

/* ---- versions ---- */

void
rule_version(struct judge *j)
{
	const struct haproxy *h = j->h;

	if (!h->version[0])
		found(j, global_head(j), NULL,
			"HAProxy's version is unknown: set it with --haproxy-version");
	else if (!haproxy_version_atleast(h, 2, 6, 0))
		found(j, global_head(j), NULL,
			"HAProxy %u.%u is not supported: install 2.6 "
			"or later",
			h->version[0], h->version[1]);
	else if (haproxy_version_atleast(h, 3, 5, 0))
		found(j, global_head(j), NULL,
			"tollgate is not tested with HAProxy %u.%u; tested versions are 2.6, "
			"3.0, 3.2 and 3.4",
			h->version[0], h->version[1]);
	for (size_t i = 0; h->version[0] && i < h->n; i++)
		for (size_t k = 0; k < h->section[i].n; k++) {
			const struct haproxy_line *l = &h->section[i].line[k];
			if (l->maybe || !span_is(l->word[0], "option"))
				continue;
			if (span_is(haproxy_word(l, 1), "http-drop-response-trailers") &&
				!haproxy_version_atleast(h, 3, 2, 0))
				found(j, l, NULL,
					"HAProxy %u.%u does not start with this option, which "
					"needs 3.2 or later: delete the line",
					h->version[0], h->version[1]);
			if (span_is(haproxy_word(l, 1), "abortonclose") &&
				h->section[i].kind != HAPROXY_DEFAULTS &&
				!haproxy_version_atleast(h, 3, 0, 0))
				found(j, l, "option abortonclose",
					"HAProxy %u.%u accepts this option only in a "
					"`defaults` section: move it there",
					h->version[0], h->version[1]);
		}
}
