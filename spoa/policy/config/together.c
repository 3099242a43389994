/* What options say together: those that need each other, that exclude each other, defaults that
 * follow from others; and redis: as its clients take it. */
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>

#include "base/codec/note_name.h"
#include "base/notice.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_tls.h"
#include "policy/config/load.h"

#define SIX_MONTHS_US (183ull * 86400 * 1000000)

/* Where each goes in struct redis_options. */
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

static void
require(struct config_reader *r, const char *section, const char *key)
{
	const struct yaml_node *root = r->cfg->root,
			       *s = section ? yaml_get(root, section) : root;

	if (s && s->kind == YAML_MAPPING && !yaml_get(s, key))
		diag_at(r->d, s->key ? s->key : s, "%s%s%s: is missing", section ? section : "",
			section ? "." : "", key);
}

/* Told at the option. */
static void
refuse(struct config_reader *r, bool is, const char *name, const char *why)
{
	if (is)
		diag_at(r->d, config_at(r->cfg, name), "%s: %s", name, why);
}

/* Where a limit that is too low is said; the whole file where it has its default. */
static void
check_holds_body(struct config_reader *r, const char *name, uint64_t bytes)
{
	const struct yaml_node *n = config_at(r->cfg, name);

	if (bytes < r->cfg->body_bytes)
		diag_at(r->d, n ? n : r->cfg->root,
			"%s: is below limits.body: one request could never be held", name);
}

static bool
same_place(const struct address *x, const struct address *y)
{
	if (x->path || y->path)
		return x->path && y->path && !strcmp(x->path, y->path);
	return x->port == y->port && x->host && y->host && !strcmp(x->host, y->host);
}

/* Next to the journal, which holds nothing but segments. */
static const char *
beside_journal(struct config_reader *r, const char *suffix)
{
	struct span journal = span_str(r->cfg->journal);

	while (journal.n > 1 && journal.p[journal.n - 1] == '/')
		journal.n--;
	return arena_printf(r->a, "%.*s%s", SPAN_ARG(journal), suffix).p;
}

static void
check_anchors(struct config_reader *r)
{
	struct config *cfg = r->cfg;
	const struct yaml_node *witness = yaml_get(cfg->root, "witness");

	require(r, "witness", "listen");
	require(r, "witness", "logs");
	require(r, "witness", "key");
	refuse(r, cfg->nanchors && !cfg->journal, "anchors",
		"needs the section audit, whose checkpoints are taken out");
	if (witness && !cfg->witness_name)
		cfg->witness_name = arena_printf(r->a, "tollgate/%s/witness", cfg->node).p;
	if (witness && !cfg->witness_state && cfg->journal)
		cfg->witness_state = beside_journal(r, ".witness");
	refuse(r, witness && !cfg->witness_state, "witness",
		"needs state, or audit.journal next to which it is");
	refuse(r,
		cfg->witness_name && (strpbrk(cfg->witness_name, " +\t\n") ||
					     strlen(cfg->witness_name) > 255),
		"witness.name", "up to 255 bytes without blanks and + are expected");
	refuse(r, witness && cfg->witness_key && str_same(cfg->witness_key, cfg->audit_key),
		"witness.key", "is audit.key: a witness has a key of its own");
}

static void
check_state(struct config_reader *r)
{
	struct config *cfg = r->cfg;

	if (cfg->state_key && !cfg->state_file && cfg->journal)
		cfg->state_file = beside_journal(r, ".live");
	refuse(r, cfg->state_key && !cfg->state_file, "state_key",
		"needs state_file, or audit.journal next to which it is");
	refuse(r, cfg->state_file && !cfg->state_key, "state_file", "needs state_key");
	if (cfg->state_file)
		cfg->pins_file = arena_printf(r->a, "%s.pins", cfg->state_file).p;
	else if (cfg->journal)
		cfg->pins_file = beside_journal(r, ".pins");
	refuse(r, cfg->state_required && !cfg->state_key, "state_required", "needs state_key");
	refuse(r, cfg->cache_redis && !cfg->state_key, "cache.redis",
		"needs state_key, which the key of what is kept there follows from: another "
		"daemon, and this one after a restart, could not open it");
	refuse(r, cfg->cache_password_file && !cfg->cache_redis, "cache.password_file",
		"needs cache.redis");
}

static void
check_seal(struct config_reader *r)
{
	struct config *cfg = r->cfg;

	require(r, "seal", "auditors");
	refuse(r, cfg->nauditors && !cfg->journal, "seal.auditors",
		"needs the section audit, beside whose journal texts are kept");
	refuse(r, cfg->audit_persons == PERSONS_PSEUDONYM && !cfg->nauditors, "audit.persons",
		"pseudonym: needs the section seal, whose shares it is made from");
	if (cfg->nauditors && cfg->journal && !cfg->seal_shares)
		cfg->seal_shares = beside_journal(r, ".shares");
}

/* What the options of redis: say together. */
static void
check_redis(struct config_reader *r)
{
	static const char plain[] = "redis.url is without TLS (rediss://)";
	const struct config *cfg = r->cfg;
	struct redis_url url;

	if (!cfg->redis_url || redis_url_parse(cfg->redis_url, &url))
		return;
	bool sentinel = url.kind == REDIS_SENTINEL;
	refuse(r, url.tls && !redis_tls_built, "redis.url", REDIS_TLS_MISSING);
	refuse(r, cfg->redis_user && url.user[0], "redis.user", "redis.url names a user too");
	refuse(r, cfg->redis_password_file && url.password[0], "redis.password_file",
		"redis.url holds a password too");
	refuse(r, cfg->redis_sentinel_user && !sentinel, "redis.sentinel_user",
		"redis.url names no Sentinels");
	refuse(r, cfg->redis_sentinel_password_file && !sentinel,
		"redis.sentinel_password_file", "redis.url names no Sentinels");
	refuse(r, cfg->redis_sentinel_user && !cfg->redis_sentinel_password_file,
		"redis.sentinel_user", "redis.sentinel_password_file is missing");
	refuse(r, cfg->redis_ca && !url.tls, "redis.ca", plain);
	refuse(r, cfg->redis_cert && !url.tls, "redis.cert", plain);
	refuse(r, cfg->redis_key && !url.tls, "redis.key", plain);
	refuse(r, cfg->redis_server_name && !url.tls, "redis.server_name", plain);
	refuse(r, cfg->redis_cert && !cfg->redis_key, "redis.cert", "redis.key is missing");
	refuse(r, cfg->redis_key && !cfg->redis_cert, "redis.key", "redis.cert is missing");
	/* Redis refuses blanks and line ends. */
	refuse(r,
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

/* Whether the options of its archive fit is said by record/archive/archive.h, which config/ may
 * not include: `check` and the start ask it. */
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
			"retention.age: is below six months (183d); where the law lets you: "
			"below_six_months: true");
	for (size_t i = 0; !cfg->retention_archive && i < COUNT_OF(of_archive); i++)
		if (yaml_get(s, of_archive[i]))
			diag_at(d, yaml_get(s, of_archive[i]),
				"retention.%s: needs retention.archive", of_archive[i]);
}

static void
check_admin(struct config_reader *r)
{
	const struct config *cfg = r->cfg;

	refuse(r, cfg->has_admin_tls && !cfg->admin_tokens && !cfg->admin_tls_section.clients,
		"admin.tls", "needs admin.tokens, or clients: who could ask there?");
	if (cfg->admin_tls_section.clients && !cfg->nadmin_users)
		diag_at(r->d, config_at(cfg, "admin.tls"),
			"admin.tls.clients: needs admin.users: which role has a certificate?");
	refuse(r, cfg->admin_console && !cfg->has_admin_tls && !cfg->has_admin, "admin.console",
		"needs admin.listen or admin.tls");
	refuse(r, cfg->admin_console && !cfg->admin_tokens, "admin.console",
		"needs admin.tokens: tollgate admin-token new NAME --roles viewer");
	refuse(r, cfg->console_open && !cfg->admin_console, "console.open",
		"needs admin.console");
	refuse(r, cfg->console_open && cfg->admin_console && !cfg->nauditors, "console.open",
		"needs the section seal, whose texts it opens");
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
					"agent.listen: %s is given twice", cfg->agent[i].text);
	refuse(r,
		relay->path && cfg->relay_egress.path && same_place(relay, &cfg->relay_egress),
		"relay.egress", "is relay.listen itself; HAProxy's inner bind is expected");
	for (size_t i = 0; i < cfg->nagent && relay->path; i++)
		refuse(r, same_place(&cfg->agent[i], relay), "relay.listen",
			"is agent.listen too");
}

void
config_check(struct config_reader *r)
{
	struct config *cfg = r->cfg;

	require(r, NULL, "policy");
	require(r, NULL, "agent");
	require(r, "agent", "listen");
	require(r, "relay", "listen");
	require(r, "relay", "egress");
	require(r, "audit", "journal");
	require(r, "audit", "key");
	require(r, "redis", "url");
	require(r, "notify", "url");
	if (cfg->notify_url && !cfg->notify_events)
		cfg->notify_events = ~(~0u << NOTICE_TEST);
	check_state(r);
	check_seal(r);
	check_retention(r);
	check_redis(r);
	check_anchors(r);
	check_admin(r);
	cfg->relay = yaml_get(cfg->root, "relay") != NULL;
	refuse(r, cfg->ncredentials && !cfg->relay, "credentials",
		"needs the section relay: HAProxy alone adds none of them");
	if (!cfg->redis_url) {
		refuse(r, config_at(cfg, "audit.stream") && cfg->audit_stream, "audit.stream",
			"needs redis.url");
		cfg->audit_stream = false;
	}
	if (cfg->audit_origin && !note_name_valid(span_str(cfg->audit_origin)))
		diag_at(r->d, config_at(cfg, "audit.origin"),
			"audit.origin: '%s': not a name of 1 to %d bytes without blanks and "
			"plus signs",
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
