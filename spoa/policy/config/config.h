/* tollgate.yaml: what the operator decides about the daemon (listeners, Redis,
 * journal, keys, admin, workers, caps, where the policy is). Parsed from a table
 * of options; unknown keys are errors with their position. */
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

/* "unix@/path" or "ADDRESS:PORT" ("[::1]:9464"). */
struct address {
	const char *path; /* unix socket; NULL: TCP */
	const char *host;
	unsigned port;
	const char *text; /* as written */
};

/* One of seal.auditors. */
struct config_auditor {
	const struct yaml_node *at; /* for errors */
	const char *name, *public_key;
};

enum audit_persons { PERSONS_PLAIN, PERSONS_PSEUDONYM };

struct config {
	const char *file; /* where it was read */
	const struct yaml_node *root; /* its tree, for config_at() */
	const char *node; /* [A-Za-z0-9_.-]{1,64}; default: node_of_journal() */
	unsigned workers; /* 0 (auto): one a core */

	struct address agent[CONFIG_LISTENERS_MAX]; /* agent.listen */
	size_t nagent;
	uint64_t agent_deadline_us; /* agent.deadline, default 800ms: below HAProxy's timeout
				       processing (1 s) */

	bool relay;		     /* section present */
	struct address relay_listen; /* relay.listen */
	struct address relay_egress; /* relay.egress: HAProxy's inner bind, unix only */
	uint64_t ticket_ttl_us; /* relay.ticket_ttl, default 5s: from ACK to the relay's head */
	uint64_t relay_read_us; /* relay.read_timeout, default 30s: silence while a request body
				   is read */
	uint64_t relay_response_us; /* relay.response_timeout, default 600s: silence of the
				       provider */
	uint64_t relay_idle_us;	    /* relay.idle_timeout, default 60s: pooled connections */
	unsigned relay_pool; /* relay.pool, default 64 idle upstream connections a worker */

	struct address admin; /* admin.listen, unix */
	bool has_admin;
	struct address admin_tcp; /* admin.tcp */
	bool has_admin_tcp;
	bool admin_console; /* the page at /console/ */
	bool console_open; /* console.open: it opens sealed texts */
	const char *admin_token_file; /* admin.token_file: bearer token for all but /metrics,
					 /healthz, /readyz, on admin.tcp */
	struct admin_tls admin_tls_section;
	struct address admin_tls; /* admin.tls.listen */
	bool has_admin_tls;
	const char *admin_tokens;	/* admin.tokens: tollgate admin-token; NULL: none */
	struct admin_user *admin_users; /* admin.users */
	size_t nadmin_users;
	const char **admin_hosts; /* admin.hosts: names that a browser may call us by */
	size_t nadmin_hosts;
	const char *socket_group; /* group: owner group of the agent and relay sockets; NULL:
				     unchanged */

	const char *redis_url; /* redis.url: base/redis/redis_url.h; NULL: none */
	/* redis.*, for config_redis(); NULL: not given */
	const char *redis_user, *redis_password_file, *redis_sentinel_user,
		*redis_sentinel_password_file, *redis_client_name, *redis_ca, *redis_cert,
		*redis_key, *redis_server_name;
	struct address extract; /* extract.listen: unix only; path NULL: files stay unread */
	uint64_t extract_deadline_us; /* extract.deadline, default 10s */
	/* cache.*: where answers are kept; NULL: in this process */
	const char *cache_redis, *cache_password_file;
	uint64_t cache_max_bytes;   /* cache.max_bytes, default 64m */
	unsigned redis_daemons;	    /* redis.daemons: how many share it; 0: not said */
	uint64_t redis_deadline_us; /* redis.deadline, default 200ms; at most three quarters of
				       agent.deadline count */

	const char *journal;		/* audit.journal: directory; NULL: no audit section */
	const char *audit_key;		/* audit.key: private key file of `tollgate keygen` */
	const char *hash_key_of; /* the first instance's audit.key, of which hash.key follows where
				    none is given */
	/* of the other instance; the folder exists once that instance has started */
	const char *other_journal, *other_key;
	const char *first_node; /* name of the first instance: both are one daemon to others */
	const char *audit_passphrase_file; /* audit.key_passphrase_file; NULL: not encrypted */
	const char *audit_previous_key;	   /* audit.previous_key; NULL: audit.key and ".old" */
	const char *audit_root;		   /* audit.root: public key file; NULL: none */
	const char *audit_statements;	   /* audit.key_statements: the root's; NULL: none */
	const char *audit_hash_key; /* audit.hash_key; NULL: derived from audit.key's file */
	unsigned audit_persons;	    /* audit.persons, enum audit_persons */
	struct config_auditor *auditors; /* seal.auditors */
	size_t nauditors;
	const char *seal_shares; /* seal.shares; default: audit.journal and ".shares" */
	bool seal_require_reason; /* seal.require_reason */
	uint64_t journal_segment_bytes; /* audit.segment, default 64m */
	const char *audit_origin;	/* audit.origin; NULL: tollgate/NODE */
	bool audit_stream;	      /* audit.stream, default true where Redis is configured */
	bool audit_stream_consumed;   /* audit.stream_consumed, default false */
	uint64_t audit_stream_bytes;  /* audit.stream_bytes, default 256m; 0: no bound */
	uint64_t audit_stream_maxlen; /* audit.stream_maxlen, default 1000000; 0: never trim */

	struct anchor_place *anchors; /* anchors: */
	size_t nanchors;
	struct address witness_listen;	  /* witness.listen; path NULL: no section */
	struct witness_log *witness_logs; /* witness.logs */
	size_t nwitness_logs;
	const char *witness_key, *witness_name, *witness_state; /* witness.* */
	bool retention;		       /* there is a section retention */
	uint64_t retention_age_us;     /* retention.age; 0: none */
	uint64_t retention_texts_us;   /* retention.texts; 0: as retention.age */
	uint64_t retention_size;       /* retention.size; 0: none */
	bool below_six_months;	       /* retention.below_six_months, default false */
	const char *retention_archive; /* retention.archive: a folder or s3://…; NULL: none */
	const char *retention_endpoint, *retention_region; /* of s3:// */
	const char *retention_credentials;		   /* retention.credentials_file */
	uint64_t retention_lock_us;  /* retention.lock: object lock of s3://; 0: none */
	uint64_t retention_every_us; /* retention.every, default 60s */

	const char *state_key;	/* state_key: what entries made at run time are signed with;
				   NULL: none can be made */
	const char *state_file; /* state_file: where they are kept; default: audit.journal and
				   ".live" */

	const char *pins_file;	/* what MCP servers said of their tools: state_file and ".pins",
				   without state_key audit.journal and ".pins"; NULL: memory */

	const char *notify_url;		/* notify.url: a webhook; NULL: none */
	unsigned notify_events;		/* notify.events: bits of enum notice_kind */
	const char *notify_secret_file; /* notify.secret_file; NULL: not signed */
	const char *notify_ca;		/* notify.ca: PEM; NULL: the system's */
	bool notify_persons;		/* notify.persons: names of persons are told */

	bool state_required; /* state_required: no start without that file */

	struct otlp_config otlp; /* telemetry.otlp */

	const char *policy;	   /* policy: file */
	const char *shadow_policy; /* asked next to it, never obeyed; NULL: none */
	bool policy_watch; /* policy_watch: a changed file counts as an order to reload; default
			      false */
	const char *detectors;	   /* detectors: directory; NULL: the set compiled in */
	const char *demo_issuer; /* demo_issuer: file, {issuer, audience, jwks}; tests and demo
				    only */
	const char **backends;	 /* backends: HAProxy backends a policy may name */
	size_t nbackends;
	const char *redact_key_file; /* redact.key_file: what `with: hash` is keyed with */
	bool body_variable; /* body_variable: the redacted body as txn.tollgate.body where it
			       fits, default false */

	struct provider_credential *credentials; /* credentials: by provider */
	size_t ncredentials;

	const char *tokens_ranks;  /* tokens.ranks: folder; NULL: next to the program, or
				      installed */
	const char *tokens_models; /* tokens.models: file; NULL: the table compiled in */

	uint64_t body_bytes;	      /* limits.body, default 32m */
	uint64_t held_bytes;	      /* limits.held, default 256m */
	uint64_t held_identity_bytes; /* limits.held_per_identity, default a quarter of it */
	uint64_t min_rate_bytes;      /* limits.min_rate, default 1k; 0: any */
	uint64_t inflate_ratio;	      /* limits.inflate_ratio, default 100 */

	enum log_format log_format; /* log.format: logfmt | json */
	enum log_level log_level;   /* log.level */
	enum log_to log_to;	    /* log.to: stderr | syslog | journald */
};

/* Relative paths in it count from the file's own folder. NULL with *d filled.
 * All of it lives in the arena. */
const struct config *config_load(struct arena *a, const char *file, struct diag *d);
/* For check, which goes on to the policy: as config_load, but with mistakes what
 * could be read is returned too; NULL only where the file is no YAML at all. */
const struct config *config_read(struct arena *a, const char *file, struct diag *d);
/* Where the file gives "agent.listen", for errors; NULL: it does not. */
const struct yaml_node *config_at(const struct config *cfg, const char *name);
/* How Redis is reached, where redis_url is given: 0, or ERR_SYNTAX. The same for all who go
 * there. Secret: zero it after use. */
struct redis_options;
int config_redis(const struct config *cfg, struct redis_options *out);
/* Bytes up to which the cache fills the Redis that limits are in; 0: it has one of its own. */
uint64_t config_redis_filled(const struct config *cfg);
/* The same of cache.redis: as redis.* says it, but for URL and password. */
int config_cache_redis(const struct config *cfg, struct redis_options *out);
/* Appends the names of options that differ and that a running daemon cannot change,
 * with commas between. */
void config_fixed_changes(const struct config *now, const struct config *next, struct buf *out);
/* Where an installed configuration is. Tests name another place: what is installed on
 * the machine they run on is not theirs. */
extern const char *config_installed;
/* The file that -c names, or tollgate.yaml here, then under /etc/tollgate/;
 * NULL where neither exists. */
const char *config_find(const char *named);

/* ---- the two instances of one host, of one configuration ---- */

/* The environment of a process names its instance: "b" is the second, anything else the first.
 * The second has the configuration's paths with "-b" before the suffix, for what has one writer
 * or one listener, and SECOND_NODE after its node's name. */
#define CONFIG_INSTANCE "TOLLGATE_INSTANCE"
#define SECOND_NODE	"_b"
bool config_is_second(void);

/* ---- the name of a node: chosen at the first start, and kept ---- */

enum { NODE_NAME_MAX = 64 };

/* The name of the host, with each character that no node's name may have replaced by '-';
 * "tollgate" if the host has no name. */
void node_of_host(char out[NODE_NAME_MAX + 1]);
/* The name of a node without `node:` in its configuration: the kept one; else that of the
 * newest segment in the journal's folder (versions up to 0.2 kept none); else node_of_host().
 * `journal` may be NULL. The result lives in the arena. NULL: out of memory. */
const char *node_of_journal(struct arena *a, const char *journal);
/* Keeps the name for the next start; durable on return. 0, or a negative error with *why.
 * owner: the daemon that has locked the journal. */
int node_keep(const char *journal, const char *node, struct buf *why);

#endif
