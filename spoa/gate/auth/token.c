/* Forms and responses of token endpoints. A response is accepted only if all its members that
 * we read are valid, because the token becomes a header. */
#include "gate/auth/token.h"

#include <sodium.h>

#include "base/caps.h"
#include "base/codec/json.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

#define GRANT_JWT	  "urn:ietf:params:oauth:grant-type:jwt-bearer"
#define GRANT_EXCHANGE	  "urn:ietf:params:oauth:grant-type:token-exchange"
#define TYPE_ACCESS_TOKEN "urn:ietf:params:oauth:token-type:access_token"
/* BACK_S: an assertion is dated back by these seconds, in case that the endpoint's clock is
 * behind ours. */
enum { SIGNATURE_MAX = 1024, ASSERTION_MAX = 8192, BACK_S = 30, LIFE_S = 3600 };

/* ---- the request ---- */

static void
put_b64url(struct buf *b, const void *p, size_t n)
{
	size_t room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *to = buf_reserve(b, room);

	if (!to)
		return;
	sodium_bin2base64(to, room, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	buf_commit(b, room - 1);
}

int
token_sign(EVP_PKEY *key, struct span text, struct buf *out)
{
	unsigned char sig[SIGNATURE_MAX];
	size_t n = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(ctx);
	if (ok)
		put_b64url(out, sig, n);
	return !ok ? ERR_AUTH : buf_failed(out) ? ERR_NOMEM : 0;
}

static int
put_assertion(const struct provider_credential *c, const struct material *m, int64_t now_s,
	struct buf *out)
{
	SCOPED_BUF(part, ASSERTION_MAX);
	json_put_form(&part, "{'alg':'RS256','typ':'JWT','kid':%t}", m->kid);
	put_b64url(out, buf_view(&part).p, part.n);
	buf_putc(out, '.');
	buf_clear(&part);
	json_put_form(&part, "{'iss':%t,'scope':%t,'aud':%t", m->email, span_str(c->scope),
		m->token_uri);
	json_put_int(&part, "iat", now_s - BACK_S);
	json_put_int(&part, "exp", now_s - BACK_S + LIFE_S);
	json_put_close(&part, '}');
	put_b64url(out, buf_view(&part).p, part.n);
	bool failed = buf_failed(&part) || buf_failed(out);
	if (failed)
		return ERR_NOMEM;
	struct span text = buf_view(out);
	SCOPED_BUF(sig, 2 * SIGNATURE_MAX);
	int err = token_sign(m->key, text, &sig);
	buf_putc(out, '.');
	buf_span(out, buf_view(&sig));
	return err ? err : buf_failed(out) ? ERR_NOMEM : 0;
}

static void
put_pair(struct buf *b, const char *name, struct span value)
{
	buf_printf(b, "%s%s=", b->n ? "&" : "", name);
	uri_encode(b, value, true);
}

int
token_form(const struct provider_credential *c, const struct material *m, int64_t now_s,
	struct buf *out)
{
	int err = 0;

	SCOPED_BUF(jwt, ASSERTION_MAX);
	if (c->kind == BY_VERTEX) {
		err = put_assertion(c, m, now_s, &jwt);
		put_pair(out, "grant_type", SPAN_LIT(GRANT_JWT));
		put_pair(out, "assertion", buf_view(&jwt));
	} else {
		put_pair(out, "grant_type", SPAN_LIT("client_credentials"));
		put_pair(out, "client_id", span_str(c->client_id));
		put_pair(out, "client_secret", m->text);
		put_pair(out, "scope", span_str(c->scope));
	}
	return err ? err : buf_failed(out) ? ERR_NOMEM : 0;
}

int
token_exchange_form(const struct provider_credential *c, const struct material *m,
	struct span subject, struct span actor, struct buf *out)
{
	const bool behalf = c->kind == BY_ON_BEHALF;
	/* clang-format off */
	const struct { const char *name; struct span value; } pairs[] = {
		{ "grant_type", behalf ? SPAN_LIT(GRANT_JWT) : SPAN_LIT(GRANT_EXCHANGE) },
		{ "client_id", span_str(c->client_id) },
		{ "client_secret", m->text },
		{ behalf ? "assertion" : "subject_token", subject },
		{ "requested_token_use", behalf ? SPAN_LIT("on_behalf_of") : SPAN_LIT("") },
		{ "subject_token_type", behalf ? SPAN_LIT("") : SPAN_LIT(TYPE_ACCESS_TOKEN) },
		{ "requested_token_type", behalf ? SPAN_LIT("") : SPAN_LIT(TYPE_ACCESS_TOKEN) },
		{ "actor_token", actor },
		{ "actor_token_type", actor.n ? SPAN_LIT(TYPE_ACCESS_TOKEN) : SPAN_LIT("") },
		{ "audience", span_str(c->audience ? c->audience : "") },
		{ "resource", span_str(c->resource ? c->resource : "") },
		{ "scope", span_str(c->scope ? c->scope : "") },
	};
	/* clang-format on */

	for (size_t i = 0; i < COUNT_OF(pairs); i++)
		if (pairs[i].value.n)
			put_pair(out, pairs[i].name, pairs[i].value);
	return buf_failed(out) ? ERR_NOMEM : 0;
}

/* ---- the response ---- */

/* Returns true if the token can be sent in a header: printable ASCII without spaces, quotes
 * and commas. This is wider than b64token (RFC 6750 2.1), because some providers use other
 * characters. */
static bool
token_fits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e || s.p[i] == '"' || s.p[i] == ',')
			return false;
	return s.n > 0 && s.n + strlen("Bearer ") <= CAP_CREDENTIAL_BYTES;
}

int
token_answer(struct span body, struct arena *a, struct token_answer *out, const char **why)
{
	struct json *j = json_open(a, body);
	struct json_event ev = { .tok = JSON_ERROR };
	struct span type = { NULL, 0 }, seconds = { NULL, 0 };
	bool strings = true;

	*out = (struct token_answer){ .seconds = 0 };
	*why = "the response of the token endpoint is not a JSON object";
	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (json_next(j, &ev) == JSON_KEY) {
		struct span key = json_text(a, body, &ev);
		bool token = span_is(key, "access_token"), kind = span_is(key, "token_type"),
		     life = span_is(key, "expires_in");
		if (!token && !kind && !life) {
			json_skip(j, &ev);
			continue;
		}
		enum json_tok tok = json_next(j, &ev);
		if (life && tok == JSON_NUMBER) {
			seconds = span_cut(body, ev.start, ev.end);
		} else if (life && tok == JSON_STRING) { /* Entra ID's v1.0 endpoint */
			seconds = json_text(a, body, &ev);
		} else if (life || tok != JSON_STRING) {
			strings = false;
			json_skip(j, &ev);
		} else {
			*(token ? &out->token : &type) = json_text(a, body, &ev);
		}
	}
	if (ev.tok != JSON_OBJECT_END || json_next(j, &ev) != JSON_END || arena_failed(a))
		return ERR_SYNTAX;
	*why = !strings ? "access_token, token_type or expires_in has the wrong type"
	       : !token_fits(out->token)
		       ? "access_token is missing, too long or not valid in a header"
	       : !span_ieq(type, SPAN_LIT("Bearer")) ? "token_type is not Bearer"
	       : span_u64(seconds, &out->seconds) ? "expires_in is missing or not a whole number"
	       : !out->seconds || out->seconds > TOKEN_SECONDS_MAX
		       ? "expires_in is 0 or longer than two days"
		       : NULL;
	return *why ? ERR_SYNTAX : 0;
}

const char *
token_refusal(struct span body, struct arena *a)
{
	static const char *const codes[] = { "invalid_grant", "invalid_client",
		"unauthorized_client", "invalid_scope", "invalid_request",
		"unsupported_grant_type", "access_denied", "invalid_resource" };
	struct json *j = json_open(a, body);
	struct json_event ev;
	struct span code = { NULL, 0 };

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return NULL;
	while (json_next(j, &ev) == JSON_KEY) {
		struct span key = json_text(a, body, &ev);
		if (!span_is(key, "error"))
			json_skip(j, &ev);
		else if (json_next(j, &ev) == JSON_STRING)
			code = json_text(a, body, &ev);
		else
			json_skip(j, &ev);
	}
	size_t at = span_find(code, codes, COUNT_OF(codes));
	return at < COUNT_OF(codes) ? codes[at] : NULL;
}
