/* Checks options against each other (options that need or exclude others), sets defaults that
 * depend on other options, and fills the options of Redis clients. */
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>

#include "base/codec/note_name.h"
#include "base/notice.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_tls.h"
#include "policy/config/load.h"

#define SIX_MONTHS_US (183ull * 86400 * 1000000) /* AI Act, Article 19 */

/* An option of redis.* and its place in struct redis_options. */
#define TO(option, field, to)                                                                  \
	{                                                                                      \
		option, offsetof(struct config, field), offsetof(struct redis_options, to),    \
			sizeof(((struct redis_options *)0)->to)                                \
	}
static const struct {
	const char *name;
	size_t place, to, size;
} redis_texts[] = {
	TO("redis.user", redis_user, url.user),
	TO("redis.password_file", redis_password_file, password_file),
	TO("redis.sentinel_user", redis_sentinel_user, sentinel_user),
	TO("redis.sentinel_password_file", redis_sentinel_password_file,
		sentinel_password_file),
	TO("redis.client_name", redis_client_name, client_name),
	TO("redis.ca", redis_ca, tls_ca),
	TO("redis.cert", redis_cert, tls_cert),
	TO("redis.key", redis_key, tls_key),
	TO("redis.server_name", redis_server_name, tls_name),
};

static const char *const *
redis_text(const struct config *cfg, size_t i)
{
	return (const void *)((const char *)cfg + redis_texts[i].place);
}

int
config_redis(const struct config *cfg, struct redis_options *out)
{
	int err = redis_options_url(out, cfg->redis_url);

	if (cfg->node)
		snprintf(out->client_name, sizeof(out->client_name), "tollgate-%s", cfg->node);
	for (size_t i = 0; i < COUNT_OF(redis_texts); i++)
		if (*redis_text(cfg, i))
			snprintf((char *)out + redis_texts[i].to, redis_texts[i].size, "%s",
				*redis_text(cfg, i));
	return err;
}

uint64_t
config_redis_filled(const struct config *cfg)
{
	return cfg->redis_url && cfg->cache_redis && !strcmp(cfg->redis_url, cfg->cache_redis)
		       ? cfg->cache_max_bytes
		       : 0;
}

int
config_cache_redis(const struct config *cfg, struct redis_options *out)
{
	struct config of = *cfg;

	of.redis_url = cfg->cache_redis;
	of.redis_password_file = cfg->cache_password_file;
	of.redis_user = of.redis_sentinel_user = of.redis_sentinel_password_file = NULL;
	of.redis_server_name = NULL;
	int err = config_redis(&of, out);
	out->may_evict = true;
	return err;
}

/* Reports a key that is missing in a section that exists (`section` NULL: the top level). */
static void
require_key(struct config_reader *r, const char *section, const char *key)
{
	const struct yaml_node *root = r->cfg->root,
			       *s = section ? yaml_get(root, section) : root;

	if (s && s->kind == YAML_MAPPING && !yaml_get(s, key))
		diag_at(r->d, s->key ? s->key : s, "%s%s%s: is missing", section ? section : "",
			section ? "." : "", key);
}

/* Reports `why` at option `name` if `is` is true. */
static void
refuse_option(struct config_reader *r, bool is, const char *name, const char *why)
{
	if (is)
		diag_at(r->d, config_at(r->cfg, name), "%s: %s", name, why);
}

/* Reports a bound below limits.body, at the option or, for a default, at the top of the
 * file. */
static void
check_holds_body(struct config_reader *r, const char *name, uint64_t bytes)
{
	const struct yaml_node *n = config_at(r->cfg, name);

	if (bytes < r->cfg->body_bytes)
		diag_at(r->d, n ? n : r->cfg->root,
			"%s: must not be below limits.body, because the largest body could "
			"never be held",
			name);
}

static bool
same_place(const struct address *x, const struct address *y)
{
	if (x->path || y->path)
		return x->path && y->path && !strcmp(x->path, y->path);
	return x->port == y->port && x->host && y->host && !strcmp(x->host, y->host);
}

/* Returns the path of a file next to the journal's folder, which contains segments only. */
static const char *
beside_journal(struct arena *a, const char *file, const char *suffix)
{
	struct span journal = span_str(file);

	while (journal.n > 1 && journal.p[journal.n - 1] == '/')
		journal.n--;
	return arena_printf(a, "%.*s%s", SPAN_ARG(journal), suffix).p;
}

void
config_derive(struct arena *a, struct config *cfg)
{
	if (cfg->state_key && !cfg->state_file && cfg->journal)
		cfg->state_file = beside_journal(a, cfg->journal, ".live");
	if (cfg->state_file)
		cfg->pins_file = arena_printf(a, "%s.pins", cfg->state_file).p;
	else if (cfg->journal)
		cfg->pins_file = beside_journal(a, cfg->journal, ".pins");
	if (cfg->nauditors && cfg->journal && !cfg->seal_shares)
		cfg->seal_shares = beside_journal(a, cfg->journal, ".shares");
}

/* Adds, for each log that the witness knows, the log of the node's second instance, whose chain is
 * another one: its origin ends with SECOND_NODE, and its key is in the same file. A log that the
 * file lists itself stays as it is. */
static void
add_second_logs(struct config_reader *r)
{
	struct config *cfg = r->cfg;
	const size_t n = cfg->nwitness_logs;
	struct witness_log *all = n ? arena_alloc(r->a, 2 * n * sizeof(*all)) : NULL;

	if (!all)
		return;
	memcpy(all, cfg->witness_logs, n * sizeof(*all));
	cfg->witness_logs = all;
	for (size_t i = 0; i < n; i++) {
		const char *origin = all[i].origin
					     ? arena_printf(r->a, "%s" SECOND_NODE, all[i].origin).p
					     : NULL;
		size_t k = 0;
		while (origin && k < n && !str_same(all[k].origin, origin))
			k++;
		if (!origin || k < n)
			continue;
		all[cfg->nwitness_logs] = all[i];
		all[cfg->nwitness_logs++].origin = origin;
	}
}

static void
check_anchors(struct config_reader *r)
{
	struct config *cfg = r->cfg;
	const struct yaml_node *witness = yaml_get(cfg->root, "witness");

	require_key(r, "witness", "listen");
	require_key(r, "witness", "logs");
	require_key(r, "witness", "key");
	add_second_logs(r);
	refuse_option(r, cfg->nanchors && !cfg->journal, "anchors",
		"needs the section audit: anchors are copies of its checkpoints");
	if (witness && !cfg->witness_name)
		cfg->witness_name = arena_printf(r->a, "tollgate/%s/witness", cfg->node).p;
	if (witness && !cfg->witness_state && cfg->journal)
		cfg->witness_state = beside_journal(r->a, cfg->journal, ".witness");
	refuse_option(r, witness && !cfg->witness_state, "witness",
		"needs state, or audit.journal for the default path");
	refuse_option(r,
		cfg->witness_name && (strpbrk(cfg->witness_name, " +\t\n") ||
					     strlen(cfg->witness_name) > 255),
		"witness.name", "a name of up to 255 bytes without spaces and + is expected");
	refuse_option(r,
		witness && cfg->witness_key && str_same(cfg->witness_key, cfg->audit_key),
		"witness.key", "is the same as audit.key: a witness needs a key of its own");
}

static void
check_state(struct config_reader *r)
{
	struct config *cfg = r->cfg;

	refuse_option(r, cfg->state_key && !cfg->state_file, "state_key",
		"needs state_file, or audit.journal for the default path");
	refuse_option(r, cfg->state_file && !cfg->state_key, "state_file", "needs state_key");
	refuse_option(
		r, cfg->state_required && !cfg->state_key, "state_required", "needs state_key");
	refuse_option(r, cfg->cache_redis && !cfg->state_key, "cache.redis",
		"needs state_key, from which the key of stored responses is derived: without "
		"it, no other daemon and no restarted daemon could read them");
	refuse_option(r, cfg->cache_password_file && !cfg->cache_redis, "cache.password_file",
		"needs cache.redis");
}

static void
check_seal(struct config_reader *r)
{
	struct config *cfg = r->cfg;

	require_key(r, "seal", "auditors");
	refuse_option(r, cfg->nauditors && !cfg->journal, "seal.auditors",
		"needs the section audit: sealed texts are stored next to its journal");
	refuse_option(r, cfg->audit_persons == PERSONS_PSEUDONYM && !cfg->nauditors,
		"audit.persons",
		"pseudonym: needs the section seal, from whose shares pseudonyms are derived");
}

/* Checks redis.* against redis.url. */
static void
check_redis(struct config_reader *r)
{
	static const char plain[] = "needs TLS: use rediss:// in redis.url";
	const struct config *cfg = r->cfg;
	struct redis_url url;

	if (!cfg->redis_url || redis_url_parse(cfg->redis_url, &url))
		return;
	bool sentinel = url.kind == REDIS_SENTINEL;
	refuse_option(r, url.tls && !redis_tls_built, "redis.url", REDIS_TLS_MISSING);
	refuse_option(r, cfg->redis_user && url.user[0], "redis.user",
		"redis.url already contains a user: remove one of the two");
	refuse_option(r, cfg->redis_password_file && url.password[0], "redis.password_file",
		"redis.url already contains a password: remove one of the two");
	refuse_option(r, cfg->redis_sentinel_user && !sentinel, "redis.sentinel_user",
		"is for Sentinels, and redis.url is not redis+sentinel://");
	refuse_option(r, cfg->redis_sentinel_password_file && !sentinel,
		"redis.sentinel_password_file",
		"is for Sentinels, and redis.url is not redis+sentinel://");
	refuse_option(r, cfg->redis_sentinel_user && !cfg->redis_sentinel_password_file,
		"redis.sentinel_user", "needs redis.sentinel_password_file");
	refuse_option(r, cfg->redis_ca && !url.tls, "redis.ca", plain);
	refuse_option(r, cfg->redis_cert && !url.tls, "redis.cert", plain);
	refuse_option(r, cfg->redis_key && !url.tls, "redis.key", plain);
	refuse_option(r, cfg->redis_server_name && !url.tls, "redis.server_name", plain);
	refuse_option(r, cfg->redis_cert && !cfg->redis_key, "redis.cert", "needs redis.key");
	refuse_option(r, cfg->redis_key && !cfg->redis_cert, "redis.key", "needs redis.cert");
	/* Redis refuses a client name with spaces or line ends. */
	refuse_option(r,
		cfg->redis_client_name &&
			!config_name_ok(span_str(cfg->redis_client_name), 128),
		"redis.client_name",
		"letters, digits, dots, dashes or underscores are expected");
	for (size_t i = 0; i < COUNT_OF(redis_texts); i++) {
		const char *text = *redis_text(cfg, i);
		if (text && strlen(text) >= redis_texts[i].size)
			diag_at(r->d, config_at(cfg, redis_texts[i].name),
				"%s: longer than %zu bytes", redis_texts[i].name,
				redis_texts[i].size - 1);
	}
	sodium_memzero(&url, sizeof(url));
}

/* Archive options are checked by record/archive/archive.h, which config/ cannot include.
 * `check` and the start of the daemon call that check. */
static void
check_retention(struct config_reader *r)
{
	static const char *const of_archive[] = { "endpoint", "credentials_file", "lock" };
	struct config *cfg = r->cfg;
	struct diag *d = r->d;
	const struct yaml_node *s = yaml_get(cfg->root, "retention");

	cfg->retention = s != NULL;
	if (!s)
		return;
	if (!cfg->journal)
		diag_at(d, s->key ? s->key : s, "retention: needs audit.journal");
	if (s->kind != YAML_MAPPING)
		return;
	if (cfg->retention_age_us && cfg->retention_age_us < SIX_MONTHS_US &&
		!cfg->below_six_months)
		diag_at(d, yaml_get(s, "age"),
			"retention.age: is below six months (183d): set below_six_months: "
			"true if the law permits it");
	for (size_t i = 0; !cfg->retention_archive && i < COUNT_OF(of_archive); i++)
		if (yaml_get(s, of_archive[i]))
			diag_at(d, yaml_get(s, of_archive[i]),
				"retention.%s: needs retention.archive", of_archive[i]);
}

static void
check_admin(struct config_reader *r)
{
	const struct config *cfg = r->cfg;

	refuse_option(r,
		cfg->has_admin_tls && !cfg->admin_tokens && !cfg->admin_tls_section.clients,
		"admin.tls",
		"needs admin.tokens or admin.tls.clients: without them, nobody can log in");
	if (cfg->admin_tls_section.clients && !cfg->nadmin_users)
		diag_at(r->d, config_at(cfg, "admin.tls"),
			"admin.tls.clients: needs admin.users, which gives roles to "
			"certificates");
	refuse_option(r, cfg->admin_console && !cfg->has_admin_tls && !cfg->has_admin,
		"admin.console", "needs admin.listen or admin.tls");
	refuse_option(r, cfg->admin_console && !cfg->admin_tokens, "admin.console",
		"needs admin.tokens: make the file with tollgate admin-token new NAME --roles "
		"viewer");
	refuse_option(r, cfg->console_open && !cfg->admin_console, "console.open",
		"needs admin.console");
	refuse_option(r, cfg->console_open && cfg->admin_console && !cfg->nauditors,
		"console.open", "needs the section seal: the console opens sealed texts");
}

static void
check_listeners(struct config_reader *r)
{
	const struct config *cfg = r->cfg;
	const struct address *relay = &cfg->relay_listen;

	for (size_t i = 0; i < cfg->nagent; i++)
		for (size_t j = 0; j < i; j++)
			if (same_place(&cfg->agent[i], &cfg->agent[j]))
				diag_at(r->d, config_at(cfg, "agent.listen"),
					"agent.listen: %s is listed twice", cfg->agent[i].text);
	refuse_option(r,
		relay->path && cfg->relay_egress.path && same_place(relay, &cfg->relay_egress),
		"relay.egress", "is the same as relay.listen: name HAProxy's inner bind");
	for (size_t i = 0; i < cfg->nagent && relay->path; i++)
		refuse_option(r, same_place(&cfg->agent[i], relay), "relay.listen",
			"is the same as agent.listen");
}

void
config_check(struct config_reader *r)
{
	struct config *cfg = r->cfg;

	require_key(r, NULL, "policy");
	require_key(r, NULL, "agent");
	require_key(r, "agent", "listen");
	require_key(r, "relay", "listen");
	require_key(r, "relay", "egress");
	require_key(r, "audit", "journal");
	require_key(r, "audit", "key");
	require_key(r, "redis", "url");
	require_key(r, "notify", "url");
	config_derive(r->a, cfg);
	if (cfg->notify_url && !cfg->notify_events)
		cfg->notify_events = ~(~0u << NOTICE_TEST);
	check_state(r);
	check_seal(r);
	check_retention(r);
	check_redis(r);
	check_anchors(r);
	check_admin(r);
	cfg->relay = yaml_get(cfg->root, "relay") != NULL;
	refuse_option(r, cfg->ncredentials && !cfg->relay, "credentials",
		"needs the section relay, which adds credentials to requests");
	if (!cfg->redis_url) {
		refuse_option(r, config_at(cfg, "audit.stream") && cfg->audit_stream,
			"audit.stream", "needs redis.url");
		cfg->audit_stream = false;
	}
	if (cfg->audit_origin && !note_name_valid(span_str(cfg->audit_origin)))
		diag_at(r->d, config_at(cfg, "audit.origin"),
			"audit.origin: '%s': a name of 1 to %d bytes without spaces and plus "
			"signs is expected",
			cfg->audit_origin, NOTE_NAME_MAX);
	check_listeners(r);
	if (!config_at(cfg, "limits.held_per_identity")) {
		uint64_t quarter = cfg->held_bytes / 4;
		cfg->held_identity_bytes =
			quarter > cfg->body_bytes ? quarter : cfg->body_bytes;
	}
	check_holds_body(r, "limits.held", cfg->held_bytes);
	check_holds_body(r, "limits.held_per_identity", cfg->held_identity_bytes);
}
