/* The credential that the caller showed, and anything in the form of our API keys: where
 * a text holds it, also in base64, in hexadecimal of any case or in percent escapes. */
#include "gate/request.h"

#include "base/err.h"
#include "codec/digits.h"
#include "codec/uri.h"
#include "identity/apikeys.h"

enum {
	DISGUISE_LEAST = 12, /* bytes of a credential; less is too common in base64 */
	HEX_LEAST = 2 * DISGUISE_LEAST,
	VIEW_BYTES = 16 << 10, /* of a text that are undone at once */
	VIEW_STEP = VIEW_BYTES / 2,
	ESCAPED_MOST = 3, /* times in one another */
};

int
request_keep_credential(struct request *r, struct span value)
{
	struct span kept = arena_dup(&r->arena, value);

	if (kept.n)
		needles_add(&r->in.credentials, kept);
	for (size_t i = 0; kept.n >= DISGUISE_LEAST && i < DISGUISES; i++) {
		char *out = arena_alloc(&r->arena, 2 * kept.n);
		if (out)
			needles_add(&r->in.credentials,
				span_of(out, digits_disguise(kept, i, out)));
	}
	return arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

/* ---- texts undone ---- */

/* A piece of a text as what its digits or escapes spell, and where each byte of that begins
 * in it. */
struct view {
	struct span of;
	char text[VIEW_BYTES];
	uint16_t at[VIEW_BYTES + 1];
	size_t n;
};

static int
view_take(const struct view *v, const char *from, size_t n, credential_fn *take, void *arg)
{
	size_t first = (size_t)(from - v->text);

	return take(arg, span_cut(v->of, v->at[first], v->at[first + n]));
}

static int
view_credentials(const struct request *r, const struct view *v, credential_fn *take, void *arg)
{
	const struct needles *ns = &r->in.credentials;
	struct span rest = span_of(v->text, v->n), key;
	int err = 0;

	for (size_t i = 0; i < ns->n; i++) {
		const char *from = v->text, *end = v->text + v->n;
		while (!err && ns->v[i].n >= DISGUISE_LEAST &&
			(from = memmem(from, (size_t)(end - from), ns->v[i].p, ns->v[i].n))) {
			err = view_take(v, from, ns->v[i].n, take, arg);
			from += ns->v[i].n;
		}
	}
	while (!err && apikey_next(&rest, &key))
		err = view_take(v, key.p, key.n, take, arg);
	return err;
}

/* From its first digit, or its second. */
static void
view_hex(struct view *v, size_t first)
{
	v->n = 0;
	for (size_t i = first; i + 2 <= v->of.n; i += 2) {
		v->at[v->n] = (uint16_t)i;
		v->text[v->n++] =
			(char)(hex_value(v->of.p[i]) << 4 | hex_value(v->of.p[i + 1]));
	}
	v->at[v->n] = (uint16_t)(first + 2 * v->n);
}

static int
hex_run(const struct request *r, struct view *v, struct span run, credential_fn *take,
	void *arg)
{
	int err = 0;

	for (size_t from = 0; !err; from += VIEW_STEP) {
		v->of = span_cut(run, from, from + VIEW_BYTES);
		for (size_t first = 0; !err && first < 2; first++) {
			view_hex(v, first);
			err = view_credentials(r, v, take, arg);
		}
		if (from + VIEW_BYTES >= run.n)
			break;
	}
	return err;
}

/* Its runs of digits that are long enough: one of so many in a row is looked at. */
static int
each_hex_run(const struct request *r, struct span text, credential_fn *take, void *arg)
{
	struct view v;
	size_t done = 0;
	int err = 0;

	for (size_t i = HEX_LEAST - 1; !err && i < text.n; i += HEX_LEAST) {
		size_t from = i, to = i;
		while (from > done && is_hex(text.p[from - 1]) && is_hex(text.p[i]))
			from--;
		while (to < text.n && is_hex(text.p[to]))
			to++;
		if (to > i && to - from >= HEX_LEAST) {
			err = hex_run(r, &v, span_cut(text, from, to), take, arg);
			i = done = to;
		}
	}
	return err;
}

/* Undone once more; false: there was nothing to undo. */
static bool
view_unescape(struct view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; n++) {
		int c = uri_escape_at(v->text + i, v->text + v->n);
		v->at[n] = v->at[i];
		v->text[n] = c < 0 ? v->text[i] : (char)c;
		i += c < 0 ? 1 : 3;
	}
	bool any = n < v->n;
	v->at[n] = v->at[v->n];
	v->n = n;
	return any;
}

static int
each_escaped(const struct request *r, struct span text, credential_fn *take, void *arg)
{
	struct view v;
	int err = 0;

	for (size_t from = span_chr(text, '%'); !err && from < text.n;) {
		v.of = span_cut(text, from, from + VIEW_BYTES);
		v.n = v.of.n;
		memcpy(v.text, v.of.p, v.n);
		for (size_t i = 0; i <= v.n; i++)
			v.at[i] = (uint16_t)i;
		for (int i = 0; !err && i < ESCAPED_MOST && view_unescape(&v); i++)
			err = view_credentials(r, &v, take, arg);
		if (from + VIEW_BYTES >= text.n)
			break;
		from += VIEW_STEP;
	}
	return err;
}

int
request_credentials_hidden(
	const struct request *r, struct span text, credential_fn *take, void *arg)
{
	int err = each_hex_run(r, text, take, arg);

	return err ? err : each_escaped(r, text, take, arg);
}

/* ---- whether there is one ---- */

static int
one_is_enough(void *arg, struct span credential)
{
	(void)arg;
	(void)credential;
	return 1;
}

bool
request_credential_in(const struct request *r, struct span text)
{
	struct span rest = text, key;

	return needles_next(&r->in.credentials, text, 0) < r->in.credentials.n ||
	       apikey_next(&rest, &key) || each_hex_run(r, text, one_is_enough, NULL);
}

bool
request_credential_escaped_in(const struct request *r, struct span text)
{
	return request_credential_in(r, text) || each_escaped(r, text, one_is_enough, NULL);
}
