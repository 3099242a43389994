/* tollgate.yaml. One table row an option: the row gives its place in struct
 * config, its default, its bounds and the sentence of the manual, so that
 * parsing, defaults and documentation cannot part ways. */
#include "policy/config/config.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/instead.h"
#include "policy/config/load.h"
#include "policy/config/options.h"
#include "policy/config/read.h"

#define S SECOND_US
#define K 1024ull
#define M (1024ull * 1024)
#define G (1024ull * 1024 * 1024)

#define AT(field) offsetof(struct config, field)

/* clang-format off */
const struct config_option config_options[] = {
/* name                   kind          place                     default   min      max        aux */
{ "node",                 OPT_NODE,     AT(node),                 NULL,     0,       0,         0,
  "this daemon's name in records, tickets and logs; letters, digits, . _ -; default: the host's name" },
{ "workers",              OPT_WORKERS,  AT(workers),              "auto",   1,       1024,      0,
  "worker threads; auto: one a core" },
{ "group",                OPT_TEXT,     AT(socket_group),         NULL,     0,       0,         0,
  "group that owns the agent and relay sockets (haproxy); default: unchanged" },
{ "policy",               OPT_PATH,     AT(policy),               NULL,     0,       0, 0,
  "the policy in force: a file, or a folder of them" },
{ "shadow_policy",        OPT_PATH,     AT(shadow_policy),        NULL,     0,       0,         0,
  "a second policy, asked next to the one in force and never obeyed: what it would decide is recorded and counted" },
{ "policy_watch",         OPT_BOOL,     AT(policy_watch),         "true",   0,       0,         0,
  "reload where a file that the policy in force was read from changes" },
{ "detectors",            OPT_PATH,     AT(detectors),            NULL,     0,       0,         0,
  "folder of detection rules; default: the set compiled in" },
{ "backends",             OPT_NAMES,    AT(backends),             NULL,     0,       0,         AT(nbackends),
  "HAProxy backends that a policy may name; check --haproxy FILE compares them with HAProxy's file" },
{ "credentials",          OPT_CREDENTIALS, AT(credentials),       NULL,     0,       0,         AT(ncredentials),
  "who we are to a provider where HAProxy holds no key for it, by the provider's name: sigv4, vertex, entra or a key file" },
{ "demo_issuer",          OPT_PATH,     AT(demo_issuer),          NULL,     0,       0,         0,
  "token issuer of demo and tests; never in production" },
{ "body_variable",        OPT_BOOL,     AT(body_variable),        "false",  0,       0,         0,
  "set txn.tollgate.body to the redacted body where it fits" },
{ "state_key",            OPT_PATH,     AT(state_key),            NULL,     0,       0,         0,
  "secret that keys and limits made at run time are signed with: a file of tollgate keygen --secret, mode 600; the same on all daemons of one Redis" },
{ "state_file",           OPT_PATH,     AT(state_file),           NULL,     0,       0,         0,
  "where they are kept on this machine; default: audit.journal with .live after it" },
{ "state_required",       OPT_BOOL,     AT(state_required),       "false",  0,       0,         0,
  "no start where state_file is not there: without it revocations of which Redis knows nothing are lost" },
{ "anchors",              OPT_ANCHORS,  AT(anchors),              NULL,     0,       0,         AT(nanchors),
  "where checkpoints of the record are taken to: a list of file, syslog, url, tsa or witness, each with every" },
{ "redact.key_file",      OPT_PATH,     AT(redact_key_file),      NULL,     0,       0,         0,
  "secret of keyed hashes (with: hash): 32 bytes of text or more, mode 600; the same on nodes whose hashes should agree" },
{ "agent.listen",         OPT_ADDRS,    AT(agent),                NULL,     0,       0,         AT(nagent),
  "where HAProxy's SPOE filter reaches the agent: unix@/path or ADDRESS:PORT, one or a list" },
{ "agent.deadline",       OPT_DURATION, AT(agent_deadline_us),    "800ms",  10 * MS, 60 * S,    0,
  "a decision that takes longer gets the policy's on_failure outcome; below HAProxy's timeout processing" },
{ "relay.listen",         OPT_UNIX,     AT(relay_listen),         NULL,     0,       0,         0,
  "socket that HAProxy's relay backend connects to" },
{ "relay.egress",         OPT_UNIX,     AT(relay_egress),         NULL,     0,       0,         0,
  "HAProxy's inner bind, where the relay hands requests back" },
{ "relay.ticket_ttl",     OPT_DURATION, AT(ticket_ttl_us),        "5s",     S,       600 * S,   0,
  "a ticket expires where the relay has not seen its request by then; above HAProxy's timeout queue" },
{ "relay.read_timeout",   OPT_DURATION, AT(relay_read_us),        "30s",    10 * MS, 3600 * S,  0,
  "silence while a request body is read" },
{ "relay.response_timeout", OPT_DURATION, AT(relay_response_us),  "10m",    10 * MS, 86400 * S, 0,
  "silence of the provider" },
{ "relay.idle_timeout",   OPT_DURATION, AT(relay_idle_us),        "60s",    10 * MS, 86400 * S, 0,
  "pooled connections are closed after it" },
{ "relay.pool",           OPT_UNSIGNED, AT(relay_pool),           "64",     0,       65536,     0,
  "idle upstream connections a worker keeps" },
{ "admin.listen",         OPT_UNIX,     AT(admin),                NULL,     0,       0,         AT(has_admin),
  "admin socket: /metrics, /healthz, /readyz and all that commands ask; mode 600, with admin.users 666" },
{ "admin.tcp",            OPT_TCP,      AT(admin_tcp),            NULL,     0,       0,         AT(has_admin_tcp),
  "the same on TCP, for scrapers" },
{ "admin.token_file",     OPT_PATH,     AT(admin_token_file),     NULL,     0,       0,         0,
  "bearer token for all but /metrics, /healthz, /readyz on admin.tcp; what changes keys, limits and records it does not reach" },
{ "admin.tls",            OPT_ADMIN_TLS, AT(admin_tls_section),   NULL,     0,       0,         0,
  "the admin server with TLS, for tokens of admin.tokens and the console: listen (ADDRESS:PORT), certificate and key (PEM), clients (who signs clients' certificates)" },
{ "admin.tokens",         OPT_PATH,     AT(admin_tokens),         NULL,     0,       0,         0,
  "file of tokens, hashed, each with a name, roles and an end: tollgate admin-token; read again when it changes" },
{ "admin.users",          OPT_ADMIN_USERS, AT(admin_users),       NULL,     0,       0,         AT(nadmin_users),
  "who may do what: user or uid on the admin socket, or name in a client's certificate, with viewer, operator, auditor or a list of them; default: root and the daemon's user alone, with all" },
{ "admin.hosts",          OPT_NAMES,    AT(admin_hosts),          NULL,     0,       0,         AT(nadmin_hosts),
  "names by which a browser may call the admin server, besides localhost, addresses and names without a dot" },
{ "admin.console",        OPT_BOOL,     AT(admin_console),        "false",  0,       0,         0,
  "the page at /console/ on the admin socket and admin.tls" },
{ "redis.url",            OPT_REDIS,    AT(redis_url),            NULL,     0,       0,         0,
  "unix:/path[?db=N] or redis[s][+sentinel|+cluster]://…; without it limits count in this process only" },
{ "redis.user",           OPT_TEXT,     AT(redis_user),           NULL,     0,       0,         0,
  "who we are to Redis, where the URL does not say; default: its default user" },
{ "redis.password_file",  OPT_PATH,     AT(redis_password_file),  NULL,     0,       0,         0,
  "the password: a line, mode 600, read at each connect; never in the URL too" },
{ "redis.sentinel_user",  OPT_TEXT,     AT(redis_sentinel_user),  NULL,     0,       0,         0,
  "who we are to the Sentinels; default: their default user" },
{ "redis.sentinel_password_file", OPT_PATH, AT(redis_sentinel_password_file), NULL, 0, 0,       0,
  "password of the Sentinels; default: they ask for none" },
{ "redis.client_name",    OPT_TEXT,     AT(redis_client_name),    NULL,     0,       0,         0,
  "what CLIENT LIST shows; default: tollgate-NODE" },
{ "redis.ca",             OPT_PATH,     AT(redis_ca),             NULL,     0,       0,         0,
  "authorities of the servers' certificates, PEM; default: the system's" },
{ "redis.cert",           OPT_PATH,     AT(redis_cert),           NULL,     0,       0,         0,
  "our certificate and its chain, PEM, where the servers ask for one" },
{ "redis.key",            OPT_PATH,     AT(redis_key),            NULL,     0,       0,         0,
  "private key of redis.cert, PEM" },
{ "redis.server_name",    OPT_TEXT,     AT(redis_server_name),    NULL,     0,       0,         0,
  "the name in the servers' certificates; default: the host that is connected to" },
{ "redis.daemons",        OPT_UNSIGNED, AT(redis_daemons),        NULL,     1,       1000,      0,
  "how many daemons share this Redis: one that starts while it is away knows none of the others" },
{ "redis.deadline",       OPT_DURATION, AT(redis_deadline_us),    "200ms",  MS,      10 * S,    0,
  "an answer later than this is a failure: on_failure.quota applies" },
{ "audit.journal",        OPT_PATH,     AT(journal),              NULL,     0,       0,         0,
  "folder of the journal's segments" },
{ "audit.key",            OPT_PATH,     AT(audit_key),            NULL,     0,       0,         0,
  "private signing key, made by tollgate keygen; another one is taken over by a reload" },
{ "audit.key_passphrase_file", OPT_PATH, AT(audit_passphrase_file), NULL,  0,       0,         0,
  "file whose first line opens audit.key where that is encrypted, mode 600" },
{ "audit.previous_key",   OPT_PATH,     AT(audit_previous_key),   NULL,     0,       0,         0,
  "private key that audit.key replaced: it signs checkpoints too for 30 days; default: audit.key with .old after it, where that is there" },
{ "audit.root",           OPT_PATH,     AT(audit_root),           NULL,     0,       0,         0,
  "public key of the offline root, which certifies and revokes signing keys" },
{ "audit.key_statements", OPT_PATH,     AT(audit_statements),     NULL,     0,       0,         0,
  "file of the root's statements, made by tollgate audit key: each goes into the journal" },
{ "audit.hash_key",       OPT_PATH,     AT(audit_hash_key),       NULL,     0,       0,         0,
  "key of the keyed hashes of texts, made by tollgate keygen --hash-key, mode 600; default: it follows from the file of audit.key, which a reload then cannot replace" },
{ "audit.origin",         OPT_TEXT,     AT(audit_origin),         NULL,     0,       0,         0,
  "name of this node's log in checkpoints, and of its key there; default: tollgate/NODE" },
{ "audit.segment",        OPT_SIZE,     AT(journal_segment_bytes), "64m",   64 * K,  16 * G,    0,
  "a journal segment is closed at this size" },
{ "audit.stream",         OPT_BOOL,     AT(audit_stream),         "true",   0,       0,         0,
  "mirror records to the Redis Stream tollgate:audit:NODE, where Redis is configured" },
{ "audit.stream_maxlen",  OPT_U64,      AT(audit_stream_maxlen),  "1000000", 0,      1ull << 40, 0,
  "entries the stream keeps; 0: never trim" },
{ "audit.stream_consumed", OPT_BOOL,    AT(audit_stream_consumed), "false", 0,       0,         0,
  "entries that every consumer group of the stream has read and acknowledged are trimmed" },
{ "witness.listen",       OPT_UNIX,     AT(witness_listen),       NULL,     0,       0,         0,
  "socket on which this daemon cosigns the checkpoints of other logs; TLS is HAProxy's" },
{ "witness.logs",         OPT_WITNESS_LOGS, AT(witness_logs),     NULL,     0,       0,         AT(nwitness_logs),
  "the logs that it cosigns: a list of origin and key, a file of public keys" },
{ "witness.key",          OPT_PATH,     AT(witness_key),          NULL,     0,       0,         0,
  "private key of the cosignatures, made by tollgate keygen; never audit.key" },
{ "witness.name",         OPT_TEXT,     AT(witness_name),         NULL,     0,       0,         0,
  "name of that key in cosignatures; default: tollgate/NODE/witness" },
{ "witness.state",        OPT_PATH,     AT(witness_state),        NULL,     0,       0,         0,
  "file of the newest checkpoint of each log; default: audit.journal with .witness after it" },
{ "telemetry.otlp",       OPT_OTLP,     AT(otlp),                 NULL,     0,       0,         0,
  "the collector that metrics and traces go to by OTLP/HTTP JSON: url, headers_file, ratio, metrics_every, ca, gzip" },
{ "retention.age",        OPT_DURATION, AT(retention_age_us),     NULL,     S,       36500ull * 86400 * S, 0,
  "closed segments older than this are trimmed; below 183d only with below_six_months" },
{ "retention.size",       OPT_SIZE,     AT(retention_size),       NULL,     64 * K,  1024 * 1024 * G, 0,
  "bytes that the journal's segments take, compressed ones too: beyond, the oldest are trimmed, none younger than 183d" },
{ "retention.below_six_months", OPT_BOOL, AT(below_six_months),   "false",  0,       0,         0,
  "age and size may trim what is younger than 183d" },
{ "retention.archive",    OPT_TEXT,     AT(retention_archive),    NULL,     0,       0,         0,
  "where compressed segments are copied to: a folder, or s3://BUCKET/PREFIX; nothing is trimmed that is not there" },
{ "retention.endpoint",   OPT_TEXT,     AT(retention_endpoint),   NULL,     0,       0,         0,
  "the S3-compatible store, http[s]://HOST[:PORT]; default: Amazon's of the region" },
{ "retention.region",     OPT_TEXT,     AT(retention_region),     "us-east-1", 0,    0,         0,
  "the store's region" },
{ "retention.credentials_file", OPT_PATH, AT(retention_credentials), NULL, 0,       0,         0,
  "access key and secret of the store, a line each, a session's token as a third; mode 600, read at each call" },
{ "retention.lock",       OPT_DURATION, AT(retention_lock_us),    NULL,     S,       36500ull * 86400 * S, 0,
  "object lock (COMPLIANCE) that the store is asked for, counted from the upload; default: none" },
{ "retention.every",      OPT_DURATION, AT(retention_every_us),   "60s",    10 * MS, 86400 * S, 0,
  "how often closed segments are looked after" },
{ "limits.body",          OPT_SIZE,     AT(body_bytes),           "32m",    K,       G,         0,
  "largest request body, decoded: 413" },
{ "limits.held",          OPT_SIZE,     AT(held_bytes),           "256m",   K,       1024 * G,  0,
  "bytes held for all requests together: 503 with Retry-After" },
{ "limits.held_per_identity", OPT_SIZE, AT(held_identity_bytes),  "64m",    K,       1024 * G,  0,
  "the same for one identity, of which a quarter may wait for the relay; default: a quarter of limits.held" },
{ "limits.min_rate",      OPT_SIZE,     AT(min_rate_bytes),       "1k",     0,       G,         0,
  "bytes a second that the relay wants of a body on average, from its tenth second on: 408; 0: any" },
{ "limits.inflate_ratio", OPT_U64,      AT(inflate_ratio),        "100",    1,       10000,     0,
  "decoded bytes per encoded byte: 413" },
{ "tokens.ranks",         OPT_PATH,     AT(tokens_ranks),         NULL,     0,       0,         0,
  "folder of the files that tokens are counted with; default: ranks/ next to the program, then share/tollgate/ranks/" },
{ "tokens.models",        OPT_PATH,     AT(tokens_models),        NULL,     0,       0,         0,
  "which model is counted how; default: the table compiled in, policies/models.yaml" },
{ "notify.url",           OPT_WEBHOOK,  AT(notify_url),           NULL,     0,       0,         0,
  "webhook that people are told by: http[s]://… or unix:/SOCKET:/PATH; its answer is 2xx" },
{ "notify.events",        OPT_EVENTS,   AT(notify_events),        NULL,     0,       0,         0,
  "of what: any of budget, breaker, degraded, pin; default: all" },
{ "notify.secret_file",   OPT_PATH,     AT(notify_secret_file),   NULL,     0,       0,         0,
  "secrets that webhooks are signed with, whsec_BASE64 a line, mode 600; default: not signed" },
{ "notify.ca",            OPT_PATH,     AT(notify_ca),            NULL,     0,       0,         0,
  "authorities of the webhook's certificate, PEM; default: the system's" },
{ "notify.persons",       OPT_BOOL,     AT(notify_persons),       "false",  0,       0,         0,
  "names of persons are told too; else the id of a request, which leads to its record" },
{ "log.format",           OPT_FORMAT,   AT(log_format),           "logfmt", 0,       0,         0,
  "logfmt or json" },
{ "log.level",            OPT_LEVEL,    AT(log_level),            "info",   0,       0,         0,
  "error, warn, info or debug" },
{ "log.to",               OPT_LOG_TO,   AT(log_to),               "stderr", 0,       0,         0,
  "stderr, syslog (RFC 5424 to /dev/log) or journald (its own protocol, a field for each of a line's)" },
};
/* clang-format on */
const size_t config_option_count = COUNT_OF(config_options);

/* Read from each snapshot anew; all others are fixed at start. */
static bool
reloads(const char *name)
{
	static const char *const names[] = { "policy", "policy_watch", "shadow_policy",
		"detectors", "backends", "credentials", "demo_issuer", "redact.key_file",
		"limits.body", "limits.inflate_ratio", "tokens.ranks", "tokens.models",
		"audit.key", "audit.key_passphrase_file", "audit.previous_key", "audit.root",
		"audit.key_statements", "admin.tokens", "admin.users", "admin.hosts", NULL };

	return read_listed(names, span_str(name));
}

void
config_fixed_changes(const struct config *now, const struct config *next, struct buf *out)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		if (!reloads(o->name) && !config_option_same(o, now, next))
			buf_printf(out, "%s%s", out->n ? "," : "", o->name);
	}
}

/* The value of "agent.listen" in the tree; NULL where it is not given. */
const struct yaml_node *
config_option_at(const struct yaml_node *root, const char *name)
{
	const char *dot = strchr(name, '.');
	char section[32];

	if (!dot)
		return yaml_get(root, name);
	snprintf(section, sizeof(section), "%.*s", (int)(dot - name), name);
	return yaml_get(yaml_get(root, section), dot + 1);
}

/* The names accepted directly under `section` ("" for the top): options without
 * a dot, and sections once each. */
static void
names_under(const char *section, const char *names[static 64], char store[static 16][32])
{
	size_t n = 0, stored = 0, len = strlen(section);

	for (size_t i = 0; i < config_option_count; i++) {
		const char *name = config_options[i].name, *dot = strchr(name, '.');
		INVARIANT(n < 63 && stored < 16);
		if (len) {
			if (dot && (size_t)(dot - name) == len && !strncmp(name, section, len))
				names[n++] = dot + 1;
		} else if (!dot) {
			names[n++] = name;
		} else if (!stored || strncmp(store[stored - 1], name, (size_t)(dot - name)) ||
			   store[stored - 1][dot - name]) {
			snprintf(store[stored], 32, "%.*s", (int)(dot - name), name);
			names[n++] = store[stored++];
		}
	}
	names[n] = NULL;
}

static void
check_keys(struct config_reader *r, const struct yaml_node *root)
{
	const char *top[64], *names[64];
	char store[16][32], unused[16][32];

	names_under("", top, store);
	if (!read_map(r->d, root, "configuration", top, NULL))
		return;
	for (size_t i = 0; top[i]; i++) {
		const struct yaml_node *section = yaml_get(root, top[i]);
		names_under(top[i], names, unused);
		if (section && names[0])
			read_map(r->d, section, top[i], names, NULL);
	}
}

static const char *
host_name(struct arena *a)
{
	char host[65] = "";

	if (gethostname(host, sizeof(host) - 1) || !host[0])
		return "tollgate";
	for (char *c = host; *c; c++)
		if (!config_name_ok(span_of(c, 1), 1))
			*c = '-';
	return arena_strdup(a, host);
}

const struct config *
config_load(struct arena *a, const char *file, struct diag *d)
{
	unsigned errors = d->errors;
	const struct config *cfg = config_read(a, file, d);

	return d->errors == errors ? cfg : NULL;
}

const struct config *
config_read(struct arena *a, const char *file, struct diag *d)
{
	unsigned errors = d->errors;
	struct config *cfg = arena_new(a, struct config);
	struct config_reader r = { a, d, cfg };
	enum file_kind before = buf_file_kind(FILE_OF_CONFIGURATION);
	const struct yaml_node *root = yaml_load_file(a, file, d);

	buf_file_kind(before);
	if (!root)
		return NULL;
	if (!cfg || !(cfg->file = arena_strdup(a, file)) || !(cfg->node = host_name(a))) {
		diag_file(d, file, "out of memory");
		return NULL;
	}
	check_keys(&r, root);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		const struct yaml_node *n = config_option_at(root, o->name);
		struct yaml_node fallback = { .kind = YAML_SCALAR, .s = span_str(o->fallback) };
		if (o->fallback)
			config_option_read(&r, o, &fallback);
		if (n)
			config_option_read(&r, o, n);
	}
	cfg->redact_key_at = config_option_at(root, "redact.key_file");
	cfg->audit_key_at = config_option_at(root, "audit.key");
	cfg->audit_hash_key_at = config_option_at(root, "audit.hash_key");
	cfg->journal_at = config_option_at(root, "audit.journal");
	cfg->socket_group_at = config_option_at(root, "group");
	if (root->kind == YAML_MAPPING)
		config_check(&r, root);
	if (arena_failed(a) && d->errors == errors)
		diag_file(d, file, "out of memory");
	return cfg;
}

const char *config_installed = "/etc/tollgate/tollgate.yaml";

const char *
config_find(const char *named)
{
	const char *const places[] = { "tollgate.yaml", config_installed };

	if (named)
		return access(named, R_OK) == 0 ? named : NULL;
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}
