/* The keyed hash of a text that is searched for. The daemon makes it, and records who asked;
 * where it is away whoever may read the key's file makes it himself, which nobody records. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/search/search.h"
#include "config/config.h"
#include "store/keyfile.h"

#define TEXT_MAX (64u << 20)

/* A value of the term, in the arena. */
static int
want(struct audit_args *a, struct search *q, struct span hex)
{
	struct search_want *w = &q->want[RT_TEXT_HASH];
	struct span kept = arena_printf(&a->arena, "%.*s", SPAN_ARG(hex));

	if (!kept.p || w->n == SEARCH_VALUES)
		return cmd_fail(SEARCH_WHAT, "more than %d texts", SEARCH_VALUES);
	w->value[w->n++] = kept.p;
	return 0;
}

static int
hash_with(struct audit_args *a, struct search *q, const struct hashkey *key, struct span text)
{
	unsigned char hash[SHA256_BYTES];
	struct buf hex;

	hmac_sha256(key->key, text, hash);
	buf_init(&hex, 256);
	buf_hex(&hex, hash, sizeof(hash));
	int code = want(a, q, buf_view(&hex));
	buf_free(&hex);
	return code;
}

static int
by_files(struct audit_args *a, struct search *q, struct span text, const char *const *files,
	size_t n)
{
	struct hashkey key;
	struct buf why;
	int code = 0;

	buf_init(&why, 8192);
	for (size_t i = 0; i < n && !code; i++)
		code = hashkey_load(files[i], &key, &why)
			       ? cmd_fail(SEARCH_WHAT, "--hash-key: %.*s",
					 SPAN_ARG(buf_view(&why)))
			       : hash_with(a, q, &key, text);
	explicit_bzero(&key, sizeof(key));
	buf_free(&why);
	return code;
}

static int
by_daemon(struct audit_args *a, struct search *q, struct span text)
{
	json_t *in = json_pack("{s:s%}", "text", text.p ? text.p : "", text.n);
	int code = 0;

	if (!in)
		return cmd_fail(SEARCH_WHAT, "the daemon takes texts in UTF-8 only");
	json_t *answer = admin_call_json(SEARCH_WHAT, a->config, "/audit/text", in, &code);
	if (answer)
		code = want(a, q, span_str(json_text_in(answer, "id")));
	json_decref(answer);
	json_decref(in);
	return code;
}

/* The configured key, which the daemon's user may read, and root. */
static int
by_configured(struct audit_args *a, struct search *q, struct span text)
{
	const char *file = config_find(a->config);
	struct diag d = { 0 };
	const struct config *cfg = file ? config_load(&a->arena, file, &d) : NULL;
	struct hashkey key = { .derived = false };
	struct buf why;
	int err = ERR_NOTFOUND;

	buf_init(&why, 8192);
	if (cfg && cfg->audit_hash_key)
		err = hashkey_load(cfg->audit_hash_key, &key, &why);
	else if (cfg && cfg->audit_key)
		err = hashkey_derive(cfg->audit_key, &key, &why);
	int code = err ? EXIT_CANNOT : hash_with(a, q, &key, text);
	if (err)
		cmd_fail(SEARCH_WHAT, "and the key cannot be read: %.*s",
			SPAN_ARG(buf_view(&why)));
	else
		fprintf(stderr, "tollgate: " SEARCH_WHAT
				": searched with the key's file: no record says so\n");
	explicit_bzero(&key, sizeof(key));
	buf_free(&why);
	return code;
}

static int
one(struct audit_args *a, struct search *q, struct span text, const char *const *files,
	size_t n)
{
	if (n)
		return by_files(a, q, text, files, n);
	return by_daemon(a, q, text) ? by_configured(a, q, text) : 0;
}

int
search_texts(struct audit_args *a, struct search *q, const struct search_texts *t)
{
	int code = 0;

	for (size_t i = 0; i < t->ntexts && !code; i++)
		code = one(a, q, span_str(t->text[i]), t->key, t->nkeys);
	for (size_t i = 0; i < t->nfiles && !code; i++) {
		struct buf b;
		buf_init(&b, TEXT_MAX);
		if (strcmp(t->file[i], "-") ? cmd_read_file(t->file[i], &b)
					    : cmd_read_stdin(&b))
			code = cmd_fail(SEARCH_WHAT, "--text-file %s: %s", t->file[i],
				buf_failed(&b) ? "too long" : strerror(errno));
		else
			code = one(a, q, buf_view(&b), t->key, t->nkeys);
		buf_free(&b);
	}
	return code;
}
