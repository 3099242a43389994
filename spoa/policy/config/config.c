/* Reads tollgate.yaml. Each option is one row of config_options: its place in struct config,
 * default, bounds, and the sentence of the manual. Parsing, defaults, schema and documentation
 * all use the rows, so they cannot differ. Options that depend on each other are checked in
 * together.c, and the kinds of values are in values.c. */
#include "policy/config/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/file_set.h"
#include "base/redis/redis_options.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/why.h"
#include "policy/config/load.h"
#include "policy/config/options.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

#define S SECOND_US
#define K 1024ull
#define M (1024ull * 1024)
#define G (1024ull * 1024 * 1024)

/* clang-format off */
/* A row after its name: form and kind of the value, its place, and the default, the bounds, the
 * place of a count or flag, or the words. */
#define ALONE(kind, field)                      kind, .place = AT(config, field), .max = 0
#define UNLESS(kind, field, otherwise)          kind, .place = AT(config, field), .fallback = otherwise, .max = 0
#define WITHIN(kind, field, otherwise, least, most) kind, .place = AT(config, field), .fallback = otherwise, .min = least, .max = most
#define WITH(kind, field, with)                 kind, .place = AT(config, field), .aux = AT(config, with), .max = 0
#define EACH(kind, field, with, section)        NULL, kind, .place = AT(config, field), .aux = AT(config, with), .of = &section, .max = 0
#define OF(kind, section)                       NULL, kind, .of = &section
#define WORD(field, otherwise, words)           NULL, FIELD_WORD, words, .place = AT(config, field), .fallback = otherwise, .max = 0

#define OPT_TEXT     TEXT, FIELD_TEXT
#define OPT_PATH     TEXT, FIELD_FILE
#define OPT_NODE     TEXT, OPTION_NODE
#define OPT_NAMES    TEXTS, OPTION_NAMES
#define OPT_BOOL     BOOL, FIELD_BOOL
#define OPT_DURATION DURATION, FIELD_DURATION
#define OPT_SIZE     SIZE, FIELD_SIZE
#define OPT_SIZE_OR_OFF SIZE_OR_OFF, FIELD_SIZE
#define OPT_U64      COUNT, FIELD_COUNT
#define OPT_UNSIGNED COUNT, FIELD_UNSIGNED
#define OPT_WORKERS  EITHER(ONE("\"auto\""), COUNT), OPTION_WORKERS
#define OPT_ADDRS    TEXTS, OPTION_ADDRS
#define OPT_UNIX     TEXT, OPTION_UNIX
#define OPT_TCP      TEXT, OPTION_TCP
#define OPT_EVENTS   LIST(ONE("\"budget\",\"breaker\",\"degraded\",\"pin\"")), OPTION_EVENTS
#define ROLE_WORDS   ONE("\"viewer\",\"operator\",\"auditor\"")
#define OPT_ADMIN_USERS MAPOF(EITHER(ROLE_WORDS, LIST(ROLE_WORDS))), OPTION_ADMIN_USERS
#define OPT_CREDENTIALS MAPOF("\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" \
	"\"sigv4\":{},\"vertex\":{},\"entra\":{},\"header\":{},\"file\":{},\"prefix\":{}}"), OPTION_CREDENTIALS

static const char *const person_words[] = { "plain", "pseudonym", NULL }; /* enum audit_persons */
static const char *const log_formats[] = { "logfmt", "json", NULL };

/* Checks redis.url. The message never repeats the URL, because it may contain the password. */
static const char *
redis_wrong(const char *text)
{
	struct redis_url url;
	int err = redis_url_parse(text, &url);

	sodium_memzero(&url, sizeof(url));
	return err ? REDIS_URL_FORMS " is expected" : NULL;
}

static const char *
auditor_wrong(const char *text)
{
	return config_name_ok(span_str(text), 64) ? NULL : "1 to 64 letters, digits, dots, dashes or underscores are expected";
}

static const struct section witness_log_section = { "witness.logs", "[\"origin\",\"key\"]", .fields = {
{ "origin", A_TEXT_TO(witness_log, origin, 255), .needed = true },
{ "key", A_FILE(witness_log, key), .needed = true },
}, .size = sizeof(struct witness_log), .most = CAP_WITNESS_LOGS };
/* The key is checked in record/seal/auditor.h. */
static const struct section auditor_section = { "seal.auditors", "[\"name\",\"public_key\"]", .fields = {
{ "name", A_TEXT(config_auditor, name), NULL, auditor_wrong, .needed = true },
{ "public_key", A_TEXT(config_auditor, public_key), .needed = true },
}, .size = sizeof(struct config_auditor), .most = CAP_AUDITORS };

const struct field config_options[] = {
{ "node", ALONE(OPT_NODE, node), "this daemon's name in records, tickets and logs: letters, digits, . _ -; default: the name kept in the file JOURNAL.node next to audit.journal, at the first start the host's name" },
{ "workers", WITHIN(OPT_WORKERS, workers, "auto", 1, 1024), "number of worker threads; auto: one per core" },
{ "group", ALONE(OPT_TEXT, socket_group), "group that owns the agent and relay sockets (haproxy); default: unchanged" },
{ "policy", ALONE(OPT_PATH, policy), "the policy in force: a file, or a folder of them" },
{ "shadow_policy", ALONE(OPT_PATH, shadow_policy), "a second policy that is evaluated next to the one in force and never applied: its decisions are recorded and counted" },
{ "policy_watch", UNLESS(OPT_BOOL, policy_watch, "false"), "reload when tollgate.yaml, the policy or a file that the policy includes changes; false: reload only by an order. Files of keys, tokens and certificates are watched in any case" },
{ "detectors", ALONE(OPT_PATH, detectors), "folder of detection rules; default: the set compiled in" },
{ "backends", WITH(OPT_NAMES, backends, nbackends), "HAProxy backends that a policy may name; check --haproxy FILE compares them with HAProxy's file" },
{ "credentials", WITH(OPT_CREDENTIALS, credentials, ncredentials), "credentials by name, for a provider whose key HAProxy does not hold, or for a recognizer that names it: sigv4, vertex, entra or a key file" },
{ "demo_issuer", ALONE(OPT_PATH, demo_issuer), "token issuer for the demo and tests; never use it in production" },
{ "memo", WITHIN(OPT_SIZE_OR_OFF, memo_bytes, "32m", 0, 1024 * G), "most bytes of results of searches, which are remembered for texts that come again; off: each text is searched each time" },
{ "body_variable", UNLESS(OPT_BOOL, body_variable, "false"), "set txn.tollgate.body to the redacted body if it fits" },
{ "state_key", ALONE(OPT_PATH, state_key), "secret that signs keys and limits made at run time: a file of tollgate keygen --secret, mode 600; the same for all daemons that share a Redis" },
{ "state_file", ALONE(OPT_PATH, state_file), "file that keeps keys and limits made at run time; default: audit.journal with .live after it" },
{ "state_required", UNLESS(OPT_BOOL, state_required, "false"), "do not start if state_file does not exist: without the file, revocations that Redis does not have are lost" },
{ "anchors", EACH(OPTION_ANCHORS, anchors, nanchors, anchor_section), "places to which checkpoints of the record are sent: a list of file, syslog, url, tsa or witness, each with every" },
{ "redact.key_file", ALONE(OPT_PATH, redact_key_file), "secret of keyed hashes (with: hash): 32 bytes of text or more, mode 600; the same on all nodes whose hashes must be equal" },
{ "agent.listen", WITH(OPT_ADDRS, agent, nagent), "address on which HAProxy's SPOE filter reaches the agent: unix@/path or ADDRESS:PORT, one or a list" },
{ "agent.deadline", WITHIN(OPT_DURATION, agent_deadline_us, "800ms", 10 * MS, 60 * S), "a decision that takes longer gets the policy's on_failure outcome; set it below HAProxy's timeout processing" },
{ "relay.listen", ALONE(OPT_UNIX, relay_listen), "socket to which HAProxy's relay backend connects" },
{ "relay.egress", ALONE(OPT_UNIX, relay_egress), "HAProxy's inner bind, to which the relay sends requests" },
{ "relay.ticket_ttl", WITHIN(OPT_DURATION, ticket_ttl_us, "5s", S, 600 * S), "a ticket expires if the relay does not receive its request within this time; set it above HAProxy's timeout queue" },
{ "relay.read_timeout", WITHIN(OPT_DURATION, relay_read_us, "30s", 10 * MS, 3600 * S), "longest pause while the relay reads a request body" },
{ "relay.response_timeout", WITHIN(OPT_DURATION, relay_response_us, "10m", 10 * MS, 86400 * S), "longest pause of the provider while it sends a response" },
{ "relay.idle_timeout", WITHIN(OPT_DURATION, relay_idle_us, "60s", 10 * MS, 86400 * S), "pooled connections are closed after this time without a request" },
{ "relay.pool", WITHIN(OPT_UNSIGNED, relay_pool, "64", 0, 65536), "idle upstream connections that each worker keeps" },
{ "admin.listen", WITH(OPT_UNIX, admin, has_admin), "admin socket: /metrics, /healthz, /readyz and all requests of commands; mode 600, with admin.users 666" },
{ "admin.tcp", WITH(OPT_TCP, admin_tcp, has_admin_tcp), "the admin server on TCP, for scrapers" },
{ "admin.token_file", ALONE(OPT_PATH, admin_token_file), "bearer token for all pages of admin.tcp except /metrics, /healthz and /readyz; it cannot change keys, limits or records" },
{ "admin.tls", ALONE(OF(OPTION_ADMIN_TLS, admin_tls_fields), admin_tls_section), "the admin server with TLS, for tokens of admin.tokens and the console: listen (ADDRESS:PORT), certificate and key (PEM), clients (authorities that sign client certificates)" },
{ "admin.tokens", ALONE(OPT_PATH, admin_tokens), "file of hashed tokens, each with a name, roles and an end, made by tollgate admin-token; it is read again when it changes" },
{ "admin.users", WITH(OPT_ADMIN_USERS, admin_users, nadmin_users), "roles (viewer, operator, auditor or a list of these) by user or uid on the admin socket, or by the name in a client certificate; default: only root and the daemon's user, with all roles" },
{ "admin.hosts", WITH(OPT_NAMES, admin_hosts, nadmin_hosts), "names by which a browser may reach the admin server, in addition to localhost, addresses and names without a dot" },
{ "admin.console", UNLESS(OPT_BOOL, admin_console, "false"), "serve the console at /console/ on the admin socket and admin.tls" },
{ "console.open", UNLESS(OPT_BOOL, console_open, "false"), "the console can open sealed texts in the browser, with the private key that an auditor selects there" },
{ "redis.url", ALONE(OPT_TEXT, redis_url), "unix:/path[?db=N] or redis[s][+sentinel|+cluster]://…; without this option, limits count in this process only", redis_wrong },
{ "redis.user", ALONE(OPT_TEXT, redis_user), "user name for Redis, if the URL has none; default: the default user of Redis" },
{ "redis.password_file", ALONE(OPT_PATH, redis_password_file), "file with the password on one line, mode 600, read at each connect; the URL must not contain a password too" },
{ "redis.sentinel_user", ALONE(OPT_TEXT, redis_sentinel_user), "user name for the Sentinels; default: their default user" },
{ "redis.sentinel_password_file", ALONE(OPT_PATH, redis_sentinel_password_file), "file with the password of the Sentinels; default: no password" },
{ "redis.client_name", ALONE(OPT_TEXT, redis_client_name), "name of the connections in CLIENT LIST; default: tollgate-NODE" },
{ "redis.ca", ALONE(OPT_PATH, redis_ca), "authorities of the servers' certificates, PEM; default: the system's" },
{ "redis.cert", ALONE(OPT_PATH, redis_cert), "client certificate and its chain, PEM, if the servers require one" },
{ "redis.key", ALONE(OPT_PATH, redis_key), "private key of redis.cert, PEM" },
{ "redis.server_name", ALONE(OPT_TEXT, redis_server_name), "name in the servers' certificates; default: the host of the connection" },
{ "redis.daemons", WITHIN(OPT_UNSIGNED, redis_daemons, NULL, 1, 1000), "number of daemons that share this Redis; a daemon that starts while Redis does not answer cannot count them" },
{ "redis.deadline", WITHIN(OPT_DURATION, redis_deadline_us, "200ms", MS, 10 * S), "a response later than this counts as a failure, and on_failure.quota applies" },
{ "extract.listen", ALONE(OPT_UNIX, extract), "socket of tollgate-extract, which reads PDF files and pictures; without this option they stay uninspected" },
{ "extract.deadline", WITHIN(OPT_DURATION, extract_deadline_us, "10s", 100 * MS, 300 * S), "a file that is not read within this time counts as unreadable; agent.deadline does not apply meanwhile" },
{ "cache.redis", ALONE(OPT_TEXT, cache_redis), "Redis that stores responses, in the form of redis.url; it may evict, so never use the Redis of the limits; default: responses are stored in this process", redis_wrong },
{ "cache.password_file", ALONE(OPT_PATH, cache_password_file), "file with the password of cache.redis on one line, mode 600" },
{ "cache.max_bytes", WITHIN(OPT_SIZE, cache_max_bytes, "64m", 64 * K, 1024 * G), "most bytes of responses that this process stores; one caller may use an eighth" },
{ "audit.journal", ALONE(OPT_PATH, journal), "folder of the journal's segments" },
{ "audit.key", ALONE(OPT_PATH, audit_key), "private signing key, made by tollgate keygen; a reload replaces it by a new one" },
{ "audit.key_passphrase_file", ALONE(OPT_PATH, audit_passphrase_file), "file whose first line is the passphrase of an encrypted audit.key, mode 600" },
{ "audit.previous_key", ALONE(OPT_PATH, audit_previous_key), "private key that audit.key replaced: it signs checkpoints too for 30 days; default: audit.key with .old after it, if that file exists" },
{ "audit.root", ALONE(OPT_PATH, audit_root), "public key of the offline root, which certifies and revokes signing keys" },
{ "audit.key_statements", ALONE(OPT_PATH, audit_statements), "file of the root's statements, made by tollgate audit key: each statement is written to the journal" },
{ "audit.hash_key", ALONE(OPT_PATH, audit_hash_key), "key of the keyed hashes of texts, made by tollgate keygen --hash-key, mode 600; default: derived from the file of audit.key, which a reload then cannot replace" },
{ "audit.origin", ALONE(OPT_TEXT, audit_origin), "name of this node's log and of its key in checkpoints; default: tollgate/NODE" },
{ "audit.segment", WITHIN(OPT_SIZE, journal_segment_bytes, "64m", 64 * K, 16 * G), "a journal segment is closed when it reaches this size" },
{ "audit.stream", UNLESS(OPT_BOOL, audit_stream, "true"), "mirror records to the Redis Stream tollgate:audit:NODE, if Redis is configured" },
{ "audit.stream_maxlen", WITHIN(OPT_U64, audit_stream_maxlen, "1000000", 0, 1ull << 40), "most entries that the stream keeps; 0: no bound" },
{ "audit.stream_bytes", WITHIN(OPT_SIZE, audit_stream_bytes, "256m", 0, 1ull << 40), "most memory of Redis that the stream takes; 0: no bound" },
{ "audit.stream_consumed", UNLESS(OPT_BOOL, audit_stream_consumed, "false"), "remove entries that every consumer group of the stream has read and acknowledged" },
{ "audit.persons", WORD(audit_persons, "plain", person_words), "how records name persons: plain, or pseudonym, a word that cannot be derived again after the person is erased" },
{ "seal.auditors", EACH(OPTION_LIST, auditors, nauditors, auditor_section), "auditors who can open the texts that routes record: a list of name and public_key (X25519, the base64 line of openssl pkey -pubout); each auditor alone can open them" },
{ "seal.shares", ALONE(OPT_PATH, seal_shares), "file of the persons' shares, mode 600: when a share is erased, no text of that person can be opened; default: audit.journal with .shares after it" },
{ "seal.require_reason", UNLESS(OPT_BOOL, seal_require_reason, "false"), "a person's share is handed out only with a reason, which is recorded" },
{ "witness.listen", ALONE(OPT_UNIX, witness_listen), "socket on which this daemon cosigns the checkpoints of other logs; HAProxy adds TLS" },
{ "witness.logs", EACH(OPTION_LIST, witness_logs, nwitness_logs, witness_log_section), "logs that this daemon cosigns: a list of origin and key, a file of public keys" },
{ "witness.key", ALONE(OPT_PATH, witness_key), "private key of the cosignatures, made by tollgate keygen; it must not be audit.key" },
{ "witness.name", ALONE(OPT_TEXT, witness_name), "name of the witness's key in cosignatures; default: tollgate/NODE/witness" },
{ "witness.state", ALONE(OPT_PATH, witness_state), "file of the newest checkpoint of each log; default: audit.journal with .witness after it" },
{ "telemetry.otlp", ALONE(OF(OPTION_OTLP, otlp_section), otlp), "collector that receives metrics and traces by OTLP/HTTP JSON: url, headers_file, ratio, metrics_every, ca, gzip" },
{ "retention.age", WITHIN(OPT_DURATION, retention_age_us, NULL, S, 36500ull * 86400 * S), "closed segments older than this are trimmed; a value below 183d needs below_six_months" },
{ "retention.size", WITHIN(OPT_SIZE, retention_size, NULL, 64 * K, 1024 * 1024 * G), "most bytes of the journal's segments, including compressed ones: beyond that, the oldest are trimmed, but none younger than 183d" },
{ "retention.texts", WITHIN(OPT_DURATION, retention_texts_us, NULL, S, 36500ull * 86400 * S), "sealed texts older than this are trimmed, independently of their records; default: retention.age" },
{ "retention.below_six_months", UNLESS(OPT_BOOL, below_six_months, "false"), "age and size may trim segments younger than 183d" },
{ "retention.archive", ALONE(OPT_TEXT, retention_archive), "place to which compressed segments are copied: a folder, or s3://BUCKET/PREFIX; a segment is trimmed only after it was copied" },
{ "retention.endpoint", ALONE(OPT_TEXT, retention_endpoint), "S3-compatible store, http[s]://HOST[:PORT]; default: Amazon's endpoint of the region" },
{ "retention.region", UNLESS(OPT_TEXT, retention_region, "us-east-1"), "region of the store" },
{ "retention.credentials_file", ALONE(OPT_PATH, retention_credentials), "file with the store's access key and secret, one line each, and a session token as an optional third line; mode 600, read at each call" },
{ "retention.lock", WITHIN(OPT_DURATION, retention_lock_us, NULL, S, 36500ull * 86400 * S), "object lock (COMPLIANCE) that is requested from the store, counted from the upload; default: none" },
{ "retention.every", WITHIN(OPT_DURATION, retention_every_us, "60s", 10 * MS, 86400 * S), "how often closed segments are compressed, copied and trimmed" },
{ "limits.body", WITHIN(OPT_SIZE, body_bytes, "32m", K, G), "largest request body, decoded; a larger one gets 413" },
{ "limits.held", WITHIN(OPT_SIZE, held_bytes, "256m", K, 1024 * G), "most bytes held for all requests together; a request beyond gets 503 with Retry-After" },
{ "limits.held_per_identity", WITHIN(OPT_SIZE, held_identity_bytes, "64m", K, 1024 * G), "most bytes held for one identity, of which a quarter may wait for the relay; default: a quarter of limits.held" },
{ "limits.min_rate", WITHIN(OPT_SIZE_OR_OFF, min_rate_bytes, "1k", 0, G), "least average rate of a request body in bytes per second, from its tenth second on; a slower one gets 408; 0: any rate" },
{ "limits.inflate_ratio", WITHIN(OPT_U64, inflate_ratio, "100", 1, 10000), "most decoded bytes for each encoded byte; a body beyond gets 413" },
{ "tokens.ranks", ALONE(OPT_PATH, tokens_ranks), "folder of the files that count tokens; default: ranks/ next to the program, then share/tollgate/ranks/" },
{ "tokens.models", ALONE(OPT_PATH, tokens_models), "file that states how the tokens of each model are counted; default: the table compiled in, policies/models.yaml" },
{ "notify.url", WITHIN(OPT_TEXT, notify_url, NULL, 0, 2048), "webhook for notices: http[s]://… or unix:/SOCKET:/PATH; it must respond with 2xx", http_url_check },
{ "notify.events", ALONE(OPT_EVENTS, notify_events), "notices to send: any of budget, breaker, degraded, pin; default: all" },
{ "notify.secret_file", ALONE(OPT_PATH, notify_secret_file), "file of secrets that sign webhooks, whsec_BASE64 one per line, mode 600; default: webhooks are not signed" },
{ "notify.ca", ALONE(OPT_PATH, notify_ca), "authorities of the webhook's certificate, PEM; default: the system's" },
{ "notify.persons", UNLESS(OPT_BOOL, notify_persons, "false"), "notices contain names of persons; false: they contain the id of a request, whose record has the name" },
{ "log.format", WORD(log_format, "logfmt", log_formats), "logfmt or json" },
{ "log.level", WORD(log_level, "info", log_level_names), "error, warn, info or debug" },
{ "log.to", WORD(log_to, "stderr", log_to_names), "stderr, syslog (RFC 5424 to /dev/log) or journald (its own protocol, with a field for each field of the line)" },
};
/* clang-format on */
const size_t config_option_count = COUNT_OF(config_options);

void
config_fixed_changes(const struct config *now, const struct config *next, struct buf *out)
{
	/* Options that a reload applies. All others are fixed at start. */
	static const char *const reloaded[] = { "policy", "policy_watch", "shadow_policy",
		"detectors", "backends", "credentials", "demo_issuer", "redact.key_file",
		"limits.body", "limits.inflate_ratio", "tokens.ranks", "tokens.models",
		"audit.key", "audit.key_passphrase_file", "audit.previous_key", "audit.root",
		"audit.key_statements", "seal.auditors", "admin.tokens", "admin.users",
		"admin.hosts" };

	for (const struct field *o = config_options; o < config_options + config_option_count;
		o++) {
		if (!SPAN_IN(span_str(o->key), reloaded) && !config_option_same(o, now, next))
			buf_printf(out, "%s%s", out->n ? "," : "", o->key);
	}
}

const struct yaml_node *
config_at(const struct config *cfg, const char *name)
{
	const char *dot = strchr(name, '.');
	char section[32];

	if (!dot)
		return yaml_get(cfg->root, name);
	snprintf(section, sizeof(section), "%.*s", (int)(dot - name), name);
	return yaml_get(yaml_get(cfg->root, section), dot + 1);
}

/* Collects the names that are accepted under `section` ("" for the top level): options without
 * a dot, and each section once. */
static void
names_under(const char *section, const char *names[static 64], char store[static 24][32])
{
	size_t n = 0, stored = 0, len = strlen(section);

	for (size_t i = 0; i < config_option_count; i++) {
		const char *name = config_options[i].key, *dot = strchr(name, '.');
		INVARIANT(n < 63 && stored < 24);
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

/* Reports unknown keys of the top level and of each section. */
static void
check_keys(struct config_reader *r, const struct yaml_node *root)
{
	const char *top[64], *names[64];
	char store[24][32], unused[24][32];

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

/* ---- name of a node ---- */

/* The name is chosen at the first start and kept in JOURNAL.node, one line in a file next to
 * the journal's folder, because the folder contains segments only. A renamed machine or a
 * container that is created again keeps its name. */

/* Writes the path of JOURNAL.node. Returns false if the path is too long. */
static bool
node_path(const char *journal, char out[PATH_MAX])
{
	struct span folder = span_str(journal);

	while (folder.n > 1 && folder.p[folder.n - 1] == '/')
		folder.n--;
	return snprintf(out, PATH_MAX, "%.*s.node", SPAN_ARG(folder)) < PATH_MAX;
}

void
node_of_host(char out[NODE_NAME_MAX + 1])
{
	memset(out, 0, NODE_NAME_MAX + 1);
	if (gethostname(out, NODE_NAME_MAX) || !out[0])
		strcpy(out, "tollgate");
	for (char *c = out; *c; c++)
		if (!config_name_ok(span_of(c, 1), 1))
			*c = '-';
}

/* Reads the kept name. Returns false if the file has no valid name; the daemon then writes the
 * file again. */
static bool
kept_node(const char *journal, char out[NODE_NAME_MAX + 1])
{
	char path[PATH_MAX], text[NODE_NAME_MAX + 2];
	SCOPED_FD(fd,
		node_path(journal, path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct span name = span_of(text, n > 0 ? (size_t)n : 0);

	if (name.n && text[name.n - 1] == '\n')
		name.n--;
	snprintf(out, NODE_NAME_MAX + 1, "%.*s", SPAN_ARG(name));
	return config_name_ok(name, NODE_NAME_MAX);
}

/* Splits NODE-BOOT-SEQ.jsonl from the right, because NODE may contain dashes. Returns the
 * length of NODE, or 0 if `name` is not a segment's. */
static size_t
segment_node(struct span name, uint64_t *boot, uint64_t *seq)
{
	if (!span_ends(name, SPAN_LIT(".jsonl")))
		return 0;
	name.n -= sizeof(".jsonl") - 1;
	for (int i = 0; i < 2; i++) {
		size_t dash = span_behind(name, '-');
		if (dash < 2 || span_u64(span_cut(name, dash, name.n), i ? boot : seq))
			return 0;
		name.n = dash - 1;
	}
	return config_name_ok(name, NODE_NAME_MAX) ? name.n : 0;
}

/* Finds the node of the newest segment in the journal's folder. */
static bool
newest_node(const char *journal, char out[NODE_NAME_MAX + 1])
{
	DIR *d = opendir(journal);
	uint64_t last_boot = 0, last_seq = 0, boot, seq;
	bool any = false;

	for (struct dirent *e; d && (e = readdir(d));) {
		size_t n = segment_node(span_str(e->d_name), &boot, &seq);
		if (!n || (any && (boot < last_boot || (boot == last_boot && seq < last_seq))))
			continue;
		snprintf(out, NODE_NAME_MAX + 1, "%.*s", (int)n, e->d_name);
		last_boot = boot;
		last_seq = seq;
		any = true;
	}
	if (d)
		closedir(d);
	return any;
}

bool
config_is_second(void)
{
	const char *instance = getenv(CONFIG_INSTANCE);

	return instance && !strcmp(instance, "b");
}

/* Returns the name of a node without `node`: the kept name, else the name in the newest segment
 * of the journal's folder (versions up to 0.2 kept no name), else node_of_host(). `journal` may
 * be NULL. The result lives in the arena; NULL: out of memory. */
static const char *
node_of_journal(struct arena *a, const char *journal)
{
	char node[NODE_NAME_MAX + 1];

	if (!journal || (!kept_node(journal, node) && !newest_node(journal, node)))
		node_of_host(node);
	return arena_strdup(a, node);
}

int
node_keep(const char *journal, const char *node, struct buf *why)
{
	char path[PATH_MAX], kept[NODE_NAME_MAX + 1], text[NODE_NAME_MAX + 2];

	if (kept_node(journal, kept) && !strcmp(kept, node))
		return 0;
	if (!node_path(journal, path))
		return why_err(why, ERR_LIMIT, "%s: name too long", journal);
	/* the name is not secret: every tool on this machine may read the file */
	int n = snprintf(text, sizeof(text), "%s\n", node);
	return replace_file(AT_FDCWD, path, 0644, span_of(text, (size_t)n), why);
}

/* ---- second instance ---- */

/* Adds "-b" before the suffix: "/DIR/relay.sock" becomes "/DIR/relay-b.sock", and
 * "/DIR/journal" becomes "/DIR/journal-b". */
static const char *
of_second(struct arena *a, const char *path)
{
	struct span s = span_str(path);

	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	size_t name = span_behind(s, '/'), dot = span_behind(span_cut(s, name, s.n), '.');
	size_t stem = dot > 1 ? name + dot - 1 : s.n;
	return arena_printf(a, "%.*s-b%.*s", (int)stem, s.p, (int)(s.n - stem), s.p + stem).p;
}

/* The paths that each instance has for itself, because only one process may write or listen. */
#define PART_PATHS(X)                                                                          \
	X(journal)                                                                             \
	X(audit_key) X(audit_previous_key) X(seal_shares) X(state_file) X(relay_listen.path)

/* Gives the second instance a name, files and sockets of its own. */
static void
make_second(struct arena *a, struct config *cfg)
{
#define OF_SECOND(member)                                                                      \
	if (cfg->member)                                                                       \
		cfg->member = of_second(a, cfg->member);
	PART_PATHS(OF_SECOND)
#undef OF_SECOND
	cfg->node = arena_printf(a, "%.*s" SECOND_NODE,
		(int)(NODE_NAME_MAX - sizeof(SECOND_NODE) + 1), cfg->node)
			    .p;
	if (cfg->audit_origin)
		cfg->audit_origin = arena_printf(a, "%s" SECOND_NODE, cfg->audit_origin).p;
	if (cfg->relay_listen.path)
		cfg->relay_listen.text = arena_printf(a, "unix@%s", cfg->relay_listen.path).p;
}

/* Completes the other instance's part: the checked configuration `own`, with the name, files
 * and sockets of that instance. */
static void
complete_part(struct arena *a, struct config *other, const struct config *own)
{
	const struct config part = *other;

	*other = *own;
	other->other = own;
#define OF_PART(member) other->member = part.member;
	PART_PATHS(OF_PART)
#undef OF_PART
	other->node = part.node;
	other->audit_origin = part.audit_origin;
	other->relay_listen = part.relay_listen;
	config_derive(a, other);
}

const struct config *
config_part(const struct config *cfg, unsigned part)
{
	static const struct config no_part;

	if (part == CONFIG_OWN)
		return cfg;
	return cfg->other ? cfg->other : &no_part;
}

const struct config *
config_other_that_wrote(const struct config *cfg)
{
	const struct config *other = config_part(cfg, CONFIG_OTHER);

	return other->journal && other->audit_key && access(other->journal, F_OK) == 0 ? other
										       : NULL;
}

/* ---- whole file ---- */

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
	enum set_file_kind before = file_set_kind(FILE_OF_CONFIGURATION);
	const struct yaml_node *root = yaml_load_file(a, file, d);

	file_set_kind(before);
	if (!root)
		return NULL;
	if (!cfg || !(cfg->file = arena_strdup(a, file))) {
		diag_file(d, file, "out of memory");
		return NULL;
	}
	cfg->root = root;
	check_keys(&r, root);
	for (const struct field *o = config_options; o < config_options + config_option_count;
		o++) {
		const struct yaml_node *n = config_at(cfg, o->key);
		struct yaml_node fallback = { .kind = YAML_SCALAR, .s = span_str(o->fallback) };
		if (o->fallback)
			config_option_read(&r, o, &fallback);
		if (n)
			config_option_read(&r, o, n);
	}
	if (!cfg->node)
		cfg->node = node_of_journal(a, cfg->journal);
	cfg->first_node = cfg->node;
	cfg->hash_key_of = cfg->audit_key;
	struct config *other = arena_new(a, struct config);
	if (other) {
		*other = *cfg;
		make_second(a, config_is_second() ? cfg : other);
		cfg->other = other;
	}
	if (root->kind == YAML_MAPPING)
		config_check(&r);
	if (other)
		complete_part(a, other, cfg);
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
