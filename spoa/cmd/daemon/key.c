/* tollgate key: makes, changes, rotates, revokes and lists API keys.
 *
 * Without --live, the commands change the file of API keys that the policy names. The file
 * is changed under a lock and replaced as a whole, so that readers see the old or the new
 * file. With --live, the commands call the running daemon, which keeps keys of its own. The
 * text of a new key is printed once, on standard output; only its hash is stored. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "cmd/alone.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/key.h"
#include "policy/advice/keys.h"
#include "policy/config/config.h"
#include "policy/identity/apikeys.h"
#include "policy/identity/identity.h"
#include "policy/identity/keylimits.h"
#include "policy/identity_entry.h"
#include "policy/policy.h"

/* The keys of the file, and the descriptor of the lock that keeps the file from changing;
 * -1: not locked. */
struct key_file {
	int lock;
	struct apikeys *keys;
};

/* Locks a second file next to the key file, because the key file itself is replaced. */
static int
lock_key_file(const char *file)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s.lock", file);
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void
put_key_time(struct buf *b, const char *name, int64_t wall_ns)
{
	char when[CLOCK_SECOND_LEN];

	if (!wall_ns)
		return;
	clock_second(wall_ns, when);
	buf_printf(b, ", %s: %s", name, when);
}

static void
put_key(struct buf *b, struct apikey *k)
{
	buf_printf(b, "  - {id: \"%s\", sha256: \"", k->id);
	buf_hex(b, k->sha256, sizeof(k->sha256));
	buf_putc(b, '"');
	for (size_t i = 1; i < APIKEY_TEXTS; i++) {
		const char *value = *apikey_text(k, i);
		if (!value || !value[0])
			continue;
		buf_printf(b, ", %s: ", apikey_texts[i].name);
		buf_json_str(b, span_str(value)); /* a JSON string is also a double-quoted YAML
						   * scalar */
	}
	for (size_t i = 0; i < APIKEY_LISTS; i++) {
		for (size_t v = 0; v < *apikey_count(k, i); v++) {
			buf_printf(b, v ? ", " : ", %s: [", apikey_lists[i].name);
			buf_json_str(b, span_str((*apikey_list(k, i))[v]));
		}
		buf_str(b, *apikey_count(k, i) ? "]" : "");
	}
	if (k->clearance)
		buf_printf(b, ", clearance: %lld", (long long)k->clearance);
	put_key_time(b, "created", k->created_ns);
	put_key_time(b, "expires", k->expires_ns);
	put_key_time(b, "revoked", k->revoked_ns);
	buf_str(b, "}\n");
}

static struct apikeys *
key_file_load(const char *file, bool may_be_missing)
{
	struct stat st;

	if (may_be_missing && stat(file, &st) < 0 && errno == ENOENT)
		return calloc(1, sizeof(struct apikeys));
	SCOPED_DIAG(d);
	struct apikeys *k = apikeys_load(file, &d);
	if (!k)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
	return k;
}

static bool
key_file_open(struct key_file *f, const char *file, bool may_be_missing)
{
	f->lock = lock_key_file(file);
	f->keys = f->lock < 0 ? NULL : key_file_load(file, may_be_missing);
	if (f->lock < 0)
		cmd_fail(file, "%s", strerror(errno));
	return f->keys != NULL;
}

static void
key_file_close(struct key_file *f)
{
	apikeys_free(&f->keys);
	scoped_fd_close(&f->lock);
}

static int
key_file_save(const char *file, const struct apikeys *keys, struct apikey *extra)
{
	char made[PATH_MAX + sizeof(REPLACE_SUFFIX)];
	struct apikeys *again = NULL;

	SCOPED_BUF(b, 0);
	SCOPED_BUF(why, 8192);
	buf_str(&b, "# API keys of tollgate, hashed. Written by `tollgate key`; the daemon "
		    "reads it at\n"
		    "# start and when it changes.\nkeys:\n");
	for (size_t i = 0; i < keys->n; i++)
		put_key(&b, &keys->keys[i]);
	if (extra)
		put_key(&b, extra);
	snprintf(made, sizeof(made), "%s" REPLACE_SUFFIX, file);
	SCOPED_FD(fd, replace_begin(AT_FDCWD, file, 0640, &why));
	int err = fd < 0 ? fd : 0;
	if (!err)
		err = buf_failed(&b) ? ERR_NOMEM : replace_write(fd, file, buf_view(&b), &why);
	/* The new file replaces the old one only if it can be read as the daemon reads it. */
	if (!err && !(again = key_file_load(made, false)))
		err = ERR_SYNTAX;
	if (!err)
		err = replace_place(AT_FDCWD, file, fd, &why);
	else if (fd >= 0)
		replace_drop(AT_FDCWD, file);
	/* key_file_load() has printed the syntax error */
	cmd_failed("key", err == ERR_SYNTAX ? 0 : err, &why);
	apikeys_free(&again);
	return err ? EXIT_CANNOT : EXIT_DONE;
}

/* ---- keys of the running daemon: key --live ---- */

/* The options of `tollgate key --live`. All pointers are borrowed from argv. */
struct key_live {
	struct admin_cmd c;
	const struct apikey *key; /* texts of the key; NULL: not given; "": remove the value */
	const char *lists[APIKEY_LISTS], *ttl, *until, *clearance, *overlap;
};

/* Adds a text parameter; "" becomes null, which removes the value. */
static void
give_key_text(struct admin_cmd *c, const char *name, const char *text)
{
	if (text)
		admin_give(c, name, *text ? json_string(text) : json_null());
}

static bool
key_list_whole(const char *what, const char *text)
{
	struct span rest = span_str(text);
	bool more = rest.n > 0, whole = true;

	while (more) {
		size_t comma = span_chr(rest, ',');
		more = comma < rest.n;
		whole &= span_trim(span_cut(rest, 0, comma), " ").n > 0;
		rest = span_cut(rest, comma + 1, rest.n);
	}
	if (!whole)
		cmd_fail("key",
			"--%s \"%s\": a name is missing: give NAME or NAME,NAME, or omit "
			"the option",
			what, text);
	return whole;
}

static void
give_key(struct key_live *k, const char *id)
{
	struct apikey key = *k->key;
	struct admin_cmd *c = &k->c;
	int64_t n;

	for (size_t i = 0; i < APIKEY_LISTS && !c->wrong; i++)
		c->wrong = k->lists[i] && !key_list_whole(apikey_lists[i].name, k->lists[i]);
	if (c->wrong)
		return;
	for (size_t i = 1; i < APIKEY_GIVEN; i++)
		give_key_text(c, apikey_texts[i].name, *apikey_text(&key, i));
	for (size_t i = 0; i < APIKEY_LISTS; i++) /* "a, b" becomes a list; "" becomes null */
		if (k->lists[i])
			admin_give(c, apikey_lists[i].name,
				span_trim(span_str(k->lists[i]), ", ").n
					? admin_texts(k->lists[i])
					: json_null());
	give_key_text(c, "id", id);
	give_key_text(c, "ttl", k->ttl);
	give_key_text(c, "overlap", k->overlap);
	admin_give_end(c, "expires", k->until);
	if (k->clearance && !c->wrong) {
		c->wrong = !cmd_whole("key", "clearance", k->clearance, &n);
		admin_give(c, "clearance", json_integer(n));
	}
}

static int
change_key(struct key_live *k, const char *page, const char *id, const char *done)
{
	k->c.in = json_object();
	give_key(k, id);
	json_auto_t *answer = admin_answer(&k->c, page);
	if (answer) {
		bool taken = !json_is_false(json_object_get(answer, "taken"));
		k->c.code = admin_changed("key", answer, taken ? done : "is kept");
		if (!taken)
			fputs("tollgate: key: the policy in force has no identity entry "
			      "with api_key, so requests with this key get 401: add one to "
			      "the policy\n",
				stderr);
		const char *models = json_str_in(answer, "unknown_models");
		if (models)
			fprintf(stderr, "tollgate: key: models: %s\n", models);
		const char *text = json_str_in(answer, "key");
		if (text && k->c.json)
			printf("{\"id\":\"%s\",\"key\":\"%s\"}\n", json_str_in(answer, "id"),
				text);
		else if (text) {
			fputs("Shown only now:\n", stderr);
			printf("%s\n", text);
		}
	}
	return k->c.code;
}

/* clang-format off */
static const struct admin_column key_columns[] = {
	{ "ID",      10, "id", .none = "?" },
	{ "PERSON",  24, "person", .none = "-" },
	{ "TEAM",    16, .name = "team" },
	{ "CREATED", 22, "created", .none = "-" },
	{ "EXPIRES", 22, "expires", .none = "never" },
	{ "STATE",    0, "state", .none = "?", .bare = true },
	{ .heading = NULL },
};
static const struct {
	const char *verb;
	int operands;
	const char *page, *done;
} key_verbs[] = {
	{ "new",    1, "/keys/new",    "is in force" },
	{ "change", 2, "/keys/change", "is changed" },
	{ "rotate", 2, "/keys/rotate", "takes its place" },
	{ "revoke", 2, "/keys/revoke", "is revoked" },
};
/* clang-format on */

static int
key_at_run_time(struct key_live *k, int n, char **operands)
{
	static const struct admin_list list = { "/keys", "keys", key_columns,
		"no key can be made" };

	k->c.what = "key";
	if (!strcmp(operands[0], "list") && n == 1)
		return admin_list(&k->c, &list);
	for (size_t i = 0; i < COUNT_OF(key_verbs); i++)
		if (!strcmp(operands[0], key_verbs[i].verb) && n == key_verbs[i].operands)
			return change_key(k, key_verbs[i].page, n == 2 ? operands[1] : NULL,
				key_verbs[i].done);
	return -1;
}

/* ---- keys of the file ---- */

enum { ROLES_MAX = 64, ID_MAX = 32 };
/* the daemon watches this file */
#define IN_FORCE "In force within a second."

/* The options of the command. */
struct key_args {
	const char *file;
	struct apikey key; /* the texts of the options of `new` */
	struct key_live o;
};

/* Returns true if the text is NULL, or if a listing, a record and a header field can show
 * it on one line. */
static bool
is_key_name(const char *s)
{
	struct span all = span_str(s);

	return !s || (all.n && span_past(all, 0, is_in_line) == all.n && utf8_valid(all));
}

/* Splits "a, b" into at most ROLES_MAX texts in the arena. */
static bool
split_key_list(struct arena *a, const char *what, const char *text, const char **v, size_t *n)
{
	struct span rest = span_str(text);

	if (!key_list_whole(what, text))
		return false;
	while (rest.n && *n < ROLES_MAX)
		v[(*n)++] = arena_dup(a, span_trim(span_next(&rest, ','), " ")).p;
	if (rest.n)
		cmd_fail("key", "--%s: more than %d", what, ROLES_MAX);
	return rest.n == 0;
}

bool
key_id_given(const char *what, const char *id)
{
	struct span s = span_str(id), rest = s, key;
	size_t at = 0;

	while (at + 3 <= s.n && !span_ieq(span_cut(s, at, at + 3), SPAN_LIT("tg_")))
		at++;
	bool whole = apikey_next(&rest, &key), part = s.n > ID_MAX || at + 3 <= s.n;
	if (whole)
		cmd_fail(what,
			"this is a whole key: give only its ID, %.*s. The key is now in your "
			"shell's history; revoke it if others can read that",
			SPAN_ARG(apikey_id(key)));
	else if (part)
		cmd_fail(what,
			"this is a key or a part of one: give its ID, the part between tg_ "
			"and the next _");
	return !whole && !part;
}

/* Returns the key with this id, for the verb `verb`. Returns NULL after a message, with
 * *code EXIT_CANNOT for an invalid id and EXIT_NO if the file has no such key. */
static struct apikey *
key_file_find(struct key_file *f, const char *file, const char *verb, const char *id, int *code)
{
	*code = key_file_open(f, file, false) ? EXIT_NO : EXIT_CANNOT;
	struct apikey *k = f->keys ? apikeys_by_id(f->keys, span_str(id)) : NULL;

	if (f->keys && !k)
		fprintf(stderr,
			"tollgate: key %s: %s: no such key in %s. For a key that the "
			"running daemon keeps: tollgate key %s --live %s\n",
			verb, id, file, verb, id);
	return k;
}

/* Adds *k with a fresh id and a fresh key text, and prints the text. `keys` are the keys in
 * the file. */
static int
add_key(const char *file, const struct apikeys *keys, struct apikey *k)
{
	char id[APIKEY_ID_LEN + 1], text[80];

	apikey_make(id, text, k->sha256);
	k->id = id;
	int code = key_file_save(file, keys, k);
	if (code == EXIT_DONE) {
		printf("%s\n", text);
		fprintf(stderr,
			"tollgate: key %s of %s is in %s. It is shown only "
			"now. " IN_FORCE "\n",
			id, k->person, file);
	}
	sodium_memzero(text, sizeof(text));
	k->id = NULL;
	return code;
}

static bool
limits_fit(const struct apikey *k)
{
	struct limit l;

	if (k->nlimits > KEY_LIMITS_MAX)
		cmd_fail("key", "--limits: give at most %d", KEY_LIMITS_MAX);
	for (size_t i = 0; i < k->nlimits; i++) {
		const char *wrong = key_limit_read(span_str(k->limits[i]), &l);
		if (wrong) {
			cmd_fail("key", "--limits %s: %s", k->limits[i], wrong);
			return false;
		}
	}
	return k->nlimits <= KEY_LIMITS_MAX;
}

static int
key_new(const struct key_args *args)
{
	struct apikey k = args->key;
	const char *names[APIKEY_LISTS][ROLES_MAX];
	bool named = true, fits = true;

	if (!k.person)
		return cmd_fail("key new", "--person is missing: name the person that the "
					   "key authenticates");
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		named = named && is_key_name(args->o.lists[i]);
	for (size_t i = 0; i < APIKEY_GIVEN; i++)
		named = named && is_key_name(*apikey_text(&k, i));
	if (!named)
		return cmd_fail(
			"key new", "a name is empty, is not UTF-8 or contains control "
				   "characters");
	k.created_ns = clock_wall_ns();
	if (!cmd_end_given("key", args->o.ttl, args->o.until, k.created_ns, &k.expires_ns))
		return EXIT_CANNOT;
	if (args->o.clearance &&
		!cmd_whole("key new", "clearance", args->o.clearance, &k.clearance))
		return EXIT_CANNOT;
	SCOPED_ARENA(a, 0, false);
	for (size_t i = 0; i < APIKEY_LISTS; i++) {
		*apikey_list(&k, i) = names[i];
		fits = fits && split_key_list(&a, apikey_lists[i].name, args->o.lists[i],
				       names[i], apikey_count(&k, i));
	}
	int code = EXIT_CANNOT;
	if (fits && limits_fit(&k)) {
		struct key_file f;
		if (key_file_open(&f, args->file, true))
			code = add_key(args->file, f.keys, &k);
		key_file_close(&f);
	}
	return code;
}

/* Makes a new key for the same person, rights and lifetime. Both keys draw on one counter of
 * each of their limits, so that a rotation gives nobody more. The old key works until the
 * overlap ends. */
static int
key_rotate(const struct key_args *args, const char *id)
{
	uint64_t overlap_us = 24ull * 3600 * 1000000;
	int64_t now = clock_wall_ns(), given = 0;

	if (!cmd_ttl("key", "overlap", args->o.overlap, 0, &overlap_us) ||
		!cmd_end_given("key", args->o.ttl, args->o.until, now, &given))
		return EXIT_CANNOT;
	struct key_file f;
	int code;
	struct apikey *old = key_file_find(&f, args->file, "rotate", id, &code);
	if (old && !apikey_live(old, now)) {
		fprintf(stderr, "tollgate: key rotate: %s has expired or is revoked: make "
				"a new key with tollgate key new\n", id);
	} else if (old) {
		struct apikey next = *old;
		next.counts_as = apikey_counts_as(old);
		int64_t end = now + (int64_t)overlap_us * 1000;
		next.created_ns = now;
		next.expires_ns = given ? given
				  : old->expires_ns && old->created_ns
					  ? now + (old->expires_ns - old->created_ns)
					  : old->expires_ns;
		if (!old->expires_ns || old->expires_ns > end)
			old->expires_ns = end;
		code = add_key(args->file, f.keys, &next);
	}
	key_file_close(&f);
	return code;
}

static int
key_list(const struct key_args *args)
{
	struct apikeys *keys = key_file_load(args->file, false);
	int64_t now = clock_wall_ns();

	if (!keys)
		return EXIT_CANNOT;
	printf("%-10s %-24s %-16s %-22s %-22s %s\n", "ID", "PERSON", "TEAM", "CREATED",
		"EXPIRES", "STATE");
	for (size_t i = 0; i < keys->n; i++) {
		const struct apikey *k = &keys->keys[i];
		char created[CLOCK_SECOND_LEN] = "-", expires[CLOCK_SECOND_LEN] = "never";
		if (k->created_ns)
			clock_second(k->created_ns, created);
		if (k->expires_ns)
			clock_second(k->expires_ns, expires);
		printf("%-10s %-24s %-16s %-22s %-22s %s\n", k->id, k->person, k->team, created,
			expires,
			apikey_live(k, now) ? "live"
			: k->revoked_ns	    ? "revoked"
					    : "expired");
	}
	apikeys_free(&keys);
	return EXIT_DONE;
}

static int
key_revoke(const struct key_args *args, const char *id)
{
	struct key_file f;
	int code;
	struct apikey *k = key_file_find(&f, args->file, "revoke", id, &code);

	if (k) {
		if (!k->revoked_ns)
			k->revoked_ns = clock_wall_ns();
		code = key_file_save(args->file, f.keys, NULL);
		if (code == EXIT_DONE)
			fprintf(stderr, "tollgate: key %s is revoked in %s. " IN_FORCE "\n", id,
				args->file);
	}
	key_file_close(&f);
	return code;
}

/* Sets args->file to the key file of the configured policy. */
static int
file_of_policy(struct key_args *args, const char *config, struct policy_alone *policy)
{
	if (!config_find(config)) {
		if (config || errno != ENOENT)
			return cmd_no_config("key", config, ", or name the file with --keys");
		args->file = "keys.yaml";
		return EXIT_DONE;
	}
	if (!policy_alone_load(policy, "key", config, NULL)) {
		fputs("tollgate: key: to change the keys before the policy is correct, name "
		      "their file with --keys\n",
			stderr);
		return EXIT_CANNOT;
	}
	for (size_t i = 0; i < policy->p->nidentities && !args->file; i++)
		if (policy->p->identities[i].kind == ID_API_KEY)
			args->file = policy->p->identities[i].keys_file;
	if (!args->file)
		return cmd_fail("key", "policy %s has no identity entry with api_key: name "
				       "a file with --keys",
			policy->p->label);
	return EXIT_DONE;
}

/* Warns about a limit in dollars that would refuse every request of the key, because the
 * policy has no prices. Loads the policy if that has not been done. */
static void
warn_unpriced(const char *limits, const char *config, struct policy_alone *policy)
{
	if (!limits || !strstr(limits, "usd=") ||
		(!policy->p && (!config_find(config) ||
				       !policy_alone_load(policy, "key", config, NULL))))
		return;
	if (!policy->p->prices && !policy->p->unknown_price)
		fprintf(stderr,
			"tollgate: key: --limits %s: the policy %s has no prices, so each "
			"request to which the usd limit applies gets 403 price_unknown. "
			"Add prices or unknown_price to the policy.\n",
			limits, policy->p->label);
}

/* Returns true if an identity entry of the policy names this file of API keys. */
static bool
is_file_of_policy(const struct policy *p, const char *file)
{
	char ours[PATH_MAX], theirs[PATH_MAX];

	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		if (e->kind != ID_API_KEY)
			continue;
		if (!strcmp(e->keys_file, file) || (realpath(e->keys_file, theirs) &&
							   realpath(file, ours) &&
							   !strcmp(ours, theirs)))
			return true;
	}
	return false;
}

/* Compares the scopes and models of a new key with the policy that accepts the keys of the file.
 * Returns false after a message if a scope is no route of the policy. Loads the policy if that
 * has not been done. If no policy names the file, reports that nothing was compared. */
static bool
rights_fit_policy(const struct key_args *args, struct policy_alone *policy)
{
	struct span scopes = span_str(args->o.lists[1] ? args->o.lists[1] : ""),
		    models = span_str(args->o.lists[2] ? args->o.lists[2] : "");
	SCOPED_BUF(why, 1024);

	if (!scopes.n && !models.n)
		return true;
	if (!policy->p && config_find(args->o.c.config) &&
		!policy_alone_load(policy, "key", args->o.c.config, NULL))
		return false;
	if (!policy->p || !is_file_of_policy(policy->p, args->file)) {
		fprintf(stderr,
			"tollgate: key: --scopes and --models were not compared with a policy, "
			"because no configured policy names %s: run tollgate check\n",
			args->file);
		return true;
	}
	while (scopes.n) {
		if (!policy_key_scope(policy->p, span_trim(span_next(&scopes, ','), " "), &why)) {
			cmd_fail("key new", "--scopes: %.*s", SPAN_ARG(buf_view(&why)));
			return false;
		}
	}
	while (models.n) {
		buf_clear(&why);
		if (!policy_key_model(policy->p, span_trim(span_next(&models, ','), " "), &why))
			fprintf(stderr, "tollgate: key: --models: %.*s\n",
				SPAN_ARG(buf_view(&why)));
	}
	return true;
}

/* Runs the verb on the key file. Returns -1 if there is no such verb. */
static int
in_file(struct key_args *args, struct policy_alone *policy, int n, char **operands)
{
	const char *verb = operands[0];

	if (sodium_init() < 0)
		return cmd_fail("key", "libsodium cannot be initialized");
	int code = args->file ? EXIT_DONE : file_of_policy(args, args->o.c.config, policy);
	if (code != EXIT_DONE)
		return code;
	if (!strcmp(verb, "new") && n == 1)
		return rights_fit_policy(args, policy) ? key_new(args) : EXIT_CANNOT;
	if (!strcmp(verb, "list") && n == 1)
		return key_list(args);
	if (!strcmp(verb, "rotate") && n == 2)
		return key_rotate(args, operands[1]);
	if (!strcmp(verb, "revoke") && n == 2)
		return key_revoke(args, operands[1]);
	return -1;
}

int
cmd_key(int argc, char **argv)
{
	struct key_args args = { .file = NULL };
	struct key_live *o = &args.o;
	bool at_run_time = false;
	const struct cmd_option options[] = {
		ADMIN_OPTIONS(&o->c),
		{ "keys", .text = &args.file },
		{ "person", .text = &args.key.person },
		{ "owner", .text = &args.key.owner },
		{ "roles", .text = &o->lists[0] }, /* in the order of apikey_lists */
		{ "scopes", .text = &o->lists[1] },
		{ "models", .text = &o->lists[2] },
		{ "limits", .text = &o->lists[3] },
		{ "live", .flag = &at_run_time },
		{ "overlap", .text = &o->overlap },
		{ "team", .text = &args.key.team },
		{ "department", .text = &args.key.department },
		{ "tier", .text = &args.key.tier },
		{ "agent", .text = &args.key.agent },
		{ "clearance", .text = &o->clearance },
		{ "ttl", .text = &o->ttl },
		{ "until", .text = &o->until },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n < 1)
		return cmd_usage(argv[0]);
	for (int i = 1; i < n; i++)
		if (!key_id_given("key", operands[i]))
			return EXIT_CANNOT;
	if (o->ttl && o->until)
		return cmd_fail("key", "give --ttl or --until, not both");
	if (!at_run_time &&
		(o->c.by || o->c.reason || o->c.json || !strcmp(operands[0], "change")))
		return cmd_fail("key", "change, --by, --reason and --json need --live");
	if (at_run_time && args.file)
		return cmd_fail("key", "--live keys are not in a file: omit --keys, or "
				       "omit --live");
	o->key = &args.key;
	struct policy_alone policy = { .p = NULL };
	int code = at_run_time ? key_at_run_time(o, n, operands)
			       : in_file(&args, &policy, n, operands);
	if (code == EXIT_DONE)
		warn_unpriced(o->lists[3], o->c.config, &policy);
	policy_alone_free(&policy);
	return code < 0 ? cmd_usage(argv[0]) : code;
}
