/* The four steps of AWS' guide in its order: canonical request, string to sign, signing key,
 * signature. The caller decides which fields are signed. */
#include "gate/auth/sigv4.h"

#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/scoped.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
enum { KEY_BYTES = 256, CANONICAL_BYTES = 4 * CAP_TARGET_BYTES + CAP_HEAD_BYTES };

static void
sigv4_date(int64_t at_s, char out[SIGV4_DATE])
{
	time_t t = (time_t)at_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	if (!strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm))
		out[0] = '\0';
}

/* ---- the canonical request ---- */

/* Writes the canonical path: without empty segments and dot segments (RFC 3986 5.2.4), each
 * segment percent-encoded once more. Example: "/model//a%3A1/../x" becomes "/model/x". */
static void
put_path(struct buf *b, struct span path)
{
	size_t root = b->n;
	bool slash = span_ends(path, SPAN_LIT("/"));

	while (path.n) {
		struct span one = span_next(&path, '/');
		if (one.n == 0 || span_is(one, "."))
			continue;
		if (!span_is(one, "..")) {
			buf_putc(b, '/');
			uri_encode(b, one, false);
			continue;
		}
		while (b->n > root && buf_view(b).p[b->n - 1] != '/')
			b->n--;
		b->n -= b->n > root;
	}
	if (b->n == root || slash)
		buf_putc(b, '/');
}

struct pair {
	struct span name, value;
};

static int
pair_order(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	int order = span_order(a->name, b->name);

	return order ? order : span_order(a->value, b->value);
}

static struct span
encode_again(struct arena *a, struct span s)
{
	struct span plain = uri_unescape(s, a), out = { NULL, 0 };

	SCOPED_BUF(b, 4 * CAP_TARGET_BYTES);
	if (plain.p || !s.n)
		uri_encode(&b, plain, false);
	out = arena_dup(a, buf_view(&b));
	if (buf_failed(&b))
		out = (struct span){ NULL, 0 };
	return out;
}

static int
put_query(struct buf *b, struct arena *a, struct span query)
{
	struct pair *v = arena_array(a, CAP_HEADERS, sizeof(*v));
	struct uri_pair one;
	size_t n = 0;

	while (v && uri_pair_next(&query, &one)) {
		if (n == CAP_HEADERS)
			return ERR_LIMIT;
		v[n].name = encode_again(a, one.name);
		v[n++].value = encode_again(a, one.value);
	}
	if (arena_failed(a))
		return ERR_NOMEM;
	qsort(v, n, sizeof(*v), pair_order);
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%.*s=%.*s", i ? "&" : "", SPAN_ARG(v[i].name),
			SPAN_ARG(v[i].value));
	return 0;
}

/* The order of fields with the same name is part of the signature, so the sort key includes
 * the place. */
struct place {
	const struct http_field *f;
	size_t at;
};

static int
place_order(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	size_t n = a->f->name.n < b->f->name.n ? a->f->name.n : b->f->name.n;

	for (size_t i = 0; i < n; i++) {
		int d = to_lower(a->f->name.p[i]) - to_lower(b->f->name.p[i]);
		if (d)
			return d;
	}
	if (a->f->name.n != b->f->name.n)
		return a->f->name.n < b->f->name.n ? -1 : 1;
	return a->at < b->at ? -1 : 1;
}

static void
put_sigv4_name(struct buf *b, struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		buf_putc(b, to_lower(name.p[i]));
}

/* Trims the value and replaces each run of white space by one space. */
static void
put_sigv4_value(struct buf *b, struct span value)
{
	bool blank = false;

	value = span_trim(value, " \t\r\n");
	for (size_t i = 0; i < value.n; i++) {
		bool now = strchr(" \t\r\n", value.p[i]) && value.p[i];
		if (!now)
			buf_putc(b, value.p[i]);
		else if (!blank)
			buf_putc(b, ' ');
		blank = now;
	}
}

/* Writes the fields in canonical order to `b`, and their names to `names`. */
static int
put_fields(struct buf *b, struct buf *names, const struct sigv4_request *q)
{
	struct place v[SIGV4_FIELDS];

	if (q->nfields > SIGV4_FIELDS)
		return ERR_LIMIT;
	for (size_t i = 0; i < q->nfields; i++)
		v[i] = (struct place){ &q->fields[i], i };
	qsort(v, q->nfields, sizeof(*v), place_order);
	for (size_t i = 0; i < q->nfields; i++) {
		bool again = i && span_ieq(v[i].f->name, v[i - 1].f->name);
		if (again) {
			buf_putc(b, ',');
		} else {
			buf_str(b, i ? "\n" : "");
			put_sigv4_name(b, v[i].f->name);
			buf_putc(b, ':');
			buf_str(names, i ? ";" : "");
			put_sigv4_name(names, v[i].f->name);
		}
		put_sigv4_value(b, v[i].f->value);
	}
	buf_str(b, q->nfields ? "\n" : "");
	return 0;
}

/* ---- key and signature ---- */

static void
hmac_step(unsigned char out[SHA256_BYTES], const void *key, size_t nkey, struct span text)
{
	unsigned n = 0;

	INVARIANT(HMAC(
		EVP_sha256(), key, (int)nkey, (const unsigned char *)text.p, text.n, out, &n));
}

static void
sign_sigv4(const struct sigv4_keys *keys, const struct sigv4_scope *scope, struct span day,
	struct span text, char out[SIGV4_HEX])
{
	unsigned char k[SHA256_BYTES], first[KEY_BYTES + 4] = "AWS4";

	memcpy(first + 4, keys->secret.p, keys->secret.n);
	hmac_step(k, first, 4 + keys->secret.n, day);
	hmac_step(k, k, sizeof(k), span_str(scope->region));
	hmac_step(k, k, sizeof(k), span_str(scope->service));
	hmac_step(k, k, sizeof(k), SPAN_LIT("aws4_request"));
	hmac_step(k, k, sizeof(k), text);
	sodium_bin2hex(out, SIGV4_HEX, k, sizeof(k));
	sodium_memzero(k, sizeof(k));
	sodium_memzero(first, sizeof(first));
}

int
sigv4_signature(struct arena *a, const struct sigv4_keys *keys, const struct sigv4_scope *scope,
	const struct sigv4_request *q, char out[SIGV4_HEX], struct span *signed_names)
{
	unsigned char hash[SHA256_BYTES];
	char date[SIGV4_DATE];

	if (keys->secret.n == 0 || keys->secret.n > KEY_BYTES)
		return ERR_LIMIT;
	sigv4_date(scope->at_s, date);
	SCOPED_BUF(b, CANONICAL_BYTES);
	SCOPED_BUF(names, CAP_HEAD_BYTES);
	buf_printf(&b, "%.*s\n", SPAN_ARG(q->method));
	put_path(&b, q->path);
	buf_putc(&b, '\n');
	int err = put_query(&b, a, q->query);
	buf_putc(&b, '\n');
	if (!err)
		err = put_fields(&b, &names, q);
	buf_printf(&b, "\n%.*s\n", SPAN_ARG(buf_view(&names)));
	buf_hex(&b, q->body, SHA256_BYTES);
	if (!err && (buf_failed(&b) || buf_failed(&names)))
		err = ERR_NOMEM;
	if (!err) {
		struct span day = span_of(date, 8);
		sha256(buf_view(&b), hash);
		buf_clear(&b);
		buf_printf(&b, ALGORITHM "\n%s\n%.*s/%s/%s/aws4_request\n", date, SPAN_ARG(day),
			scope->region, scope->service);
		buf_hex(&b, hash, sizeof(hash));
		sign_sigv4(keys, scope, day, buf_view(&b), out);
		*signed_names = arena_dup(a, buf_view(&names));
		err = arena_failed(a) || buf_failed(&b) ? ERR_NOMEM : 0;
	}
	return err;
}

/* ---- the headers of a request to a model ---- */

int
sigv4_headers(struct arena *a, const struct sigv4_keys *keys, const struct sigv4_scope *scope,
	const struct http_head *head, struct span host, const unsigned char body[SHA256_BYTES],
	struct sigv4_headers *out)
{
	struct http_field fields[SIGV4_FIELDS];
	struct sigv4_request q = { .method = head->method,
		.path = head->path,
		.query = head->query,
		.fields = fields };
	const struct http_field *type = http_field_nth(head, "content-type", 0);
	char date[SIGV4_DATE], hex[SIGV4_HEX], signature[SIGV4_HEX];
	struct span names;

	if (http_field_nth(head, "content-type", 1))
		return ERR_AMBIGUOUS;
	sigv4_date(scope->at_s, date);
	memcpy(q.body, body, sizeof(q.body));
	sodium_bin2hex(hex, sizeof(hex), body, SHA256_BYTES);
	*out = (struct sigv4_headers){ .date = arena_dup(a, span_str(date)),
		.content_sha256 = arena_dup(a, span_str(hex)),
		.token = arena_dup(a, keys->token) };
	if (type)
		fields[q.nfields++] = *type;
	fields[q.nfields++] = (struct http_field){ SPAN_LIT("host"), host };
	fields[q.nfields++] =
		(struct http_field){ SPAN_LIT("x-amz-content-sha256"), out->content_sha256 };
	fields[q.nfields++] = (struct http_field){ SPAN_LIT("x-amz-date"), out->date };
	if (keys->token.n)
		fields[q.nfields++] =
			(struct http_field){ SPAN_LIT("x-amz-security-token"), out->token };
	int err = sigv4_signature(a, keys, scope, &q, signature, &names);
	if (!err)
		out->authorization = arena_printf(a,
			ALGORITHM " Credential=%.*s/%.8s/%s/%s/aws4_request, "
				  "SignedHeaders=%.*s, Signature=%s",
			SPAN_ARG(keys->id), date, scope->region, scope->service,
			SPAN_ARG(names), signature);
	return err ? err : arena_failed(a) ? ERR_NOMEM : 0;
}
