/* tollgate.yaml. One table row an option: the row gives its place in struct
 * config, its default, its bounds and the sentence of the manual, so that
 * parsing, defaults and documentation cannot part ways. Checks that span several
 * options are at the end. */
#include "config/config.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/err.h"
#include "config/options.h"
#include "config/read.h"
#include "proof/note.h"
#include "redis/redis_options.h"
#include "redis/redis_tls.h"

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
  "admin socket: /metrics, /healthz, /readyz; mode 600" },
{ "admin.tcp",            OPT_TCP,      AT(admin_tcp),            NULL,     0,       0,         AT(has_admin_tcp),
  "the same on TCP, for scrapers" },
{ "admin.token_file",     OPT_PATH,     AT(admin_token_file),     NULL,     0,       0,         0,
  "bearer token for all but /metrics, /healthz, /readyz" },
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
{ "log.format",           OPT_FORMAT,   AT(log_format),           "logfmt", 0,       0,         0,
  "logfmt or json" },
{ "log.level",            OPT_LEVEL,    AT(log_level),            "info",   0,       0,         0,
  "error, warn, info or debug" },
};
/* clang-format on */
const size_t config_option_count = COUNT_OF(config_options);

/* Where each goes in struct redis_options. */
#define TO(option, field, to)                                                                  \
	{                                                                                      \
		option, AT(field), offsetof(struct redis_options, to),                         \
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

static const char *const log_formats[] = { "logfmt", "json", NULL };
static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

struct reader {
	struct arena *a;
	struct diag *d;
	struct config *cfg;
};

/* ---- addresses ---- */

enum address_kind { ADDR_UNIX = 1, ADDR_TCP = 2 };

static int
address_unix(struct reader *r, const char *path, struct address *out)
{
	struct sockaddr_un un;

	if (!*path)
		return ERR_SYNTAX;
	out->path = path_beside(r->a, r->cfg->file, path);
	if (!out->path)
		return ERR_NOMEM;
	return strlen(out->path) < sizeof(un.sun_path) ? 0 : ERR_LIMIT;
}

/* ADDRESS:PORT; names other than localhost would need a resolver at start. */
static int
address_tcp(struct reader *r, struct span s, struct address *out)
{
	unsigned char bin[16];
	uint64_t port;
	size_t colon = s.n;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || span_u64(span_cut(s, colon, s.n), &port) || port == 0 || port > 65535)
		return ERR_SYNTAX;
	struct span host = span_cut(s, 0, colon - 1);
	bool six = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (six)
		host = span_cut(host, 1, host.n - 1);
	if (!six && span_is(host, "localhost"))
		host = SPAN_LIT("127.0.0.1");
	host = arena_dup(r->a, host);
	if (!host.p)
		return ERR_NOMEM;
	if (inet_pton(six ? AF_INET6 : AF_INET, host.p, bin) != 1)
		return ERR_SYNTAX;
	out->host = host.p;
	out->port = (unsigned)port;
	return 0;
}

static bool
read_address(struct reader *r, const struct yaml_node *n, const char *name, unsigned kinds,
	struct address *out)
{
	static const char *const forms[] = {
		[ADDR_UNIX] = "unix@/path",
		[ADDR_TCP] = "ADDRESS:PORT",
		[ADDR_UNIX | ADDR_TCP] = "unix@/path or ADDRESS:PORT",
	};
	const char *text;
	int err = ERR_SYNTAX;

	if (!read_text(r->d, n, name, &text))
		return false;
	*out = (struct address){ .text = text };
	if (!strncmp(text, "unix@", 5)) {
		if (kinds & ADDR_UNIX)
			err = address_unix(r, text + 5, out);
	} else if (kinds & ADDR_TCP) {
		err = address_tcp(r, n->s, out);
	}
	if (err == ERR_LIMIT)
		diag_at(r->d, n, "%s: the socket's path is longer than %zu bytes", name,
			sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	else if (err == ERR_NOMEM)
		diag_at(r->d, n, "out of memory");
	else if (err)
		diag_at(r->d, n, "%s: %s is expected, found %s", name, forms[kinds], text);
	return err == 0;
}

static bool
read_addresses(struct reader *r, const struct yaml_node *n, const char *name,
	struct address *out, size_t *count)
{
	const struct yaml_node *c = yaml_first(n);
	bool ok = true;

	if (!c)
		diag_at(r->d, n, "%s: the list is empty", name);
	for (; c; c = yaml_next(n, c)) {
		if (*count == CONFIG_LISTENERS_MAX) {
			diag_at(r->d, c, "%s: more than %d listeners", name,
				CONFIG_LISTENERS_MAX);
			return false;
		}
		if (!read_address(r, c, name, ADDR_UNIX | ADDR_TCP, &out[*count]))
			ok = false;
		else
			(*count)++;
	}
	return ok;
}

/* ---- single kinds ---- */

static bool
name_ok(struct span s, size_t max)
{
	return s.n > 0 && s.n <= max && span_is_alnum(s, "._-");
}

static void
read_node_name(struct reader *r, const struct yaml_node *n, const char **out)
{
	if (n->kind != YAML_SCALAR || !name_ok(n->s, 64))
		diag_at(r->d, n,
			"node: 1 to 64 letters, digits, dots, dashes or underscores are "
			"expected");
	else
		*out = n->s.p;
}

static void
read_backends(struct reader *r, const struct yaml_node *n, const char ***out, size_t *count)
{
	if (!read_texts(r->a, r->d, n, "backends", out, count))
		return;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c))
		if (!name_ok(c->s, 128))
			diag_at(r->d, c,
				"backends: letters, digits, dots, dashes or underscores are "
				"expected, found %s",
				c->s.p);
}

/* Never repeats the URL: it may hold the password. */
static void
read_redis(struct reader *r, const struct yaml_node *n, const char **out)
{
	const char *text;
	struct redis_url url;

	if (!read_text(r->d, n, "redis.url", &text))
		return;
	if (redis_url_parse(text, &url) != 0)
		diag_at(r->d, n, "redis.url: " REDIS_URL_FORMS " is expected");
	else
		*out = text;
	sodium_memzero(&url, sizeof(url));
}

static void
read_option(struct reader *r, const struct config_option *o, const struct yaml_node *n)
{
	void *at = (char *)r->cfg + o->place;
	void *aux = (char *)r->cfg + o->aux;
	uint64_t v;

	switch (o->kind) {
	case OPT_TEXT: read_text(r->d, n, o->name, at); break;
	case OPT_PATH: read_path(r->a, r->d, n, at); break;
	case OPT_NODE: read_node_name(r, n, at); break;
	case OPT_NAMES: read_backends(r, n, at, aux); break;
	case OPT_REDIS: read_redis(r, n, at); break;
	case OPT_BOOL: read_bool(r->d, n, at); break;
	case OPT_DURATION: read_duration_us(r->d, n, o->min, o->max, at); break;
	case OPT_SIZE: read_size(r->d, n, o->min, o->max, at); break;
	case OPT_U64: read_uint(r->d, n, o->min, o->max, at); break;
	case OPT_WORKERS:
		if (n->kind == YAML_SCALAR && span_is(n->s, "auto"))
			break;
		/* fall through */
	case OPT_UNSIGNED:
		if (read_uint(r->d, n, o->min, o->max, &v))
			*(unsigned *)at = (unsigned)v;
		break;
	case OPT_ADDRS: read_addresses(r, n, o->name, at, aux); break;
	case OPT_UNIX:
	case OPT_TCP:
		if (read_address(
			    r, n, o->name, o->kind == OPT_UNIX ? ADDR_UNIX : ADDR_TCP, at) &&
			o->aux)
			*(bool *)aux = true;
		break;
	case OPT_FORMAT: read_word(r->d, n, log_formats, at); break;
	case OPT_LEVEL: read_word(r->d, n, log_levels, at); break;
	case OPT_CREDENTIALS: credentials_read(r->a, r->d, n, at, aux); break;
	case OPT_ANCHORS: anchors_read(r->a, r->d, n, at, aux); break;
	case OPT_WITNESS_LOGS: witness_logs_read(r->a, r->d, n, at, aux); break;
	}
}

/* ---- comparing two ---- */

static bool
same_option(const struct config_option *o, const struct config *x, const struct config *y)
{
	const void *a = (const char *)x + o->place, *b = (const char *)y + o->place;
	const struct address *aa = a, *bb = b;
	size_t n;

	switch (o->kind) {
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_NODE:
	case OPT_REDIS: return str_same(*(const char *const *)a, *(const char *const *)b);
	case OPT_UNIX:
	case OPT_TCP: return str_same(aa->text, bb->text);
	case OPT_BOOL: return *(const bool *)a == *(const bool *)b;
	case OPT_DURATION:
	case OPT_SIZE:
	case OPT_U64: return *(const uint64_t *)a == *(const uint64_t *)b;
	case OPT_UNSIGNED:
	case OPT_WORKERS:
	case OPT_FORMAT:
	case OPT_LEVEL: return *(const unsigned *)a == *(const unsigned *)b;
	case OPT_NAMES:
	case OPT_CREDENTIALS: return true; /* what reads them reads them anew */
	case OPT_ANCHORS: return anchors_same(x->anchors, x->nanchors, y->anchors, y->nanchors);
	case OPT_WITNESS_LOGS:
		return witness_logs_same(x->witness_logs, x->nwitness_logs, y->witness_logs,
			y->nwitness_logs);
	case OPT_ADDRS: break;
	}
	n = *(const size_t *)((const char *)x + o->aux);
	if (n != *(const size_t *)((const char *)y + o->aux))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!str_same(aa[i].text, bb[i].text))
			return false;
	return true;
}

/* Read from each snapshot anew; all others are fixed at start. */
static bool
reloads(const char *name)
{
	static const char *const names[] = { "policy", "policy_watch", "shadow_policy",
		"detectors", "backends", "credentials", "demo_issuer", "redact.key_file", "limits.body",
		"limits.inflate_ratio", "tokens.ranks", "tokens.models", "audit.key",
		"audit.key_passphrase_file", "audit.previous_key", "audit.root",
		"audit.key_statements", NULL };

	return read_listed(names, span_str(name));
}

void
config_fixed_changes(const struct config *now, const struct config *next, struct buf *out)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		if (!reloads(o->name) && !same_option(o, now, next))
			buf_printf(out, "%s%s", out->n ? "," : "", o->name);
	}
}

/* ---- the whole ---- */

/* The value of "agent.listen" in the tree; NULL where it is not given. */
static const struct yaml_node *
find_option(const struct yaml_node *root, const char *name)
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
check_keys(struct reader *r, const struct yaml_node *root)
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
		if (!name_ok(span_of(c, 1), 1))
			*c = '-';
	return arena_strdup(a, host);
}

static void
require(struct reader *r, const struct yaml_node *root, const char *section, const char *key)
{
	const struct yaml_node *s = section ? yaml_get(root, section) : root;

	if (s && s->kind == YAML_MAPPING && !yaml_get(s, key))
		diag_at(r->d, s->key ? s->key : s, "%s%s%s: is missing", section ? section : "",
			section ? "." : "", key);
}

/* Where a limit that is too low is said; the whole file where it has its default. */
static void
check_holds_body(
	struct reader *r, const struct yaml_node *root, const char *name, uint64_t bytes)
{
	const struct yaml_node *n = find_option(root, name);

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
beside_journal(struct reader *r, const char *suffix)
{
	struct span journal = span_str(r->cfg->journal);

	while (journal.n > 1 && journal.p[journal.n - 1] == '/')
		journal.n--;
	return arena_printf(r->a, "%.*s%s", SPAN_ARG(journal), suffix).p;
}

static void
check_anchors(struct reader *r, const struct yaml_node *root)
{
	struct config *cfg = r->cfg;
	bool witness = yaml_get(root, "witness") != NULL;

	require(r, root, "witness", "listen");
	require(r, root, "witness", "logs");
	require(r, root, "witness", "key");
	if (cfg->nanchors && !cfg->journal)
		diag_at(r->d, find_option(root, "anchors"),
			"anchors: needs the section audit, whose checkpoints are taken out");
	if (witness && !cfg->witness_name)
		cfg->witness_name = arena_printf(r->a, "tollgate/%s/witness", cfg->node).p;
	if (witness && !cfg->witness_state && cfg->journal)
		cfg->witness_state = beside_journal(r, ".witness");
	if (witness && !cfg->witness_state)
		diag_at(r->d, yaml_get(root, "witness"),
			"witness: needs state, or audit.journal next to which it is");
	if (cfg->witness_name && (strpbrk(cfg->witness_name, " +\t\n") ||
					 strlen(cfg->witness_name) > 255))
		diag_at(r->d, find_option(root, "witness.name"),
			"witness.name: up to 255 bytes without blanks and + are expected");
	if (witness && cfg->witness_key && str_same(cfg->witness_key, cfg->audit_key))
		diag_at(r->d, find_option(root, "witness.key"),
			"witness.key: is audit.key: a witness has a key of its own");
	cfg->witness_key_at = find_option(root, "witness.key");
}

static void
check_state(struct reader *r, const struct yaml_node *root)
{
	struct config *cfg = r->cfg;

	cfg->state_key_at = find_option(root, "state_key");
	cfg->state_file_at = find_option(root, "state_file");
	cfg->redis_password_at = find_option(root, "redis.password_file");
	cfg->redis_sentinel_password_at = find_option(root, "redis.sentinel_password_file");
	if (cfg->state_key && !cfg->state_file && cfg->journal)
		cfg->state_file = beside_journal(r, ".live");
	if (cfg->state_key && !cfg->state_file)
		diag_at(r->d, find_option(root, "state_key"),
			"state_key: needs state_file, or audit.journal next to which it is");
	if (cfg->state_file && !cfg->state_key)
		diag_at(r->d, find_option(root, "state_file"), "state_file: needs state_key");
	if (cfg->state_required && !cfg->state_key)
		diag_at(r->d, find_option(root, "state_required"),
			"state_required: needs state_key");
}

/* What the options of redis: say together. */
static void
check_redis(struct reader *r, const struct yaml_node *root)
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
			!name_ok(span_str(cfg->redis_client_name), 128),
			"letters, digits, dots, dashes or underscores are expected" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].bad)
			diag_at(r->d, find_option(root, rows[i].name), "%s: %s", rows[i].name,
				rows[i].why);
	for (size_t i = 0; i < COUNT_OF(redis_texts); i++) {
		const char *text = *redis_text(cfg, i);
		if (text && strlen(text) >= redis_texts[i].size)
			diag_at(r->d, find_option(root, redis_texts[i].name),
				"%s: longer than %zu bytes", redis_texts[i].name,
				redis_texts[i].size - 1);
	}
	sodium_memzero(&url, sizeof(url));
}

static void
check_whole(struct reader *r, const struct yaml_node *root)
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
	check_state(r, root);
	config_retention(cfg, root, r->d);
	check_redis(r, root);
	check_anchors(r, root);
	cfg->relay = yaml_get(root, "relay") != NULL;
	if (cfg->ncredentials && !cfg->relay)
		diag_at(r->d, find_option(root, "credentials"),
			"credentials: needs the section relay: HAProxy alone adds none of them");
	if (!cfg->redis_url) {
		const struct yaml_node *stream = find_option(root, "audit.stream");
		if (stream && cfg->audit_stream)
			diag_at(r->d, stream, "audit.stream: needs redis.url");
		cfg->audit_stream = false;
	}
	if (cfg->audit_origin && !note_name_valid(span_str(cfg->audit_origin)))
		diag_at(r->d, find_option(root, "audit.origin"),
			"audit.origin: '%s': not a name of 1 to %d bytes without blanks and plus signs",
			cfg->audit_origin, NOTE_NAME_MAX);
	for (size_t i = 0; i < cfg->nagent; i++)
		for (size_t j = 0; j < i; j++)
			if (same_place(&cfg->agent[i], &cfg->agent[j]))
				diag_at(r->d, find_option(root, "agent.listen"),
					"agent.listen: %s is given twice", cfg->agent[i].text);
	if (cfg->relay_listen.path && cfg->relay_egress.path &&
		same_place(&cfg->relay_listen, &cfg->relay_egress))
		diag_at(r->d, find_option(root, "relay.egress"),
			"relay.egress: is relay.listen itself; HAProxy's inner bind is "
			"expected");
	for (size_t i = 0; i < cfg->nagent && cfg->relay_listen.path; i++)
		if (same_place(&cfg->agent[i], &cfg->relay_listen))
			diag_at(r->d, find_option(root, "relay.listen"),
				"relay.listen: is agent.listen too");
	if (!find_option(root, "limits.held_per_identity")) {
		uint64_t quarter = cfg->held_bytes / 4;
		cfg->held_identity_bytes =
			quarter > cfg->body_bytes ? quarter : cfg->body_bytes;
	}
	check_holds_body(r, root, "limits.held", cfg->held_bytes);
	check_holds_body(r, root, "limits.held_per_identity", cfg->held_identity_bytes);
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
	struct reader r = { a, d, cfg };
	const struct yaml_node *root = yaml_load_file(a, file, d);

	if (!root)
		return NULL;
	if (!cfg || !(cfg->file = arena_strdup(a, file)) || !(cfg->node = host_name(a))) {
		diag_file(d, file, "out of memory");
		return NULL;
	}
	check_keys(&r, root);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		const struct yaml_node *n = find_option(root, o->name);
		struct yaml_node fallback = { .kind = YAML_SCALAR, .s = span_str(o->fallback) };
		if (o->fallback)
			read_option(&r, o, &fallback);
		if (n)
			read_option(&r, o, n);
	}
	cfg->redact_key_at = find_option(root, "redact.key_file");
	cfg->audit_key_at = find_option(root, "audit.key");
	cfg->audit_hash_key_at = find_option(root, "audit.hash_key");
	cfg->journal_at = find_option(root, "audit.journal");
	cfg->socket_group_at = find_option(root, "group");
	if (root->kind == YAML_MAPPING)
		check_whole(&r, root);
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
