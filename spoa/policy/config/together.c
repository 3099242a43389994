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

static void
require(struct config_reader *r, const struct yaml_node *root, const char *section,
	const char *key)
{
	const struct yaml_node *s = section ? yaml_get(root, section) : root;

	if (s && s->kind == YAML_MAPPING && !yaml_get(s, key))
		diag_at(r->d, s->key ? s->key : s, "%s%s%s: is missing", section ? section : "",
			section ? "." : "", key);
}

/* Where a limit that is too low is said; the whole file where it has its default. */
static void
check_holds_body(
	struct config_reader *r, const struct yaml_node *root, const char *name, uint64_t bytes)
{
	const struct yaml_node *n = config_option_at(root, name);

	if (bytes < r->cfg->body_bytes)
		diag_at(r->d, n ? n : root,
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
check_anchors(struct config_reader *r, const struct yaml_node *root)
{
	struct config *cfg = r->cfg;
	bool witness = yaml_get(root, "witness") != NULL;

	require(r, root, "witness", "listen");
	require(r, root, "witness", "logs");
	require(r, root, "witness", "key");
	if (cfg->nanchors && !cfg->journal)
		diag_at(r->d, config_option_at(root, "anchors"),
			"anchors: needs the section audit, whose checkpoints are taken out");
	if (witness && !cfg->witness_name)
		cfg->witness_name = arena_printf(r->a, "tollgate/%s/witness", cfg->node).p;
	if (witness && !cfg->witness_state && cfg->journal)
		cfg->witness_state = beside_journal(r, ".witness");
	if (witness && !cfg->witness_state)
		diag_at(r->d, yaml_get(root, "witness"),
			"witness: needs state, or audit.journal next to which it is");
	if (cfg->witness_name &&
		(strpbrk(cfg->witness_name, " +\t\n") || strlen(cfg->witness_name) > 255))
		diag_at(r->d, config_option_at(root, "witness.name"),
			"witness.name: up to 255 bytes without blanks and + are expected");
	if (witness && cfg->witness_key && str_same(cfg->witness_key, cfg->audit_key))
		diag_at(r->d, config_option_at(root, "witness.key"),
			"witness.key: is audit.key: a witness has a key of its own");
	cfg->witness_key_at = config_option_at(root, "witness.key");
}

static void
check_state(struct config_reader *r, const struct yaml_node *root)
{
	struct config *cfg = r->cfg;

	cfg->state_key_at = config_option_at(root, "state_key");
	cfg->state_file_at = config_option_at(root, "state_file");
	cfg->redis_at = config_option_at(root, "redis.url");
	cfg->redis_password_at = config_option_at(root, "redis.password_file");
	cfg->redis_sentinel_password_at =
		config_option_at(root, "redis.sentinel_password_file");
	if (cfg->state_key && !cfg->state_file && cfg->journal)
		cfg->state_file = beside_journal(r, ".live");
	if (cfg->state_key && !cfg->state_file)
		diag_at(r->d, config_option_at(root, "state_key"),
			"state_key: needs state_file, or audit.journal next to which it is");
	if (cfg->state_file && !cfg->state_key)
		diag_at(r->d, config_option_at(root, "state_file"),
			"state_file: needs state_key");
	if (cfg->state_file)
		cfg->pins_file = arena_printf(r->a, "%s.pins", cfg->state_file).p;
	else if (cfg->journal)
		cfg->pins_file = beside_journal(r, ".pins");
	if (cfg->state_required && !cfg->state_key)
		diag_at(r->d, config_option_at(root, "state_required"),
			"state_required: needs state_key");
}

/* What the options of redis: say together. */
static void
check_redis(struct config_reader *r, const struct yaml_node *root)
{
	const struct config *cfg = r->cfg;
	struct redis_url url;

	if (!cfg->redis_url || redis_url_parse(cfg->redis_url, &url))
		return;
	bool sentinel = url.kind == REDIS_SENTINEL;
	/* clang-format off */
	const struct { const char *name; bool bad; const char *why; } rows[] = {
		{ "redis.url", url.tls && !redis_tls_built, REDIS_TLS_MISSING },
		{ "redis.user", cfg->redis_user && url.user[0], "redis.url names a user too" },
		{ "redis.password_file", cfg->redis_password_file && url.password[0],
			"redis.url holds a password too" },
		{ "redis.sentinel_user", cfg->redis_sentinel_user && !sentinel,
			"redis.url names no Sentinels" },
		{ "redis.sentinel_password_file", cfg->redis_sentinel_password_file && !sentinel,
			"redis.url names no Sentinels" },
		{ "redis.sentinel_user", cfg->redis_sentinel_user && !cfg->redis_sentinel_password_file,
			"redis.sentinel_password_file is missing" },
		{ "redis.ca", cfg->redis_ca && !url.tls, "redis.url is without TLS (rediss://)" },
		{ "redis.cert", cfg->redis_cert && !url.tls, "redis.url is without TLS (rediss://)" },
		{ "redis.key", cfg->redis_key && !url.tls, "redis.url is without TLS (rediss://)" },
		{ "redis.server_name", cfg->redis_server_name && !url.tls,
			"redis.url is without TLS (rediss://)" },
		{ "redis.cert", cfg->redis_cert && !cfg->redis_key, "redis.key is missing" },
		{ "redis.key", cfg->redis_key && !cfg->redis_cert, "redis.cert is missing" },
		/* Redis refuses blanks and line ends. */
		{ "redis.client_name", cfg->redis_client_name &&
			!config_name_ok(span_str(cfg->redis_client_name), 128),
			"letters, digits, dots, dashes or underscores are expected" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].bad)
			diag_at(r->d, config_option_at(root, rows[i].name), "%s: %s",
				rows[i].name, rows[i].why);
	for (size_t i = 0; i < COUNT_OF(redis_texts); i++) {
		const char *text = *redis_text(cfg, i);
		if (text && strlen(text) >= redis_texts[i].size)
			diag_at(r->d, config_option_at(root, redis_texts[i].name),
				"%s: longer than %zu bytes", redis_texts[i].name,
				redis_texts[i].size - 1);
	}
	sodium_memzero(&url, sizeof(url));
}

static void
check_admin(struct config_reader *r, const struct yaml_node *root)
{
	const struct config *cfg = r->cfg;

	if (cfg->has_admin_tls && !cfg->admin_tokens && !cfg->admin_tls_section.clients)
		diag_at(r->d, config_option_at(root, "admin.tls"),
			"admin.tls: needs admin.tokens, or clients: who could ask there?");
	if (cfg->admin_tls_section.clients && !cfg->nadmin_users)
		diag_at(r->d, config_option_at(root, "admin.tls"),
			"admin.tls.clients: needs admin.users: which role has a certificate?");
	if (cfg->admin_console && !cfg->has_admin_tls && !cfg->has_admin)
		diag_at(r->d, config_option_at(root, "admin.console"),
			"admin.console: needs admin.listen or admin.tls");
	if (cfg->admin_console && !cfg->admin_tokens)
		diag_at(r->d, config_option_at(root, "admin.console"),
			"admin.console: needs admin.tokens: tollgate admin-token new NAME "
			"--roles viewer");
}

void
config_check(struct config_reader *r, const struct yaml_node *root)
{
	struct config *cfg = r->cfg;

	require(r, root, NULL, "policy");
	require(r, root, NULL, "agent");
	require(r, root, "agent", "listen");
	require(r, root, "relay", "listen");
	require(r, root, "relay", "egress");
	require(r, root, "audit", "journal");
	require(r, root, "audit", "key");
	require(r, root, "redis", "url");
	require(r, root, "notify", "url");
	if (cfg->notify_url && !cfg->notify_events)
		cfg->notify_events = ~(~0u << NOTICE_TEST);
	check_state(r, root);
	config_retention(cfg, root, r->d);
	check_redis(r, root);
	check_anchors(r, root);
	check_admin(r, root);
	cfg->relay = yaml_get(root, "relay") != NULL;
	if (cfg->ncredentials && !cfg->relay)
		diag_at(r->d, config_option_at(root, "credentials"),
			"credentials: needs the section relay: HAProxy alone adds none of "
			"them");
	if (!cfg->redis_url) {
		const struct yaml_node *stream = config_option_at(root, "audit.stream");
		if (stream && cfg->audit_stream)
			diag_at(r->d, stream, "audit.stream: needs redis.url");
		cfg->audit_stream = false;
	}
	if (cfg->audit_origin && !note_name_valid(span_str(cfg->audit_origin)))
		diag_at(r->d, config_option_at(root, "audit.origin"),
			"audit.origin: '%s': not a name of 1 to %d bytes without blanks and "
			"plus signs",
			cfg->audit_origin, NOTE_NAME_MAX);
	for (size_t i = 0; i < cfg->nagent; i++)
		for (size_t j = 0; j < i; j++)
			if (same_place(&cfg->agent[i], &cfg->agent[j]))
				diag_at(r->d, config_option_at(root, "agent.listen"),
					"agent.listen: %s is given twice", cfg->agent[i].text);
	if (cfg->relay_listen.path && cfg->relay_egress.path &&
		same_place(&cfg->relay_listen, &cfg->relay_egress))
		diag_at(r->d, config_option_at(root, "relay.egress"),
			"relay.egress: is relay.listen itself; HAProxy's inner bind is "
			"expected");
	for (size_t i = 0; i < cfg->nagent && cfg->relay_listen.path; i++)
		if (same_place(&cfg->agent[i], &cfg->relay_listen))
			diag_at(r->d, config_option_at(root, "relay.listen"),
				"relay.listen: is agent.listen too");
	if (!config_option_at(root, "limits.held_per_identity")) {
		uint64_t quarter = cfg->held_bytes / 4;
		cfg->held_identity_bytes =
			quarter > cfg->body_bytes ? quarter : cfg->body_bytes;
	}
	check_holds_body(r, root, "limits.held", cfg->held_bytes);
	check_holds_body(r, root, "limits.held_per_identity", cfg->held_identity_bytes);
}
