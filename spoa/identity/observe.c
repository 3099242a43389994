/* Whether a request is one that `observe` is about. What is "ours" goes by shape alone, so that
 * a key that was revoked or mistyped is a 401 as anywhere, and never goes to the provider of
 * somebody else. */
#include "identity/observe.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "codec/credentials.h"
#include "codec/json_text.h"
#include "codec/jws.h"
#include "codec/uri.h"
#include "identity/apikeys.h"

bool
observe_host(const struct policy *p, struct span host, int64_t now_wall_ns)
{
	return p->observe.backend && now_wall_ns < p->observe.until_ns &&
	       policy_host_in(host, p->observe.hosts, p->observe.nhosts);
}

/* Of an entry's issuer, as the token itself says: nothing of it is trusted. A token of another
 * issuer is the provider's to judge. */
static bool
is_token_of_ours(const struct policy *p, struct span v, struct arena *a)
{
	const char *why;
	struct jws j;
	bool ours = false;

	if (credential_shape(v) != SHAPE_TOKEN || jws_parse(v, a, &j, &why) < 0)
		return false;
	struct span issuer = json_span(json_object_get(j.payload, "iss"));
	for (size_t i = 0; i < p->nidentities && !ours; i++)
		ours = p->identities[i].kind == ID_JWT &&
		       span_is(issuer, p->identities[i].issuer);
	jws_clear(&j);
	return ours;
}

/* Between whatever signs it stands: in a cookie, quoted, in a list. */
static bool
holds_token(const struct policy *p, struct span s, struct arena *a)
{
	for (size_t i = 0, from = 0; i <= s.n; i++) {
		if (i < s.n && (is_word(s.p[i]) || s.p[i] == '-' || s.p[i] == '.'))
			continue;
		if (i > from && is_token_of_ours(p, span_cut(s, from, i), a))
			return true;
		from = i + 1;
	}
	return false;
}

/* An API key or a token in it, its escapes undone once and twice too. */
static bool
holds_ours(const struct policy *p, struct span s, struct arena *a)
{
	struct span key;

	for (int rounds = 2;; rounds--) {
		struct span rest = s;
		if (apikey_next(&rest, &key) || holds_token(p, s, a))
			return true;
		if (rounds == 0 || span_chr(s, '%') == s.n)
			return false;
		s = uri_unescape(s, a);
		if (!s.p)
			return true;
	}
}

/* As user or password of RFC 7617: base64 in its own alphabet, padded or not. */
static bool
basic_holds_ours(const struct policy *p, struct span v, struct arena *a)
{
	struct span basic = SPAN_LIT("basic "), text;

	v = span_trim(v, " \t");
	if (!span_istarts(v, basic))
		return false;
	struct span code = arena_dup(a, span_trim(span_cut(v, basic.n, v.n), " \t="));
	for (size_t i = 0; i < code.n; i++)
		if (code.p[i] == '+' || code.p[i] == '/')
			((char *)code.p)[i] = code.p[i] == '+' ? '-' : '_';
	return b64url_decode(code, a, &text) == 0 && holds_ours(p, text, a);
}

/* It begins as a key of ours, with or without a scheme before it: where credentials are, that
 * is meant to be one. */
static bool
begins_as_ours(struct span v)
{
	size_t scheme = 0;

	v = span_trim(v, " \t");
	while (scheme < v.n && v.p[scheme] != ' ' && v.p[scheme] != '\t')
		scheme++;
	struct span rest = span_trim(span_cut(v, scheme, v.n), " \t");
	return credential_shape(v) == SHAPE_API_KEY || credential_shape(rest) == SHAPE_API_KEY;
}

/* Whether an entry looks there: a header field, or a parameter of the query. */
static bool
is_place(const struct policy *p, struct span name, bool query)
{
	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		if (query ? e->query && span_is(name, e->query)
			  : e->header && span_ieq(name, span_str(e->header)))
			return true;
	}
	return !query && credential_header(name);
}

static bool
signed_field(const struct policy *p, struct span name)
{
	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].kind == ID_SIGNED &&
			(span_istarts(name, span_str(p->identities[i].prefix)) ||
				span_ieq(name, span_str(p->identities[i].header))))
			return true;
	return false;
}

static bool
field_shows(const struct policy *p, const struct http_field *f, struct arena *a)
{
	return signed_field(p, f->name) || holds_ours(p, f->name, a) ||
	       holds_ours(p, f->value, a) || basic_holds_ours(p, f->value, a) ||
	       (is_place(p, f->name, false) && begins_as_ours(f->value));
}

static bool
query_shows(const struct policy *p, struct span query, struct arena *a)
{
	struct span name, value;
	struct uri_pair pair;

	if (holds_ours(p, query, a))
		return true;
	while (uri_pair_next(&query, &pair)) {
		if (uri_decode(pair.name, true, a, &name) < 0)
			name = pair.name;
		if (uri_decode(pair.value, true, a, &value) == 0 && is_place(p, name, true) &&
			begins_as_ours(value))
			return true;
	}
	return false;
}

bool
observe_shows_ours(const struct policy *p, const struct credentials *c, struct arena *a)
{
	for (size_t i = 0; i < c->head->nfields; i++)
		if (field_shows(p, &c->head->fields[i], a))
			return true;
	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].kind == ID_CERTIFICATE && c->certificate.n)
			return true;
	return holds_ours(p, c->head->path, a) || query_shows(p, c->head->query, a);
}

/* ---- for people ---- */

enum observe_state
observe_state(const struct policy *p, int64_t now_wall_ns, int64_t *days)
{
	int64_t left = p->observe.until_ns - now_wall_ns;

	*days = left > 0 ? left / CLOCK_DAY_NS : 0;
	if (!p->observe.backend)
		return OBSERVE_NONE;
	if (left <= 0)
		return OBSERVE_OVER;
	return *days < OBSERVE_DAYS_NEAR ? OBSERVE_NEAR : OBSERVE_ON;
}

void
observe_says(const struct policy *p, int64_t now_wall_ns, struct buf *out)
{
	const struct observe *o = &p->observe;
	char when[CLOCK_SECOND_LEN];
	int64_t days;

	enum observe_state state = observe_state(p, now_wall_ns, &days);
	if (state == OBSERVE_NONE)
		return;
	clock_second(o->until_ns, when);
	if (state == OBSERVE_OVER) {
		buf_printf(out, "ended at %s: requests are decided as any", when);
		return;
	}
	for (size_t i = 0; i < o->nhosts; i++)
		buf_printf(out, "%s%s", i ? ", " : "", o->hosts[i]);
	buf_printf(out,
		": who has no key of ours goes to %s, nothing refused, until %s (%lld "
		"day%s "
		"left)",
		o->backend, when, (long long)days, days == 1 ? "" : "s");
	if (state == OBSERVE_NEAR)
		buf_str(out, "; from then on it is decided as any");
}
