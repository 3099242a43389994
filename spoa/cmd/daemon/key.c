/* tollgate key new|list|rotate|revoke: the file of API keys. A key's text is printed
 * once, at `new`, on standard output; the file holds its hash. With --live they are the
 * running daemon's: key_live.c. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/utf8.h"
#include "cmd/alone.h"
#include "cmd/cmd.h"
#include "cmd/daemon/key.h"
#include "cmd/daemon/key_file.h"
#include "policy/config/read.h"
#include "policy/identity/apikeys.h"
#include "policy/identity/identity.h"
#include "policy/identity/keylimits.h"

enum { ROLES_MAX = 64, ID_MAX = 32 };
#define TTL_MIN_US 1000000ull
/* A daemon that reads this file watches it. */
#define IN_FORCE   "In force within a second; with policy_watch: false at the next reload."
#define TTL_MAX_US (36500ull * 86400 * 1000000)

struct key_args {
	const char *file, *roles, *scopes, *models, *limits, *ttl, *until, *clearance, *overlap;
	struct apikey key; /* its texts, for `new` */
};

/* What a listing, a record and a header can show on one line; or not given. */
static bool
is_key_name(const char *s)
{
	for (const char *p = s; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return !s || (*s && utf8_valid(span_str(s)));
}

bool
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
			"--%s \"%s\": a name is missing: NAME or NAME,NAME is expected, or "
			"leave "
			"the option out",
			what, text);
	return whole;
}

/* "a, b" to at most ROLES_MAX texts in the arena. */
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

static bool
read_ttl(const char *what, const char *text, uint64_t min_us, uint64_t *us)
{
	if (!text ||
		(duration_parse(span_str(text), us) == 0 && *us >= min_us && *us <= TTL_MAX_US))
		return true;
	cmd_fail("key", "--%s %s: give a duration up to 36500d, such as 90d", what, text);
	return false;
}

/* When a key ends by --ttl or --until; as it was where neither is given. False after a message.
 */
static bool
read_end(const struct key_args *args, int64_t now, int64_t *end_ns)
{
	char full[CMD_END_LEN];
	uint64_t us = 0;
	int64_t ns;

	if (!args->until || duration_parse(span_str(args->until), &us) == 0) {
		if (!read_ttl(args->until ? "until" : "ttl",
			    args->until ? args->until : args->ttl, TTL_MIN_US, &us))
			return false;
		if (us)
			*end_ns = now + (int64_t)us * 1000;
		return true;
	}
	if (!cmd_end("key", args->until, full, &ns))
		return false;
	if (ns <= now) {
		cmd_fail("key", "--until %s: is over", args->until);
		return false;
	}
	*end_ns = ns;
	return true;
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
			"this is a whole key; its ID is expected: %.*s. Whoever reads your shell's "
			"history has it now",
			SPAN_ARG(apikey_id(key)));
	else if (part)
		cmd_fail(what,
			"this is a key or a part of one; its ID is expected, the part between tg_ "
			"and the next _");
	return !whole && !part;
}

/* The key of that id, which `verb` needs; NULL with EXIT_CANNOT or, where the file has none,
 * EXIT_NO in *code, after a message. */
static struct apikey *
key_file_find(struct key_file *f, const char *file, const char *verb, const char *id, int *code)
{
	*code = key_file_open(f, file, false) ? EXIT_NO : EXIT_CANNOT;
	struct apikey *k = f->keys ? apikeys_by_id(f->keys, span_str(id)) : NULL;

	if (f->keys && !k)
		fprintf(stderr,
			"tollgate: key %s: %s: no such key in %s. One that the running daemon keeps "
			"needs --live: tollgate key %s --live %s\n",
			verb, id, file, verb, id);
	return k;
}

/* Adds *k under a fresh id and text, which is shown; `keys` is what the file holds. */
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
			"tollgate: key %s of %s is in %s; this is the only time it is "
			"shown. " IN_FORCE "\n",
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
		cmd_fail("key", "--limits: more than %d", KEY_LIMITS_MAX);
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
	const char *roles[ROLES_MAX], *scopes[ROLES_MAX], *models[ROLES_MAX],
		*limits[ROLES_MAX];
	struct arena a;

	if (!k.person)
		return cmd_fail("key new", "--person is missing: whose key is it?");
	bool named = is_key_name(args->roles) && is_key_name(args->scopes) &&
		     is_key_name(args->models) && is_key_name(args->limits);
	for (size_t i = 0; i < APIKEY_TEXTS; i++)
		named = named && is_key_name(*apikey_text(&k, i));
	if (!named)
		return cmd_fail(
			"key new", "a name is empty, not UTF-8 or holds control characters");
	k.created_ns = clock_wall_ns();
	if (!read_end(args, k.created_ns, &k.expires_ns))
		return EXIT_CANNOT;
	if (args->clearance &&
		!cmd_whole("key new", "clearance", args->clearance, &k.clearance))
		return EXIT_CANNOT;
	arena_init(&a, 0, false);
	k.roles = roles;
	k.scopes = scopes;
	k.models = models;
	k.limits = limits;
	if (!split_key_list(&a, "roles", args->roles, roles, &k.nroles) ||
		!split_key_list(&a, "scopes", args->scopes, scopes, &k.nscopes) ||
		!split_key_list(&a, "models", args->models, models, &k.nmodels) ||
		!split_key_list(&a, "limits", args->limits, limits, &k.nlimits) ||
		!limits_fit(&k)) {
		arena_reset(&a);
		return EXIT_CANNOT;
	}
	struct key_file f;
	int code = key_file_open(&f, args->file, true) ? add_key(args->file, f.keys, &k)
						       : EXIT_CANNOT;
	key_file_close(&f);
	arena_reset(&a);
	return code;
}

/* A new key for the same person, rights and lifetime; the old one passes until the
 * overlap is over. */
static int
key_rotate(const struct key_args *args, const char *id)
{
	uint64_t overlap_us = 24ull * 3600 * 1000000;
	int64_t now = clock_wall_ns(), given = 0;

	if (!read_ttl("overlap", args->overlap, 0, &overlap_us) || !read_end(args, now, &given))
		return EXIT_CANNOT;
	struct key_file f;
	int code;
	struct apikey *old = key_file_find(&f, args->file, "rotate", id, &code);
	if (old && !apikey_live(old, now)) {
		fprintf(stderr, "tollgate: key rotate: %s is not live: make a new one\n", id);
	} else if (old) {
		struct apikey next = *old;
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
	fputs(KEY_LIST_HEAD, stdout);
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

/* The keys that the configured policy reads. */
static int
file_of_policy(struct key_args *args, const char *config, struct policy_alone *policy)
{
	if (!config_find(config)) {
		if (config || errno != ENOENT)
			return cmd_no_config("key", config, ", or the file with --keys");
		args->file = "keys.yaml";
		return EXIT_DONE;
	}
	if (!policy_alone_load(policy, "key", config, NULL))
		return EXIT_CANNOT;
	for (size_t i = 0; i < policy->p->nidentities && !args->file; i++)
		if (policy->p->identities[i].kind == ID_API_KEY)
			args->file = policy->p->identities[i].keys_file;
	if (!args->file)
		return cmd_fail("key", "policy %s knows no api_key: name a file with --keys",
			policy->p->label);
	return EXIT_DONE;
}

/* A limit in dollars that would refuse each request of the key: nothing has a price. The policy
 * is read where it was not yet. */
static void
warn_unpriced(const char *limits, const char *config, struct policy_alone *policy)
{
	if (!limits || !strstr(limits, "usd=") ||
		(!policy->p && (!config_find(config) ||
				       !policy_alone_load(policy, "key", config, NULL))))
		return;
	if (!policy->p->prices && !policy->p->unknown_price)
		fprintf(stderr,
			"tollgate: key: --limits %s: the policy %s has no prices: where usd "
			"applies each request is a 403 price_unknown. Give it prices or "
			"unknown_price.\n",
			limits, policy->p->label);
}

/* -1: no such verb. */
static int
in_file(struct key_args *args, const char *config, struct policy_alone *policy, int n,
	char **operands)
{
	const char *verb = operands[0];

	if (sodium_init() < 0)
		return cmd_fail("key", "libsodium does not start");
	int code = args->file ? EXIT_DONE : file_of_policy(args, config, policy);
	if (code != EXIT_DONE)
		return code;
	if (!strcmp(verb, "new") && n == 1)
		return key_new(args);
	if (!strcmp(verb, "list") && n == 1)
		return key_list(args);
	if (!strcmp(verb, "rotate") && n == 2)
		return key_rotate(args, operands[1]);
	if (!strcmp(verb, "revoke") && n == 2)
		return key_revoke(args, operands[1]);
	return -1;
}

static int
in_daemon(struct key_live *live, struct key_args *args, int n, char **operands)
{
	if (args->file)
		return cmd_fail("key", "--live has no file: --keys is for one");
	live->ttl = args->ttl;
	live->until = args->until;
	live->overlap = args->overlap;
	live->clearance = args->clearance;
	live->key = &args->key;
	live->lists[0] = args->roles;
	live->lists[1] = args->scopes;
	live->lists[2] = args->models;
	live->lists[3] = args->limits;
	return key_at_run_time(live, n, operands);
}

int
cmd_key(int argc, char **argv)
{
	struct key_args args = { .file = NULL };
	struct key_live live = { .json = false };
	const char *config = NULL;
	bool at_run_time = false;
	const struct cmd_option options[] = {
		{ "keys", .text = &args.file },
		{ "c", .text = &config },
		{ "person", .text = &args.key.person },
		{ "owner", .text = &args.key.owner },
		{ "scopes", .text = &args.scopes },
		{ "models", .text = &args.models },
		{ "limits", .text = &args.limits },
		{ "live", .flag = &at_run_time },
		{ "by", .text = &live.by },
		{ "reason", .text = &live.reason },
		{ "json", .flag = &live.json },
		{ "overlap", .text = &args.overlap },
		{ "team", .text = &args.key.team },
		{ "department", .text = &args.key.department },
		{ "tier", .text = &args.key.tier },
		{ "agent", .text = &args.key.agent },
		{ "roles", .text = &args.roles },
		{ "clearance", .text = &args.clearance },
		{ "ttl", .text = &args.ttl },
		{ "until", .text = &args.until },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argc, argv, options, &operands);

	if (n < 1)
		return cmd_usage(argv[0]);
	for (int i = 1; i < n; i++)
		if (!key_id_given("key", operands[i]))
			return EXIT_CANNOT;
	if (args.ttl && args.until)
		return cmd_fail("key", "--ttl and --until: one of them says when the key ends");
	if (!at_run_time &&
		(live.by || live.reason || live.json || !strcmp(operands[0], "change")))
		return cmd_fail("key", "change, --by, --reason and --json need --live");
	live.config = config;
	struct policy_alone policy = { .p = NULL };
	int code = at_run_time ? in_daemon(&live, &args, n, operands)
			       : in_file(&args, config, &policy, n, operands);
	if (code == EXIT_DONE)
		warn_unpriced(args.limits, config, &policy);
	policy_alone_free(&policy);
	return code < 0 ? cmd_usage(argv[0]) : code;
}
