/* The configuration tollgate.yaml: listeners, Redis, journal, keys, the admin server, workers,
 * bounds, and the path of the policy. The file is parsed from a table of options
 * (config/options.h). Unknown keys are errors with their position. A struct config is immutable
 * after config_load() and lives in its snapshot's arena; every string and array below is
 * borrowed from that arena. */
#ifndef POLICY_CONFIG_CONFIG_H
#define POLICY_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/codec/yaml.h"
#include "base/log.h"
#include "policy/config/admin.h"
#include "policy/config/anchors.h"
#include "policy/config/credentials.h"
#include "policy/config/otlp.h"

#define CONFIG_LISTENERS_MAX 8

/* An address: "unix@/path" or "ADDRESS:PORT" ("[::1]:9464"). */
struct address {
	const char *path; /* path of a unix socket; NULL: TCP */
	const char *host;
	unsigned port;
	const char *text; /* text as written in the file */
};

/* One row of seal.auditors. */
struct config_auditor {
	const struct yaml_node *at; /* node that errors name */
	const char *name, *public_key;
};

enum audit_persons /* audit.persons */ { PERSONS_PLAIN, PERSONS_PSEUDONYM };

struct config {
	const char *file;	      /* path of the file */
	const struct yaml_node *root; /* parsed tree of the file, for config_at() */
	/* [A-Za-z0-9_.-]{1,64}; default: the node of the journal's folder, or node_of_host() */
	const char *node;
	unsigned workers; /* 0 (auto): one per core */

	struct address agent[CONFIG_LISTENERS_MAX]; /* agent.listen */
	size_t nagent;
	/* agent.deadline, default 800ms; below HAProxy's timeout processing (1 s) */
	uint64_t agent_deadline_us;

	bool relay;		     /* the section relay exists */
	struct address relay_listen; /* relay.listen */
	struct address relay_egress; /* relay.egress: HAProxy's inner bind, unix only */
	/* relay.ticket_ttl, default 5s: between the decision and the request's arrival at the
	 * relay */
	uint64_t ticket_ttl_us;
	/* relay.read_timeout, default 30s: longest pause while a request body is read */
	uint64_t relay_read_us;
	/* relay.response_timeout, default 600s: longest pause of the provider */
	uint64_t relay_response_us;
	/* relay.idle_timeout, default 60s: closes pooled connections */
	uint64_t relay_idle_us;
	/* relay.pool, default 64: idle upstream connections of each worker */
	unsigned relay_pool;

	struct address admin; /* admin.listen, unix */
	bool has_admin;
	struct address admin_tcp; /* admin.tcp */
	bool has_admin_tcp;
	bool admin_console; /* admin.console: serve /console/ */
	bool console_open;  /* console.open: the console opens sealed texts */
	/* admin.token_file: bearer token for all pages of admin.tcp except /metrics, /healthz
	 * and /readyz */
	const char *admin_token_file;
	struct admin_tls admin_tls_section;
	struct address admin_tls; /* admin.tls.listen */
	bool has_admin_tls;
	/* admin.tokens, a file of tollgate admin-token; NULL: none */
	const char *admin_tokens;
	struct admin_user *admin_users; /* admin.users */
	size_t nadmin_users;
	/* admin.hosts: names by which a browser may reach the admin server */
	const char **admin_hosts;
	size_t nadmin_hosts;
	/* group: owner group of the agent and relay sockets; NULL: unchanged */
	const char *socket_group;

	const char *redis_url; /* redis.url, see base/redis/redis_options.h; NULL: no Redis */
	/* redis.*, for config_redis(); NULL: not set */
	const char *redis_user, *redis_password_file, *redis_sentinel_user,
		*redis_sentinel_password_file, *redis_client_name, *redis_ca, *redis_cert,
		*redis_key, *redis_server_name;
	/* extract.listen, a unix socket; path NULL: files stay uninspected */
	struct address extract;
	uint64_t extract_deadline_us; /* extract.deadline, default 10s */
	/* cache.*: Redis for stored responses; NULL: they are stored in this process */
	const char *cache_redis, *cache_password_file;
	uint64_t cache_max_bytes; /* cache.max_bytes, default 64m */
	/* redis.daemons: number of daemons that share Redis; 0: not set */
	unsigned redis_daemons;
	/* redis.deadline, default 200ms; at most three quarters of agent.deadline apply */
	uint64_t redis_deadline_us;

	const char *journal;   /* audit.journal: a folder; NULL: no section audit */
	const char *audit_key; /* audit.key: private key file of `tollgate keygen` */
	/* the first instance's audit.key, from which the hash key is derived without
	 * audit.hash_key */
	const char *hash_key_of;
	/* The same configuration as the other instance reads it: node, journal, keys, shares,
	 * state file and relay socket are its own. The files exist once that instance has
	 * started. Only config_part() reads this member. */
	const struct config *other;
	/* node name of the instance that writes this node's chain for a moment, because no
	 * process of this one runs; NULL: the daemon is this node */
	const char *written_by;
	/* node name of the first instance: other daemons count both instances as one daemon */
	const char *first_node;
	const char *audit_passphrase_file; /* audit.key_passphrase_file; NULL: not encrypted */
	/* audit.previous_key; NULL: audit.key with ".old" after it */
	const char *audit_previous_key;
	const char *audit_root; /* audit.root: public key file; NULL: none */
	/* audit.key_statements: file of the root's statements; NULL: none */
	const char *audit_statements;
	const char *audit_hash_key; /* audit.hash_key; NULL: derived from audit.key's file */
	unsigned audit_persons;	    /* audit.persons, enum audit_persons */
	struct config_auditor *auditors; /* seal.auditors */
	size_t nauditors;
	/* seal.shares; default: audit.journal with ".shares" after it */
	const char *seal_shares;
	bool seal_require_reason;	/* seal.require_reason */
	uint64_t journal_segment_bytes; /* audit.segment, default 64m */
	const char *audit_origin;	/* audit.origin; NULL: tollgate/NODE */
	bool audit_stream;	     /* audit.stream, default true; false without redis.url */
	bool audit_stream_consumed;  /* audit.stream_consumed, default false */
	uint64_t audit_stream_bytes; /* audit.stream_bytes, default 256m; 0: no bound */
	/* audit.stream_maxlen, default 1000000 entries; 0: no bound */
	uint64_t audit_stream_maxlen;

	struct anchor_place *anchors; /* anchors */
	size_t nanchors;
	struct address witness_listen;	  /* witness.listen; path NULL: no section */
	struct witness_log *witness_logs; /* witness.logs */
	size_t nwitness_logs;
	const char *witness_key, *witness_name, *witness_state; /* witness.* */
	bool retention;		       /* the section retention exists */
	uint64_t retention_age_us;     /* retention.age; 0: none */
	uint64_t retention_texts_us;   /* retention.texts; 0: retention.age applies */
	uint64_t retention_size;       /* retention.size; 0: none */
	bool below_six_months;	       /* retention.below_six_months, default false */
	const char *retention_archive; /* retention.archive: a folder or s3://…; NULL: none */
	const char *retention_endpoint, *retention_region; /* endpoint and region of an s3://
							    * archive */
	const char *retention_credentials;		   /* retention.credentials_file */
	/* retention.lock: object lock of an s3:// archive; 0: none */
	uint64_t retention_lock_us;
	uint64_t retention_every_us; /* retention.every, default 60s */

	/* state_key: signs entries made at run time; NULL: no entries can be made */
	const char *state_key;
	/* state_file: keeps these entries; default: audit.journal with ".live" after it */
	const char *state_file;

	/* keeps the pins of MCP tools: state_file with ".pins" after it, without state_key
	 * audit.journal with ".pins" after it; NULL: pins are lost at a restart */
	const char *pins_file;

	const char *notify_url;		/* notify.url: webhook for notices; NULL: none */
	unsigned notify_events;		/* notify.events: bits of enum notice_kind */
	const char *notify_secret_file; /* notify.secret_file; NULL: webhooks are not signed */
	const char *notify_ca;		/* notify.ca: PEM; NULL: the system's */
	bool notify_persons;		/* notify.persons: notices contain names of persons */

	bool state_required; /* state_required: do not start if state_file does not exist */

	struct otlp_config otlp; /* telemetry.otlp */

	const char *policy; /* policy: a file or folder */
	/* shadow_policy: evaluated next to the policy and never applied; NULL: none */
	const char *shadow_policy;
	bool policy_watch;     /* policy_watch: reload when a file changes; default false */
	const char *detectors; /* detectors: a folder; NULL: the set compiled in */
	/* demo_issuer: file with {issuer, audience, jwks}; for tests and the demo only */
	const char *demo_issuer;
	const char **backends; /* backends: HAProxy backends that a policy may name */
	size_t nbackends;
	const char *redact_key_file; /* redact.key_file: key of `with: hash`; NULL: none */
	/* body_variable: set txn.tollgate.body to the redacted body if it fits; default
	 * false */
	bool body_variable;

	struct provider_credential *credentials; /* credentials, one for each provider */
	size_t ncredentials;

	/* tokens.ranks: a folder; NULL: next to the program, or the installed one */
	const char *tokens_ranks;
	const char *tokens_models; /* tokens.models: a file; NULL: the table compiled in */

	uint64_t body_bytes; /* limits.body, default 32m */
	uint64_t memo_bytes; /* memo, default 32m; 0: off */
	uint64_t held_bytes; /* limits.held, default 256m */
	/* limits.held_per_identity, default a quarter of held_bytes */
	uint64_t held_identity_bytes;
	/* limits.min_rate in bytes per second, default 1k; 0: any rate */
	uint64_t min_rate_bytes;
	uint64_t inflate_ratio; /* limits.inflate_ratio, default 100 */

	enum log_format log_format; /* log.format: logfmt | json */
	enum log_level log_level;   /* log.level */
	enum log_to log_to;	    /* log.to: stderr | syslog | journald */
};

/* Reads a configuration. Relative paths in the file are relative to its folder. Returns NULL
 * with errors in *d. The result lives in the arena. Main thread. */
const struct config *config_load(struct arena *a, const char *file, struct diag *d);
/* Like config_load(), but returns the readable part in spite of errors, because `check`
 * continues with the policy. Returns NULL only if the file is not YAML. */
const struct config *config_read(struct arena *a, const char *file, struct diag *d);
/* Returns the node of an option such as "agent.listen", for the position of an error, or NULL
 * if the file does not set it. */
const struct yaml_node *config_at(const struct config *cfg, const char *name);
/* Fills the options of a Redis client; redis_url must be set. Returns 0 or ERR_SYNTAX. Contains
 * the password: erase *out after use. */
struct redis_options;
int config_redis(const struct config *cfg, struct redis_options *out);
/* Returns the number of bytes up to which the cache fills the Redis of the limits, or 0 if the
 * cache has a Redis of its own. */
uint64_t config_redis_filled(const struct config *cfg);
/* Fills the options of the client for cache.redis: those of redis.* except URL, user, password
 * and server name. */
int config_cache_redis(const struct config *cfg, struct redis_options *out);
/* Appends the names of options that differ and that a running daemon cannot change, separated
 * by commas. */
void config_fixed_changes(const struct config *now, const struct config *next, struct buf *out);
/* Path of the installed configuration. Tests set another path, so that they do not read the
 * machine's own. */
extern const char *config_installed;
/* Returns the file named by -c, or tollgate.yaml in the working directory, or config_installed.
 * Returns NULL if the file cannot be read. */
const char *config_find(const char *named);

/* ---- two instances on one host with one configuration ---- */

/* The environment variable CONFIG_INSTANCE names the instance of a process: "b" is the second,
 * anything else the first. For files and sockets that only one process may write or listen on,
 * the second instance uses the configured path with "-b" before the suffix. Its node name ends
 * with SECOND_NODE. */
#define CONFIG_INSTANCE "TOLLGATE_INSTANCE"
#define SECOND_NODE	"_b"
bool config_is_second(void);

/* A node has two parts, one for each instance. A part is the configuration as its instance
 * reads it. Loop over all parts to serve what belongs to the node:
 *
 *	for (unsigned i = 0; i < CONFIG_PARTS; i++)
 *		serve(config_part(cfg, i));
 */
enum config_part { CONFIG_OWN, CONFIG_OTHER, CONFIG_PARTS };
/* Returns that part, never NULL. If there is no other instance, each path of CONFIG_OTHER is
 * NULL. */
const struct config *config_part(const struct config *cfg, unsigned part);
/* Returns the part of the other instance if that instance has ever written a journal, otherwise
 * NULL. Looks for the journal's folder: not for the request path. */
const struct config *config_other_that_wrote(const struct config *cfg);

/* ---- name of a node: chosen at the first start, and kept ---- */

enum { NODE_NAME_MAX = 64 };

/* Writes the name of the host, with '-' for each character that a node name cannot contain, or
 * "tollgate" if the host has no name. */
void node_of_host(char out[NODE_NAME_MAX + 1]);
/* Keeps the name for the next start. The file is durable on return. Returns 0, or a negative
 * error with *why. Called by the daemon that has locked the journal. */
int node_keep(const char *journal, const char *node, struct buf *why);

#endif
