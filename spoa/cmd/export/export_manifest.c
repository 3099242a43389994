/* Makes the signed manifest of an exported file. The daemon signs it with the journal's key
 * and records that; or the key in a file signs it. */
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/export/export.h"

static json_t *
time_or_null(const char *s)
{
	return s[0] ? json_string(s) : json_null();
}

static json_t *
terms_of(const struct export *e)
{
	json_t *terms = json_object();

	for (enum record_term t = 0; t < RT_SEARCHED; t++) {
		const struct search_want *w = &e->q.want[t];
		json_t *values = w->n ? json_array() : NULL;
		for (size_t i = 0; i < w->n; i++)
			json_array_append_new(values, json_string(w->value[i]));
		if (values)
			json_object_set_new(terms, record_terms[t].name, values);
	}
	return terms;
}

static json_t *
chains_of(const struct export *e)
{
	json_t *chains = json_array();
	char head[2 * SHA256_BYTES + 1];

	for (size_t i = 0; i < e->nchains; i++) {
		const struct export_chain *c = &e->chain[i];
		struct span note = buf_view(&c->note);
		if (!c->records)
			continue;
		chain_hex(c->head, head);
		json_array_append_new(chains,
			json_pack("{s:s,s:I,s:I,s:I,s:s,s:o}", "node", c->node, "first",
				(json_int_t)c->first, "last", (json_int_t)c->last, "records",
				(json_int_t)c->records, "head", head, "checkpoint",
				note.n ? json_loadb(note.p, note.n, JSON_DECODE_ANY, NULL)
				       : json_null()));
	}
	return chains;
}

/* Returns the manifest as JSON. The member `format` comes first, so that nobody can take
 * the signature for one of a commit (record/proof/export.h). */
static char *
object_of(const struct export *e, const unsigned char hash[SHA256_BYTES])
{
	char hex[2 * SHA256_BYTES + 1], made[CLOCK_RFC3339_LEN];

	chain_hex(hash, hex);
	clock_rfc3339(clock_wall_ns(), made);
	json_auto_t *o = json_pack("{s:s,s:s,s:o,s:o,s:o,s:{s:s,s:I,s:s},s:I,s:O,s:o}",
		"format", e->format->name, "made", made, "since", time_or_null(e->from.since),
		"until", time_or_null(e->from.until), "terms", terms_of(e), "file", "name",
		e->out.name, "bytes", (json_int_t)e->out.bytes, "sha256", hex, "records",
		(json_int_t)e->records, "types", e->types, "chains", chains_of(e));
	return o ? json_dumps(o, JSON_COMPACT) : NULL;
}

static int
open_key(const struct export *e, struct signkey *key)
{
	SCOPED_BUF(why, 8192);
	return signkey_open(e->key, e->passphrase, false, key, &why)
		       ? cmd_fail(EXPORT_WHAT, "--sign-key: %.*s", SPAN_ARG(buf_view(&why)))
		       : 0;
}

int
export_signer_there(struct export *e)
{
	struct signkey key = { .pub = { .id = "" } };
	int code;

	if (e->key) {
		code = open_key(e, &key);
		signkey_wipe(&key);
		return code;
	}
	const char *socket = admin_socket(EXPORT_WHAT, e->from.config, &e->from.arena);
	const struct admin_call call = { .socket = socket, .page = "/healthz" };
	SCOPED_BUF(answer, ADMIN_ANSWER_BYTES);
	code = socket && admin_ask_or_say(EXPORT_WHAT, &call, &answer) == 200 ? 0 : EXIT_CANNOT;
	if (code)
		cmd_fail(EXPORT_WHAT, "the running daemon signs the manifest of --out, and "
				      "it does not respond: start it, or give a key with "
				      "--sign-key FILE");
	return code;
}

static int
ask_daemon(struct export *e, const char *object, struct buf *out)
{
	json_auto_t *in = json_pack("{s:s}", "object", object);
	int code = EXIT_CANNOT;
	json_auto_t *answer =
		in ? admin_call_json(EXPORT_WHAT, e->from.config, "/audit/export", in, &code)
		   : NULL;

	if (answer) {
		buf_str(out, json_text_in(answer, "manifest"));
		code = out->n ? 0
			      : cmd_fail(EXPORT_WHAT,
					"the daemon's response has no manifest: check that "
					"daemon and program have the same version");
	}
	return code;
}

int
export_manifest(struct export *e, const unsigned char hash[SHA256_BYTES], struct buf *out)
{
	char *object = object_of(e, hash);
	struct signkey key = { .pub = { .id = "" } };
	int code = 0;

	SCOPED_BUF(why, 4096);
	json_auto_t *o = object ? export_object(span_str(object), &why) : NULL;
	if (!o)
		code = cmd_fail(EXPORT_WHAT, "the manifest cannot be made: %.*s",
			SPAN_ARG(
				why.n ? buf_view(&why)
				      : SPAN_LIT("a name is not UTF-8, or memory is exhausted")));
	else if (!e->key)
		code = ask_daemon(e, object, out);
	else if (!(code = open_key(e, &key)))
		export_sign(out, span_str(object), &key);
	if (e->key)
		signkey_wipe(&key);
	free(object);
	return code;
}
