/* Manifests of exports: see export.h. The tables below list the members of each object with
 * the kind of value that is accepted. */
#include "record/proof/export.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/why.h"
#include "record/journal/chain.h"
#include "record/proof/note.h"

#define BEGIN  "{\"v\":1,\"export\":"
#define OBJECT "{\"format\":\""
#define KEY    ",\"key\":\""
#define SIG    "\",\"sig\":\""
#define END    "\"}"

/* The kinds of values. COUNT: 0 or more; NUMBER: 1 or more; OBJECT_OF: any object; NOTE: a
 * checkpoint or null. */
enum kind { NAME, TIME, TIME_OR_NULL, COUNT, NUMBER, HASH, NODE, NOTE, OBJECT_OF };

struct member {
	const char *name;
	enum kind kind;
};
static const struct member of_object[] = { { "format", NAME }, { "made", TIME },
	{ "since", TIME_OR_NULL }, { "until", TIME_OR_NULL }, { "terms", OBJECT_OF },
	{ "file", OBJECT_OF }, { "records", COUNT }, { "types", OBJECT_OF } };
static const struct member of_file[] = { { "name", NAME }, { "bytes", COUNT },
	{ "sha256", HASH } };
static const struct member of_chain[] = { { "node", NODE }, { "first", NUMBER },
	{ "last", NUMBER }, { "records", NUMBER }, { "head", HASH }, { "checkpoint", NOTE } };

/* A file's name without a folder, and without characters that control a terminal. */
static bool
is_export_name(const json_t *v)
{
	struct span s = json_span(v);
	bool dots = span_is(s, ".") || span_is(s, "..");

	return json_is_string(v) && s.n && s.n <= EXPORT_NAME_MAX && !dots &&
	       span_past(s, 0, is_in_line) == s.n && span_chr(s, '/') == s.n;
}

static bool
is_time(const json_t *v)
{
	int64_t ns;

	return json_is_string(v) && json_string_length(v) < CLOCK_RFC3339_LEN &&
	       clock_parse(json_string_value(v), json_string_length(v), &ns) == 0;
}

static bool
is_kind(const json_t *v, enum kind k)
{
	unsigned char hash[CHAIN_HASH_BYTES];
	struct checkpoint c;
	const char *why;

	switch (k) {
	case NAME: return is_export_name(v);
	case TIME_OR_NULL: return json_is_null(v) || is_time(v);
	case TIME: return is_time(v);
	case COUNT: return json_is_integer(v) && json_integer_value(v) >= 0;
	case NUMBER: return json_is_integer(v) && json_integer_value(v) > 0;
	case HASH: return chain_unhex(json_span(v), hash);
	case NODE: return json_is_string(v) && chain_node_valid(json_span(v));
	case NOTE:
		return json_is_null(v) ||
		       (json_is_string(v) && checkpoint_parse(json_span(v), &c, &why) == 0);
	case OBJECT_OF: return json_is_object(v);
	}
	return false;
}

static bool
has_member(const json_t *o, const char *of, const struct member *m, size_t n, struct buf *why)
{
	for (size_t i = 0; i < n; i++)
		if (!is_kind(json_object_get(o, m[i].name), m[i].kind)) {
			buf_printf(
				why, "%s%s is missing or has an invalid value", of, m[i].name);
			return false;
		}
	return true;
}

static bool
has_all(const json_t *o, struct buf *why)
{
	json_t *chains = json_object_get(o, "chains"), *v;
	json_int_t sum = 0, records = json_int_in(o, "records");
	const char *name;
	size_t i;

	if (!has_member(o, "", of_object, COUNT_OF(of_object), why) ||
		!has_member(
			json_object_get(o, "file"), "file.", of_file, COUNT_OF(of_file), why))
		return false;
	if (!json_is_array(chains) || json_array_size(chains) > EXPORT_CHAINS_MAX) {
		buf_str(why, "chains is missing or too long");
		return false;
	}
	json_array_foreach(chains, i, v)
	{
		if (!has_member(v, "chains.", of_chain, COUNT_OF(of_chain), why))
			return false;
		json_int_t n = json_int_in(v, "records"), first = json_int_in(v, "first");
		if (n > records - sum || json_int_in(v, "last") - first < n - 1) {
			buf_str(why, "chains: a chain has more records than the manifest or "
				     "the range from first to last");
			return false;
		}
		sum += n;
	}
	if (sum != records) {
		buf_str(why, "records is not the sum of the records of all chains");
		return false;
	}
	json_object_foreach(json_object_get(o, "types"), name, v) if (!is_kind(v, NUMBER))
	{
		buf_str(why, "types: a count is not a positive number");
		return false;
	}
	return true;
}

json_t *
export_object(struct span text, struct buf *why)
{
	json_error_t e;

	if (text.n > EXPORT_OBJECT_MAX || !span_starts(text, SPAN_LIT(OBJECT)) ||
		span_chr(text, '\n') < text.n) {
		buf_str(why, "the text is not the object of a manifest");
		return NULL;
	}
	json_t *o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &e);
	if (!o)
		buf_printf(why, "the object is not JSON: %s", e.text);
	if (o && !has_all(o, why)) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

void
export_sign(struct buf *out, struct span object, const struct signkey *key)
{
	unsigned char sig[SIGNKEY_SIG_BYTES];

	signkey_sign(key, object, sig);
	buf_str(out, BEGIN);
	buf_span(out, object);
	buf_printf(out, KEY "%s" SIG, key->pub.id);
	base64_put(out, sig, sizeof(sig));
	buf_str(out, END "\n");
}

int
export_manifest_parse(struct span file, struct export_manifest *out, struct buf *why)
{
	/* The end of the line, ,"key":"ID","sig":"BASE64"}, always has the same length. */
	enum { B64 = (SIGNKEY_SIG_BYTES + 2) / 3 * 4 };
	enum { TAIL = sizeof(KEY SIG END) - 1 + SIGNKEY_ID_LEN + B64 };
	size_t n;

	if (file.n && file.p[file.n - 1] == '\n')
		file.n--;
	if (file.n > EXPORT_MANIFEST_MAX || file.n < sizeof(BEGIN) + TAIL ||
		!span_starts(file, SPAN_LIT(BEGIN)))
		return why_err(why, ERR_SYNTAX, "the file is not the manifest of an export");
	struct span tail = span_cut(file, file.n - TAIL, file.n);
	struct span id = span_cut(tail, sizeof(KEY) - 1, sizeof(KEY) - 1 + SIGNKEY_ID_LEN);
	struct span mid = span_cut(tail, sizeof(KEY) - 1 + id.n, TAIL);
	struct span b64 = span_cut(mid, sizeof(SIG) - 1, sizeof(SIG) - 1 + B64);
	if (!span_starts(tail, SPAN_LIT(KEY)) || !span_starts(mid, SPAN_LIT(SIG)) ||
		!span_ends(tail, SPAN_LIT(END)) ||
		base64_get(b64, out->sig, sizeof(out->sig), &n) || n != sizeof(out->sig))
		return why_err(why, ERR_SYNTAX,
			"the manifest does not end with a key and a signature: its end was cut "
			"off");
	out->key = id;
	out->object = span_cut(file, sizeof(BEGIN) - 1, file.n - TAIL);
	return 0;
}

const struct pubkey *
export_signer(const struct export_manifest *m, const struct pubkey *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(m->key, keys[i].id) && pubkey_verify(&keys[i], m->object, m->sig))
			return &keys[i];
	return NULL;
}
