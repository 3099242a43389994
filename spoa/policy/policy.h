/* The policy in its compiled, immutable form. It is made from YAML by policy_load() and
 * evaluated in policy/verdict/. Everything below lives in the arena given to policy_load(), and
 * any thread may read it. Member names follow the keys of the file (tollgate-policy(5)). */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/caps.h"
#include "base/codec/yaml.h"
#include "base/price/price.h"
#include "policy/cel/cel.h"
#include "policy/config/config.h"
#include "policy/courtesy.h"
#include "scan/dialect/form.h"
#include "scan/inject/inject.h"
#include "scan/recognizer/recognizer.h"
#include "scan/text/style.h"

/* outcomes of on_failure; REDACT only for classifier */
enum outcome { OUT_DENY, OUT_PERMIT, OUT_REDACT };

/* Handling of reasoning under a provider's signature in which a value would be replaced. */
enum signed_reasoning { SIGNED_DROP, SIGNED_DENY, SIGNED_LEAVE };

/* An outcome of on_failure.classifier for requests in which a class was found. */
struct class_outcome {
	size_t class; /* index of policy.classes */
	enum outcome outcome;
};

/* on_failure: decisions on requests for which a part cannot answer. */
struct on_failure {
	/* `classifier` applies if no class of by_class was found; otherwise the strictest of
	 * those */
	enum outcome classifier, quota, audit, unreadable;
	const struct class_outcome *by_class;
	size_t nby_class;
	/* quota: {local: 10%}: like share and peers of a limit; 0: not set */
	uint64_t quota_share, quota_peers;
	enum signed_reasoning signed_reasoning;
};

/* `observe`: callers of these hosts who show no key of ours are passed to one backend, with the
 * credentials that they sent (policy/identity/observe.h). */
enum { OBSERVE_DAYS_MAX = 90 };
struct observe {
	const char **hosts; /* like hosts of a route */
	size_t nhosts;
	const char *backend; /* HAProxy backend; NULL: nothing is observed */
	int64_t until_ns;    /* wall clock; requests after it are decided as usual */
	const struct yaml_node *at;
};

#define CLASSES_MAX 64
/* A set of entities, one bit for each number of detect_entity_find(). */
struct entity_set {
	uint64_t bit[DETECT_ENTITIES_MAX / 64];
};
static inline bool
entity_in(const struct entity_set *s, size_t e)
{
	return s->bit[e / 64] >> (e % 64) & 1;
}
static inline void
entity_add(struct entity_set *s, size_t e)
{
	s->bit[e / 64] |= 1ull << (e % 64);
}
static inline bool
entities_any(const struct entity_set *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++)
		all |= s->bit[i];
	return all != 0;
}
static inline void
entities_join(struct entity_set *to, const struct entity_set *from)
{
	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++)
		to->bit[i] |= from->bit[i];
}

struct policy_class {
	const char *name;
	struct entity_set entities;
	double injection; /* least injection score of the class; 0: the class has no score */
	/* bit by enum seg_role: findings count only in segments of these roles; 0: in all */
	uint16_t roles;
};

enum identity_kind { ID_JWT, ID_SIGNED, ID_CERTIFICATE, ID_API_KEY, ID_NONE };

/* jwt: paths of claims, as "act.sub"; client_certificate: fields (base/codec/cert.h). NULL: not
 * mapped. */
struct claim_map {
	const char *person, *agent, *roles, *department, *clearance, *team, *tier;
};

/* One entry of `identity`. Members without a note are NULL or 0 for kinds that do not have
 * them. */
struct identity_entry {
	enum identity_kind kind;
	const struct yaml_node *at; /* node that errors name */
	/* lower case; default authorization; NULL: none. For signed_headers: the header of the
	 * signature */
	const char *header;
	const char *query;  /* jwt: name of a URL parameter, instead of the header */
	const char *issuer; /* jwt */
	const char **audiences;
	size_t naudiences;
	const char *jwks_file; /* jwt: keys, from exactly one of these three */
	const char *jwks_url;  /* https URL */
	const char *secret;    /* reference for secret_load(), for HS256 to HS512 */
	const char *ca_file;   /* authorities for jwks_url; NULL: the system's */
	/* for jwks_url, in µs: the interval of fetching keys; how long keys are used if
	 * fetching fails */
	uint64_t refresh_us, stale_us;
	unsigned algorithms; /* bit per enum jws_alg */
	uint64_t max_age_s;  /* seconds since the token was issued; 0: no bound */
	uint64_t leeway_s;   /* tolerance for the token's times, in seconds; default 60 */
	struct claim_map claims;
	const char *keys_file;	  /* api_key and signed_headers */
	bool subject_owner;	  /* api_key: the person is the key's owner */
	const char *prefix;	  /* signed_headers: beginning of header names, lower case */
	uint64_t max_skew_s;	  /* signed_headers: age of the signature; default 60 */
	const char *trust_domain; /* client_certificate: domain of its SPIFFE id; NULL: any */
	const char *person;	  /* kind none: the name in records */
	const char *realm;	  /* persons are named REALM/NAME; NULL: NAME */
	const char **recorded;	  /* attributes that records contain */
	size_t nrecorded;	  /* 0: all attributes, or none with audit.persons: pseudonym */
};

/* How a response is handled, bits; 0: ignored. A response rule that may reach the route adds
 * RESP_INSPECT. */
enum route_response {
	RESP_METER = 1,
	RESP_RECORD = 2,
	RESP_INSPECT = 4,
	RESP_RESTORE = 8,
	RESP_RESTORE_URLS = 16, /* also restores values in URLs, if RESP_RESTORE is set */
};
/* How a segment is recorded: as a keyed hash, not at all, sealed after redaction, or sealed as
 * received. */
enum record_text { KEPT_HASH, KEPT_OFF, KEPT_REDACTED, KEPT_FULL };
static inline bool
record_text_sealed(enum record_text how)
{
	return how == KEPT_REDACTED || how == KEPT_FULL;
}

/* The circuit breaker: when a failing target gets no requests, and for how long. */
struct breaker {
	bool on;	   /* default: off if a route has one target */
	unsigned failures; /* consecutive failures that open the breaker; default 5 */
	uint64_t open_us;  /* first pause, doubled after each further failure; default 5 s */
};

/* Which target of a route is tried first. */
struct choose {
	enum choose_by { CHOOSE_ORDER, CHOOSE_WEIGHT, CHOOSE_LATENCY, CHOOSE_PRICE } by;
	enum choose_sticky { STICKY_NONE, STICKY_CONVERSATION, STICKY_IDENTITY } sticky;
};

/* Why an attempt ended (design.md, section 10). */
enum attempt_cause {
	CAUSE_DONE,
	CAUSE_NEVER_SENT, /* no byte reached the provider */
	CAUSE_THROTTLED,  /* 429, 529, 503, a dialect's overload error */
	/* our key, our credit, an unknown model, or a request too long for the model */
	CAUSE_REFUSED_US,
	/* connection lost, 408, 409, 425, 500, 502 or 504: the provider may bill it */
	CAUSE_PERHAPS_BILLED,
	CAUSE_FINAL,   /* a 4xx that the caller caused */
	CAUSE_ABORTED, /* the caller closed the connection */
	CAUSE_RULED,   /* HAProxy answered without asking a provider */
	CAUSES
};
extern const char *const attempt_causes[CAUSES]; /* names in policies and records */

/* Which attempts are repeated, and how long one attempt may take. */
struct retry {
	unsigned attempts; /* the most attempts, including the first; 1: no repetition */
	unsigned on;	   /* bit by enum attempt_cause */
	/* since the last byte of the request was sent; 0: no bound. `whole` is for responses
	 * that are not streamed, the others are for streams */
	uint64_t first_byte_us, first_content_us, idle_us, whole_us;
	uint64_t overall_us; /* all attempts together, until the first content event */
};
enum { RETRY_ATTEMPTS_MAX = 8, RETRY_ATTEMPTS_DEFAULT = 3 };

/* A provider, with a model, to which a route may send its requests. */
struct target {
	const char *name; /* name of the provider; "" for a route without targets */
	const char *region;
	/* names in records: of the provider, or for a route's `backend` of the provider with
	 * that backend, else the backend; "" if HAProxy's own routing decides */
	const char *known, *known_region;
	bool external;
	bool relay;   /* always through the relay */
	bool threads; /* the provider keeps message threads, as Anthropic does */
	/* forms that the provider accepts, bit by enum form (FORM_NONE: requests without a
	 * form); 0: any. `translated` is the first form that requests can be translated into,
	 * or FORM_NONE */
	unsigned forms;
	enum form translated;
	const struct dialect *dialect; /* dialect of the provider; NULL: none */
	const char *backend; /* HAProxy backend; NULL: HAProxy's own routing decides */
	const char *model;   /* model that replaces the request's; NULL: none */
	unsigned weight;     /* share in a draw; default 1 */
	/* group, 1 first: a later group is used if no target of the groups before is
	 * available */
	unsigned priority;
	/* most requests in flight at the provider from this daemon; 0: no bound */
	unsigned concurrent;
	struct breaker breaker;
	const struct provider_credential
		/* credential that the relay adds; NULL: HAProxy has the credential */
		*credential;
	const struct price_list *prices; /* NULL: no list fits, see policy_price() */
	const struct yaml_node *at;
};

/* Parts of responses that response and tool rules of a route can use. Only this
 * is searched for. */
struct answer_uses {
	/* entities that conditions or effects name, directly or by a class: text is held back
	 * for these */
	struct entity_set entities;
	bool all;	 /* a condition may depend on any entity */
	bool injection;	 /* the injection score, directly or by a class */
	bool tool_calls; /* names and arguments of tool calls */
	bool media;
	bool calls;	/* a rule with phase: tool may reach a call in responses */
	bool arguments; /* such a rule reads or redacts arguments */
	bool offered;	/* such a rule may reach tools or servers that a request offers */
	/* such a rule, not in shadow mode, reads the URI of a server or resource */
	bool uris;
	bool any;	   /* at least one such rule exists */
	char searched[17]; /* policy_entities_hash() of `entities`, or "all"; for records */
};

/* route.reserve: how many tokens limits reserve for a response, and which cap is sent so that
 * they suffice. */
enum reserve {
	RESERVE_CAP, /* the request's cap; without one, output_default is reserved and sent */
	RESERVE_LEARNED, /* the usual size of the route's responses, sent as the cap */
	RESERVE_ESTIMATE /* output_default, not sent: a response may be longer */
};

/* route.about: purpose of the route. Only recorded. NULL: not set. */
struct about {
	const char *use_case, *risk, *operation, *reviewer;
};

/* route.login: where callers of an MCP route log in, as protected resource metadata (RFC
 * 9728). */
struct login {
	const char *resource;	/* the URL that clients use */
	struct span host, path; /* host and path of the resource, without port */
	const char *metadata;	/* URL of the document */
	const char *document;	/* JSON on one line */
	const char *scope;	/* scope of a first login, sent with a 401; "": none */
};

/* A tool of `operations`. */
struct operation_tool {
	const char *operation;
	struct span server; /* name of the provider; "": a tool in responses of models */
	struct span tool;   /* "*": all other tools of the server */
	const struct yaml_node *at;
};

/* route.cache: the callers who share stored responses, and how long responses are stored. */
enum cache_per { CACHE_IDENTITY, CACHE_TEAM, CACHE_ORG };
#define NEAR_SIMILARITY_LEAST	  0.9
#define SEMANTIC_SIMILARITY_LEAST 0.8
struct route_cache {
	uint64_t ttl_us; /* 0: nothing is stored */
	enum cache_per per;
	double temperature; /* highest temperature of requests whose responses are stored */
	bool tools;	    /* responses with tool calls are stored too */
	/* names of header fields that are part of the cache key, and that are ignored; "x-*"
	 * means all names that begin with "x-" */
	const char **keyed, **ignored;
	size_t nkeyed, nignored;
	/* near: nearly equal prompts share a response; NULL: no. `similarity` is the least
	 * similarity, NEAR_SIMILARITY_LEAST to 1 */
	const struct courtesy *near;
	double similarity;
	/* semantic: prompts with a similar meaning share a response; NULL: no. `at` is the
	 * target of requests for embeddings, with the model in at->model */
	const struct cache_semantic {
		struct target at;
		double similarity; /* SEMANTIC_SIMILARITY_LEAST to 1 */
		const struct courtesy *words;
	} * semantic;
};

enum { TARGETS_MAX = 16, ALIASES_MAX = 256, ABOUT_BYTES = 200, DROPS_MAX = 32 };
/* One route. Owner: the policy; immutable after policy_compile(). */
struct route {
	const char *name;
	const struct yaml_node *at;
	const char **methods; /* empty: any */
	size_t nmethods;
	const char **hosts; /* lower case, without port; "*.x" matches subdomains; empty: any */
	size_t nhosts;
	const char **paths; /* whole paths in normal form */
	size_t npaths;
	const char **prefixes; /* whole segments: "/api" matches /api and /api/x, not /apix */
	size_t nprefixes;
	/* all paths of this dialect, below the prefixes if there are any; NULL: only `paths`
	 * and `prefixes` */
	const struct dialect *api;
	const struct dialect *dialect; /* dialect of the route or its target; NULL:
					* dialect_for_path() */
	const struct target *targets;  /* targets in the policy's order; at least one */
	size_t ntargets;
	bool translates; /* some target, or one of an alias, may need another form */
	const char *
		/* translate.drop: members that may be dropped if the target's form has no place
		 * for them */
		*drop;
	size_t ndrop;
	struct route_cache cache;
	struct choose choose;
	struct retry retry;
	/* via: direct: one attempt, so that requests need no relay for a second one */
	bool direct;
	/* the route as it is for each name of `models` of which it lists a provider: equal
	 * except for targets, choose and retry.attempts. In such a copy, `of` is the original
	 * route and `alias` the name */
	const struct route *aliases;
	size_t naliases;
	const struct route *of; /* NULL: a route of the policy, not a copy */
	const char *alias;
	unsigned response; /* bits of enum route_response */
	/* the limit that needs to know the end of requests, so that they use the relay; NULL:
	 * none */
	const struct limit *told_of_end;
	/* position of `response: ignore`; NULL: not set */
	const struct yaml_node *response_ignore;
	const char **keeping; /* restore.tools: tools that only store their arguments */
	size_t nkeeping;
	struct answer_uses uses;
	enum record_text record_prompt, record_answer,
		record_tools; /* arguments and results of tool calls */
	struct about about;
	const struct login *login; /* NULL: no login */
	bool find_all;		   /* record.find: all: search for more than the policy uses */
	bool receipt;		   /* send x-tollgate-receipt */
	struct on_failure on_failure;
	bool show_cost;	    /* send x-tollgate-cost */
	uint64_t websocket; /* most bytes of a WebSocket message; 0: handshakes are refused */
	/* realtime.webrtc: permit: sessions outside the gateway may be opened */
	bool beside;
	enum reserve reserve;
	uint64_t deadline_us; /* deadline: longest exchange; default 15 min */
};

/* Effect of a rule on the evaluation. A permit may also redact and change. A verdict is one of
 * the first three. */
enum rule_effect { RULE_DENY, RULE_PERMIT, RULE_REDACT, RULE_CHANGE };

struct header {
	const char *name, *value;
};

/* Bit of rule_change.require for `require: [ocr]`: pictures and scanned pages are read before
 * segments are searched. */
#define REQUIRE_OCR (UINT64_C(1) << 63)
_Static_assert(CAP_RECOGNIZERS < 63, "recognizers' bits are apart from it");

/* The effects that neither end the evaluation nor replace findings. */
struct rule_change {
	const char **targets;	    /* route.targets: PROVIDER or PROVIDER/MODEL */
	size_t ntargets;	    /* 0: all targets may stay */
	const char *model;	    /* route.model; NULL: none */
	uint64_t max_output_tokens; /* 0: none */
	const char **tags;
	size_t ntags;
	uint64_t require;	      /* bit by index of policy.externals, and REQUIRE_OCR */
	const struct header *headers; /* names in lower case */
	size_t nheaders;
};

enum rule_phase { PHASE_REQUEST, PHASE_RESPONSE, PHASE_TOOL };

/* One rule. */
struct rule {
	const char *name;
	const struct yaml_node *at;
	enum rule_phase phase;
	const struct cel_program *when; /* NULL: always */
	const char *when_text;
	bool reads_body; /* `when` reads prompt.*, model.* or a request parameter */
	bool reads_target;
	bool reads_score;  /* response.injection, directly or by a class with a score */
	bool reads_finish; /* response.finish_reason */
	/* reads a field that a stream knows only at the end of a block: response.bytes, tokens,
	 * finish_reason or injection */
	bool reads_late;
	/* reads mcp.method, so messages that are no calls are evaluated too
	 * (policy/verdict/tool.h) */
	bool reads_method;
	bool reads_state; /* reads tool.state */
	enum rule_effect effect;
	bool redacts;
	/* redact.media: files with findings, or that cannot be read, are removed */
	bool strips;
	const struct rule_change *change; /* NULL: none */
	int status;			  /* status of a denial; default 403 */
	const char *reason;
	/* a denial's scope that the token lacks; NULL: the denial is not about a scope */
	const char *scope;
	bool as_error;		  /* denial of a call: as a JSON-RPC error, not as a result */
	bool hides;		  /* a denied tool is also removed from lists */
	struct entity_set redact; /* entities to replace; classes are resolved */
	enum redact_style with;
	bool skip_on_error; /* on_error: skip; default: deny */
	bool shadow;
};

/* A recognizer of detectors.external. */
struct external {
	const char *name; /* equal to rec.name */
	const struct yaml_node *at;
	struct recognizer rec;
	const char *url, *ca_file;
	const char **fields; /* header lines of each request */
	size_t nfields;
	uint64_t timeout_us;  /* µs for all calls of one request together */
	uint64_t concurrency; /* concurrent calls of each worker */
	uint64_t max_bytes;   /* the most bytes of segments in one call; a longer segment is
			       * not sent */
	const struct cel_program *when; /* NULL: always */
	bool reads_target;
	unsigned roles;	  /* bit by enum seg_role: segments that are sent */
	bool own_outcome; /* `outcome` replaces on_failure.classifier */
	enum outcome outcome;
	uint64_t cache_entries, cache_ttl_us; /* 0: results are not kept */
	uint64_t breaker_failures, breaker_open_us;
	struct entity_set entities; /* entities that it may report */
};

/* One source of `data`, which conditions read as data.NAME. */
enum data_kind { DATA_FILE, DATA_REDIS, DATA_URL };
struct data_source {
	const char *name;
	const struct yaml_node *at;
	enum data_kind kind;
	const char *place; /* path, Redis key or URL */
	/* a file's mapping, sorted by its keys. With `key`, data.NAME is the row for the value
	 * of that slot, such as identity.person */
	struct cel_value whole;
	bool has_key;
	size_t key;
	/* for a source with a URL: header line with the token, and authorities; NULL: none */
	const char *authorization, *ca_file;
	uint64_t ttl_us, timeout_us;
	bool skip; /* on_failure: skip: the value is missing; otherwise the request gets 503 */
	bool read; /* a condition reads it */
};

enum { PER_MAX = 4 };

/* The unit of a limit. LIMIT_MESSAGE bounds each single request and keeps no count. */
enum limit_of {
	LIMIT_REQUESTS,
	LIMIT_TOKENS, /* input and output */
	LIMIT_INPUT_TOKENS,
	LIMIT_OUTPUT_TOKENS,
	LIMIT_MESSAGE, /* tokens of one request */
	LIMIT_USD,
	LIMIT_CONCURRENT, /* requests in flight */
};
/* The keys that state what a limit counts. Each limit has exactly one. */
enum { LIMIT_COUNTED = 8 };
extern const struct limit_counted {
	const char *key;
	enum limit_of of;
	bool window;	 /* the limit has a window */
	const char *per; /* NULL, or a dimension in addition to `per` */
} limit_counted[LIMIT_COUNTED];
enum limit_calendar { CALENDAR_HOUR, CALENDAR_DAY, CALENDAR_WEEK, CALENDAR_MONTH };
enum limit_orphan { ORPHAN_CHARGE, ORPHAN_DROP };
/* Decision while Redis does not answer; AWAY_ROUTE: on_failure.quota of the route. */
enum limit_away { AWAY_ROUTE, AWAY_DENY, AWAY_ALLOW, AWAY_SHARE };

/* Changes to requests past `soft` or past the limit. */
struct limit_change {
	const char *model;	    /* NULL: unchanged */
	uint64_t max_output_tokens; /* 0: unchanged */
	const char **tags;
	size_t ntags;
	/* with a model: amount up to which the limit itself applies to that model, in its unit;
	 * 0: only other limits apply */
	uint64_t up_to;
};

/* One limit. */
struct limit {
	const char *name; /* at most 32 letters, digits, . _ -: part of Redis keys */
	const struct yaml_node *at;
	const struct cel_program *when; /* NULL: always */
	/* dimensions: each combination of values has a counter; of a list, each member */
	const struct cel_program *per[PER_MAX];
	size_t nper; /* 0: one counter for all */
	enum limit_of of;
	uint64_t amount; /* most requests, tokens or nano-dollars */
	/* length of the sliding window; 0: a calendar's window, or none */
	uint64_t window_s;
	bool by_calendar;
	enum limit_calendar calendar;
	const struct cel_zone *zone; /* time zone of a calendar's window; NULL: UTC */
	/* the burst: an amount for a shorter window; 0: no burst */
	struct {
		uint64_t amount, window_s;
	} burst;
	uint64_t soft; /* amount from which callers are warned; 0: never */
	const struct limit_change *at_soft, *at_limit; /* NULL: none */
	enum limit_orphan orphan;
	enum limit_away away;
	uint64_t share;	 /* AWAY_SHARE: share of the limit in hundredths of a percent */
	uint64_t peers;	 /* number of daemons that divide the share; 0: redis.daemons */
	bool reads_body; /* `per`, `when` or the counted amount needs the body */
	bool reads_late; /* `per` or `when` reads a target, or data that are not in a file */
	bool reads_tool; /* the limit counts calls: policy_facts.call */
	/* `per` reads the person, or the conversation, which is derived from the person */
	bool of_person;
};

/* Sources of request.conversation. The first one with a value is used. */
enum conversation_kind { CONVERSATION_HEADER, CONVERSATION_DIALECT, CONVERSATION_HASH };
enum { CONVERSATION_MAX = 8 };
struct conversation_source {
	enum conversation_kind kind;
	const char *header; /* lower case */
};

/* A field of requests that becomes a tag: request.tags. */
enum { TAG_SOURCES_MAX = 8, TAG_VALUE_MAX = 64, TAG_NAME_MAX = 64 };
struct tag_source {
	const char *metadata; /* a member of the body's metadata; NULL: the body's user */
};

/* A row of output_default. */
struct output_default {
	const char *model; /* a pattern: * is any text */
	uint64_t tokens;
};

struct policy {
	const char *file, *name;
	char version[65];  /* SHA-256 of the meaning, hex */
	const char *label; /* name@first 12 digits of version */
	bool shadow;
	bool default_permit;
	/* probe: provider: probes reach the provider, not only its guard */
	bool probe_provider;
	struct observe observe;
	struct on_failure on_failure;
	const struct identity_entry *identities;
	size_t nidentities;
	const struct policy_class *classes;
	size_t nclasses;
	const struct route *routes;
	size_t nroutes;
	const struct rule *rules; /* rules with phase: request; one array holds these and the
				   * next two */
	size_t nrules, nall_rules;
	const struct rule
		*answer_rules; /* rules with phase: response (policy/verdict/answer.h) */
	size_t nanswer_rules;
	const struct rule *tool_rules; /* rules with phase: tool (policy/verdict/tool.h) */
	size_t ntool_rules;
	/* request fields that response and tool rules read, so that they are kept */
	const uint16_t *answer_slots;
	size_t nanswer_slots;
	/* some request rule reads the target: rules are evaluated for each candidate */
	bool rules_read_target;
	bool changes;	      /* some rule has effects of struct rule_change */
	size_t nheader_rules; /* number of rules that set headers */
	bool requires;	      /* some rule requires a recognizer */
	bool ocr;	      /* some rule requires OCR */
	const struct limit *limits;
	size_t nlimits;
	const struct operation_tool *operations;
	size_t noperations;
	const struct prices *prices; /* NULL: no price file */
	/* NULL: limits in dollars refuse unknown models */
	const struct price_row *unknown_price;
	bool show_cost;
	struct conversation_source conversation[CONVERSATION_MAX];
	size_t nconversation;
	struct tag_source tags[TAG_SOURCES_MAX];
	size_t ntags;
	bool logs_in;		 /* some route has `login` */
	bool reads_conversation; /* some condition, limit or target reads conversation */
	bool reads_tokens;	 /* some condition, limit or target reads prompt.tokens */
	bool reads_results;	 /* some condition, limit or target reads prompt.tool_results */
	/* some condition, limit or target reads target.price, target.latency or
	 * target.errors */
	bool reads_target_state;
	bool counts_tokens; /* some limit counts tokens or dollars */
	struct data_source *data;
	size_t ndata;
	const struct cel_env *env; /* policy_env, followed by one slot for each data source */
	const struct external *externals;
	size_t nexternals;
	uint64_t output_default; /* tokens for models that match no row of output_defaults */
	struct output_default *output_defaults;
	size_t noutput_defaults;
	uint64_t tool_calls_default;
	bool hashes; /* some rule redacts with: hash */
	const struct inject *inject;
	uint64_t inject_off; /* bit by pattern: patterns that are turned off */
	/* bit by enum seg_role: segments that are scored; 0: all that can be */
	uint16_t inject_roles;
	bool scores;		 /* a rule, limit or class reads the injection score */
	struct entity_set used;	 /* entities that conditions and effects name: policy/policy.c */
	bool uses_all;		 /* some condition may depend on any entity */
	bool skip_samples;	 /* detectors.samples: ignore */
	bool labeled_names;	 /* detectors.names: labeled */
	bool plain_placeholders; /* placeholder.form: plain */
	/* one for each entity, from detectors.thresholds or the rule files */
	float *thresholds;
	/* headers of identity entries that are not in the fixed list of
	 * base/codec/credentials.h, in lower case */
	const char **credential_headers;
	size_t ncredential_headers;
	const char **credential_prefixes; /* prefixes of signed headers, in lower case */
	size_t ncredential_prefixes;
	/* URL parameters of identity entries; NULL after the last */
	const char **credential_parameters;
	/* credential_headers is not empty: HAProxy's files do not delete these headers, so all
	 * requests use the relay */
	bool unusual_credential;
};

/* Returns the name that `operations` gives to a call of the tool: the tool's own row takes
 * precedence over "*" of the server. NULL: none. */
const char *policy_operation(const struct policy *p, struct span server, struct span tool);

/* Returns how requests are searched. The thresholds are borrowed from the policy. */
struct detect_options policy_detect_options(const struct policy *p);

struct detect_rules;
/* Adds the entities that a condition names, directly or by a class. Returns false if the
 * condition may depend on any entity. `when` may be NULL. */
bool policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out);
/* Adds the entities in the response that a condition names, as policy_names_used() does. */
bool policy_answer_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out);
/* Iterates over all conditions of a policy: of rules, limits (with the expressions of `per`)
 * and recognizers. Begin with a zeroed *c. Returns false after the last one. */
struct policy_condition {
	const char *what, *name; /* "rule", "limit" or "external", and its name */
	const struct yaml_node *at;
	const struct cel_program *when; /* NULL: always */
	size_t next, per;
};
bool policy_condition_next(const struct policy *p, struct policy_condition *c);
/* Writes 16 hexadecimal digits of a hash over the names of the set. */
void policy_entities_hash(
	const struct detect_rules *r, const struct entity_set *set, char out[17]);
/* Returns the class that a finding of the entity reports: the class of its rule file if the
 * policy leaves it there, else the first class of the policy that contains it. NULL: none. */
const char *policy_class_of(
	const struct policy *p, const struct detect_rules *r, size_t entity);

/* The fields that conditions may read. The index of a row is the slot. */
/* clang-format off */
#define POLICY_ENV(X) \
	X(V_IDENTITY_METHOD,     "identity.method",     CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_PERSON,     "identity.person",     CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_AGENT,      "identity.agent",      CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_DEPARTMENT, "identity.department", CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_TEAM,       "identity.team",       CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_TIER,       "identity.tier",       CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_ROLES,      "identity.roles",      CEL_LIST,   CEL_STRING) \
	X(V_IDENTITY_CLEARANCE,  "identity.clearance",  CEL_INT,    CEL_DYN) \
	X(V_IDENTITY_ATTRIBUTES, "identity.attributes", CEL_MAP,    CEL_DYN) \
	X(V_PROMPT_CLASSES,      "prompt.classes",      CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_ENTITIES,     "prompt.entities",     CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_MEDIA,        "prompt.media",        CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_REFERENCES,   "prompt.references",   CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_TOOL_RESULTS, "prompt.tool_results", CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_TOKENS,       "prompt.tokens",       CEL_INT,    CEL_DYN) \
	X(V_PROMPT_BYTES,        "prompt.bytes",        CEL_INT,    CEL_DYN) \
	X(V_PROMPT_INJECTION,    "prompt.injection",    CEL_DOUBLE, CEL_DYN) \
	X(V_PROMPT_EVASION,      "prompt.evasion",      CEL_BOOL,   CEL_DYN) \
	X(V_MODEL_NAME,          "model.name",          CEL_STRING, CEL_DYN) \
	X(V_ROUTE_NAME,          "route.name",          CEL_STRING, CEL_DYN) \
	X(V_REQUEST_METHOD,      "request.method",      CEL_STRING, CEL_DYN) \
	X(V_REQUEST_HOST,        "request.host",        CEL_STRING, CEL_DYN) \
	X(V_REQUEST_PATH,        "request.path",        CEL_STRING, CEL_DYN) \
	X(V_REQUEST_CONVERSATION, "request.conversation", CEL_STRING, CEL_DYN) \
	X(V_REQUEST_TAGS,        "request.tags",        CEL_LIST,   CEL_STRING) \
	X(V_TARGET_NAME,         "target.name",         CEL_STRING, CEL_DYN) \
	X(V_TARGET_REGION,       "target.region",       CEL_STRING, CEL_DYN) \
	X(V_TARGET_EXTERNAL,     "target.external",     CEL_BOOL,   CEL_DYN) \
	X(V_TARGET_MODEL,        "target.model",        CEL_STRING, CEL_DYN) \
	X(V_TARGET_PRICE,        "target.price",        CEL_DOUBLE, CEL_DYN) \
	X(V_TARGET_LATENCY,      "target.latency",      CEL_DOUBLE, CEL_DYN) \
	X(V_TARGET_ERRORS,       "target.errors",       CEL_DOUBLE, CEL_DYN) \
	X(V_NOW,                 "now",                 CEL_TIMESTAMP, CEL_DYN) \
	POLICY_RESPONSE(X) \
	POLICY_TOOL(X) \
	POLICY_PARAMETERS(X)
/* Fields of the response: for rules with phase: response. A tool call is {"name": string,
 * "arguments": dyn}. */
#define POLICY_RESPONSE(X) \
	X(V_RESPONSE_CLASSES,    "response.classes",    CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_ENTITIES,   "response.entities",   CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_MEDIA,      "response.media",      CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_INJECTION,  "response.injection",  CEL_DOUBLE, CEL_DYN) \
	X(V_RESPONSE_BYTES,      "response.bytes",      CEL_INT,    CEL_DYN) \
	X(V_RESPONSE_TOKENS,     "response.tokens",     CEL_INT,    CEL_DYN) \
	X(V_RESPONSE_FINISH,     "response.finish_reason", CEL_STRING, CEL_DYN) \
	X(V_RESPONSE_MODEL,      "response.model",      CEL_STRING, CEL_DYN) \
	X(V_RESPONSE_STATUS,     "response.status",     CEL_INT,    CEL_DYN) \
	X(V_RESPONSE_EVASION,    "response.evasion",    CEL_BOOL,   CEL_DYN) \
	X(V_RESPONSE_TOOL_CALLS, "response.tool_calls", CEL_LIST,   CEL_MAP) \
	X(V_RESPONSE_STREAMED,   "response.streamed",   CEL_BOOL,   CEL_DYN)
/* Fields of a call: for rules with phase: tool and limits that count requests. */
#define POLICY_TOOL(X) \
	X(V_TOOL_NAME,           "tool.name",           CEL_STRING, CEL_DYN) \
	X(V_TOOL_SERVER,         "tool.server",         CEL_STRING, CEL_DYN) \
	X(V_TOOL_ARGUMENTS,      "tool.arguments",      CEL_DYN,    CEL_DYN) \
	X(V_TOOL_STATE,          "tool.state",          CEL_STRING, CEL_DYN) \
	X(V_TOOL_DESCRIPTION,    "tool.description",    CEL_STRING, CEL_DYN) \
	X(V_RESOURCE_URI,        "resource.uri",        CEL_STRING, CEL_DYN) \
	X(V_MCP_METHOD,          "mcp.method",          CEL_STRING, CEL_DYN)
/* Scalar parameters of the dialects, top-level members of the body: the union of OpenAI chat
 * and Anthropic messages. The list is closed, so that `check` finds a misspelled name. If a
 * parameter is absent or not a scalar, has() is false, and reading it fails the condition
 * (on_error). Numbers are doubles, as CEL reads JSON: 0 and 0.0 are equal. */
#define POLICY_PARAMETERS(X) \
	X(V_REQ_TEMPERATURE,     "request.temperature", CEL_DYN, CEL_DYN) \
	X(V_REQ_TOP_P,           "request.top_p",       CEL_DYN, CEL_DYN) \
	X(V_REQ_TOP_K,           "request.top_k",       CEL_DYN, CEL_DYN) \
	X(V_REQ_N,               "request.n",           CEL_DYN, CEL_DYN) \
	X(V_REQ_STREAM,          "request.stream",      CEL_DYN, CEL_DYN) \
	X(V_REQ_MAX_TOKENS,      "request.max_tokens",  CEL_DYN, CEL_DYN) \
	X(V_REQ_MAX_COMPLETION,  "request.max_completion_tokens", CEL_DYN, CEL_DYN) \
	X(V_REQ_PRESENCE,        "request.presence_penalty", CEL_DYN, CEL_DYN) \
	X(V_REQ_FREQUENCY,       "request.frequency_penalty", CEL_DYN, CEL_DYN) \
	X(V_REQ_SEED,            "request.seed",        CEL_DYN, CEL_DYN) \
	X(V_REQ_STOP,            "request.stop",        CEL_DYN, CEL_DYN) \
	X(V_REQ_USER,            "request.user",        CEL_DYN, CEL_DYN) \
	X(V_REQ_STORE,           "request.store",       CEL_DYN, CEL_DYN) \
	X(V_REQ_LOGPROBS,        "request.logprobs",    CEL_DYN, CEL_DYN) \
	X(V_REQ_TOP_LOGPROBS,    "request.top_logprobs", CEL_DYN, CEL_DYN) \
	X(V_REQ_SERVICE_TIER,    "request.service_tier", CEL_DYN, CEL_DYN) \
	X(V_REQ_SPEED,           "request.speed", CEL_DYN, CEL_DYN) \
	X(V_REQ_INFERENCE_GEO,   "request.inference_geo", CEL_DYN, CEL_DYN) \
	X(V_REQ_TOOL_CHOICE,     "request.tool_choice", CEL_DYN, CEL_DYN) \
	X(V_REQ_PARALLEL_TOOLS,  "request.parallel_tool_calls", CEL_DYN, CEL_DYN) \
	X(V_REQ_REASONING,       "request.reasoning_effort", CEL_DYN, CEL_DYN) \
	X(V_REQ_VERBOSITY,       "request.verbosity",   CEL_DYN, CEL_DYN) \
	X(V_REQ_SAFETY_ID,       "request.safety_identifier", CEL_DYN, CEL_DYN) \
	X(V_REQ_CACHE_KEY,       "request.prompt_cache_key", CEL_DYN, CEL_DYN)
/* clang-format on */

enum policy_slot {
#define X(id, path, type, elem) id,
	POLICY_ENV(X)
#undef X
		V_COUNT
};
/* number of slots, with those of `data` */
#define V_ALL (V_COUNT + CAP_DATA)
extern const struct cel_env policy_env;
/* Returns true if the slot's value is known only after the body was read. */
bool policy_slot_reads_body(size_t slot);
/* Returns true for fields of the response. */
bool policy_slot_reads_answer(size_t slot);
/* Returns true for fields of a call. */
bool policy_slot_reads_tool(size_t slot);
/* Returns the name of a parameter after "request.", or NULL for other slots. */
const char *policy_slot_parameter(size_t slot);

/* Loads and compiles a policy. Returns NULL after any error, with all errors in *d. `cfg` may
 * be NULL: then backends are not compared, and demo_issuer is an error. Entities that only
 * external recognizers report are added to `rules`. Main thread. */
const struct policy *policy_load(struct arena *a, const char *file, const struct config *cfg,
	struct detect_rules *rules, struct diag *d);
/* Compiles a tree that was read before, as policy_load() does. Relative paths are relative to
 * the folder of `file`. */
const struct policy *policy_compile(struct arena *a, const struct yaml_node *root,
	const char *file, const struct config *cfg, struct detect_rules *rules, struct diag *d);
/* Returns the tokens reserved for a response to a request without a cap. */
uint64_t policy_output_default(const struct policy *p, struct span model);
/* Returns the smallest such number for any model. */
uint64_t policy_output_least(const struct policy *p);
/* Returns the login whose metadata document (RFC 9728) has this host and path, and sets *of to
 * its route. NULL: none. */
const struct login *policy_login(
	const struct policy *p, struct span host, struct span path, const struct route **of);
/* Returns a route to an MCP server that has this path and another host. NULL: none. */
const struct route *policy_route_elsewhere(
	const struct policy *p, struct span method, struct span host, struct span path);
/* Returns true if one of the `n` patterns matches `host`, which has no port and is in lower
 * case. */
bool policy_host_in(struct span host, const char *const *hosts, size_t n);
/* Returns true if the route has the path, whatever the host. `method` matters only for paths of
 * a dialect (`api`). */
bool policy_route_has_path(const struct route *r, struct span method, struct span path);
/* Returns true if the condition may be true for a request of the route. `when` NULL: always
 * true. */
bool policy_may_reach(
	struct arena *a, const struct cel_program *when, const struct route *route);
/* Returns true if the target has this name: PROVIDER or PROVIDER/MODEL. */
bool policy_target_is(const struct target *t, const char *name);
/* Returns the route as it is for a request that names this model: its copy for an alias, or the
 * route itself. */
const struct route *policy_route_as(const struct route *r, struct span model);
/* Returns the first route that matches, or NULL. `host` has no port and is in lower case. */
const struct route *policy_route(
	const struct policy *p, struct span method, struct span host, struct span path);

#endif
