/* Finds out if a request of an observed host shows a credential of ours. Only the shape counts:
 * a key that was revoked or mistyped gets 401 as anywhere else, and is never sent to a
 * provider. */
#include "policy/identity/observe.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/credentials.h"
#include "base/codec/digits.h"
#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "base/codec/uri.h"
#include "policy/identity/apikeys.h"
#include "policy/identity_entry.h"
#include "policy/policy.h"
#include "policy/route.h"

bool
observe_host(const struct policy *p, struct span host, int64_t now_wall_ns)
{
	return p->observe.backend && now_wall_ns < p->observe.until_ns &&
	       policy_host_in(host, p->observe.hosts, p->observe.nhosts);
}

/* Decodes base64 of either alphabet and skips all other characters. With `chunks`, decoding
 * starts again after each padding. Returns a span with p NULL if memory is exhausted. */
static struct span
decode_any(struct span code, bool chunks, struct arena *a)
{
	char *out = arena_alloc(a, code.n);
	uint32_t bits = 0;
	size_t n = 0;
	int have = 0;

	for (size_t i = 0; out && i < code.n; i++) {
		int v = value64(code.p[i]);
		if (chunks && code.p[i] == '=')
			have = 0;
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	return span_of(out, n);
}

static bool
is_code(char c)
{
	return value64(c) >= 0 || c == '=';
}

/* Returns true if a token's claims name the issuer of an entry. The claims are not verified.
 * Tokens of other issuers are left to the provider. */
static bool
names_our_issuer(const struct policy *p, struct span claims, struct arena *a)
{
	struct span text = decode_any(claims, false, a);
	json_t *doc = text.p ? json_loadb(text.p, text.n, 0, NULL) : NULL;
	struct span issuer = json_span(json_object_get(doc, "iss"));
	bool ours = !text.p;

	for (size_t i = 0; i < p->nidentities && !ours; i++)
		ours = p->identities[i].kind == ID_JWT && issuer.p &&
		       span_is(issuer, p->identities[i].issuer);
	json_decref(doc);
	return ours;
}

/* Returns true if a token of ours occurs anywhere in `s`: in a cookie, in quotes or in a list.
 * The part between two dots is examined, because header and signature may have any character
 * next to them. */
static bool
holds_token(const struct policy *p, struct span s, struct arena *a)
{
	for (size_t i = 0, dot = s.n; i < s.n; i++) {
		if (s.p[i] != '.') {
			dot = is_code(s.p[i]) ? dot : s.n;
			continue;
		}
		if (dot < i && i - dot > 2 && i - dot <= CAP_TOKEN_BYTES &&
			names_our_issuer(p, span_cut(s, dot + 1, i), a))
			return true;
		dot = i > 0 && is_code(s.p[i - 1]) ? i : s.n;
	}
	return false;
}

/* Returns true if `s` contains an API key in hexadecimal. */
static bool
holds_hex_key(struct span s, struct arena *a)
{
	for (size_t i = 0, from = 0; i <= s.n; i++) {
		if (i < s.n && is_hex(s.p[i]))
			continue;
		for (size_t odd = 0; i - from >= 2 * APIKEY_ID_LEN && odd < 2; odd++) {
			char *out = arena_alloc(a, (i - from) / 2);
			size_t n = 0;
			for (size_t k = from + odd; out && k + 2 <= i; k += 2)
				out[n++] =
					(char)(hex_value(s.p[k]) << 4 | hex_value(s.p[k + 1]));
			struct span rest = span_of(out, n), key;
			if (!out || apikey_next(&rest, &key))
				return true;
		}
		from = i + 1;
	}
	return false;
}

static bool
holds_plainly(const struct policy *p, struct span s, struct arena *a)
{
	struct span rest = s, key;

	return apikey_next(&rest, &key) || holds_token(p, s, a) || holds_hex_key(s, a);
}

/* Returns true if the user or password of Basic authentication (RFC 7617) contains a credential
 * of ours. Clients write its base64 with different alphabets, padding, spaces and lists. */
static bool
basic_holds_ours(const struct policy *p, struct span v, struct arena *a)
{
	static const char basic[] = "basic";

	for (size_t i = 0; i + sizeof(basic) <= v.n; i++) {
		if (!span_istarts(span_cut(v, i, v.n), SPAN_LIT("basic")))
			continue;
		struct span code = span_cut(v, i + sizeof(basic) - 1, v.n), rest = code;
		for (int chunks = 0; chunks < 2; chunks++) {
			struct span text = decode_any(code, chunks, a);
			if (!text.p || holds_plainly(p, text, a))
				return true;
		}
		while (rest.n) {
			struct span text = decode_any(span_next(&rest, ','), true, a);
			if (!text.p || holds_plainly(p, text, a))
				return true;
		}
	}
	return false;
}

/* Returns true if `s` contains an API key or a token, also after its percent escapes were
 * decoded up to three times. */
static bool
holds_ours(const struct policy *p, struct span s, struct arena *a)
{
	for (int rounds = 3;; rounds--) {
		if (holds_plainly(p, s, a) || basic_holds_ours(p, s, a))
			return true;
		if (rounds == 0 || span_chr(s, '%') == s.n)
			return false;
		s = uri_unescape(s, a);
		if (!s.p)
			return true;
	}
}

/* Returns true if `v` begins like a key of ours, with or without a scheme. In a place for
 * credentials, this is meant to be a key. */
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

/* Returns true if an entry looks for credentials in this header field or URL parameter. */
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
	for (size_t i = 0; i < c->head->nfields; i++) {
		const struct http_field *f = &c->head->fields[i];
		if (signed_field(p, f->name) || holds_ours(p, f->name, a) ||
			holds_ours(p, f->value, a) ||
			(is_place(p, f->name, false) && begins_as_ours(f->value)))
			return true;
	}
	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].kind == ID_CERTIFICATE && c->certificate.n)
			return true;
	return holds_ours(p, c->head->path, a) || query_shows(p, c->head->query, a);
}

/* ---- state for people ---- */

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
		buf_printf(out, "ended at %s: requests are decided as usual", when);
		return;
	}
	for (size_t i = 0; i < o->nhosts; i++)
		buf_printf(out, "%s%s", i ? ", " : "", o->hosts[i]);
	buf_printf(out,
		": callers without a key of this gateway are sent to %s, and nothing is "
		"refused, "
		"until %s (%lld day%s left)",
		o->backend, when, (long long)days, days == 1 ? "" : "s");
	if (state == OBSERVE_NEAR)
		buf_str(out, "; after that, these requests are decided as usual");
}
