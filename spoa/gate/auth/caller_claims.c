#include "gate/auth/caller_claims.h"

#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "base/scoped.h"

static void
fact(char *to, size_t size, struct span s)
{
	s = span_cut(s, 0, size - 1);
	memcpy(to, s.n ? s.p : "", s.n);
	to[s.n] = '\0';
}
#define FACT(member, s) fact(f->member, sizeof(f->member), s)

/* Returns true if the list, divided by spaces, contains the word. */
static bool
has_word(struct span list, struct span word)
{
	while (list.n)
		if (span_eq(span_next(&list, ' '), word))
			return true;
	return false;
}

/* Returns true if the scope contains nothing that was not asked for. Without a scope in the
 * question, and with Entra's ".default", the identity provider chooses. Scopes of OpenID
 * Connect name facts about the person, not rights at the server; Keycloak adds some of them. */
static bool
scope_fits(struct span got, const char *asked)
{
	static const char *const of_identity[] = { "openid", "profile", "email", "address",
		"phone", "basic", "roles", "web-origins", "acr", "offline_access" };
	struct span want = span_str(asked), word;

	if (!want.n || span_ends(want, SPAN_LIT("/.default")))
		return true;
	while (got.n) {
		word = span_next(&got, ' ');
		if (!word.n || has_word(want, word) || SPAN_IN(word, of_identity))
			continue;
		/* Entra: asked api://X/Tickets.Read, granted Tickets.Read */
		bool tail = false;
		for (struct span rest = want, one; rest.n && !tail;) {
			one = span_next(&rest, ' ');
			tail = one.n > word.n && one.p[one.n - word.n - 1] == '/' &&
			       span_ends(one, word);
		}
		if (!tail)
			return false;
	}
	return true;
}

static bool
names_audience(const json_t *aud, const char *want)
{
	size_t i;
	json_t *v;

	if (json_is_string(aud))
		return !strcmp(json_string_value(aud), want);
	json_array_foreach(aud, i,
		v) if (json_is_string(v) && !strcmp(json_string_value(v), want)) return true;
	return false;
}

/* Compares the person of both tokens: by Entra's `oid`, which is one for all its applications,
 * or by `sub` of one issuer. Issuers that differ name people differently. */
static bool
same_person(const json_t *had, const json_t *got)
{
	struct span a = json_span(json_object_get(had, "oid")), b = json_span(json_object_get(got, "oid"));

	if (a.n && b.n)
		return span_eq(a, b);
	if (!span_eq(json_span(json_object_get(had, "iss")), json_span(json_object_get(got, "iss"))))
		return true;
	a = json_span(json_object_get(had, "sub"));
	return a.n && span_eq(a, json_span(json_object_get(got, "sub")));
}

/* Checks the claims of a token that is a JWT. They come from the identity provider by TLS, and the
 * server verifies their signature. Returns NULL, or the mistake. */
static const char *
jwt_wrong(const struct provider_credential *c, const json_t *had, const json_t *got,
	int64_t now_s, struct caller_token_facts *f)
{
	const json_t *aud = json_object_get(got, "aud"), *exp = json_object_get(got, "exp");
	const json_t *act = json_object_get(got, "act");
	struct span scope = json_span(json_object_get(got, "scope"));

	FACT(subject, json_span(json_object_get(got, "sub")));
	FACT(issuer, json_span(json_object_get(got, "iss")));
	if (act)
		FACT(actor, json_span(json_object_get(act, "sub")));
	if (json_is_string(aud))
		FACT(audience, span_str(json_string_value(aud)));
	else if (json_is_array(aud) && json_is_string(json_array_get(aud, 0)))
		FACT(audience, span_str(json_string_value(json_array_get(aud, 0))));
	if (!scope.n)
		scope = json_span(json_object_get(got, "scp")); /* Entra ID */
	if (scope.n)
		FACT(scope, scope);
	if (!same_person(had, got))
		return "the token is another person's";
	if (c->audience && !names_audience(aud, c->audience))
		return "the token is not for the audience that was asked for";
	if (c->resource && !c->audience && aud && !names_audience(aud, c->resource))
		return "the token is not for the resource that was asked for";
	if (!scope_fits(scope, c->scope))
		return "the token has a scope that was not asked for";
	if (json_is_integer(exp) &&
		(json_integer_value(exp) <= now_s ||
			json_integer_value(exp) - now_s > TOKEN_SECONDS_MAX))
		return "the token has ended, or ends in more than two days";
	return NULL;
}

const char *
caller_claims_wrong(const struct provider_credential *c, struct span subject,
	const struct token_answer *t, const json_t *body, int64_t now_s,
	struct caller_token_facts *f)
{
	struct jws had = { .header = NULL }, got = { .header = NULL };
	const char *why = NULL, *ignored;
	unsigned char hash[SHA256_BYTES];

	*f = (struct caller_token_facts){ .ends_s = now_s + (int64_t)t->seconds };
	SCOPED_ARENA(a, 8 * CAP_TOKEN_BYTES, true);
	SCOPED_BUF(hex, 0);
	FACT(scope, json_span(json_object_get(body, "scope")));
	FACT(audience, span_str(c->audience ? c->audience : c->resource));
	sha256(t->token, hash);
	buf_hex(&hex, hash, sizeof(hash));
	FACT(hash, buf_view(&hex));
	if (!scope_fits(json_span(json_object_get(body, "scope")), c->scope))
		return "the token has a scope that was not asked for";
	if (credential_shape(t->token) == SHAPE_TOKEN &&
		!jws_parse(subject, &a, &had, &ignored) &&
		!jws_parse(t->token, &a, &got, &ignored))
		why = jwt_wrong(c, had.payload, got.payload, now_s, f);
	jws_clear(&had);
	jws_clear(&got);
	return why;
}
