/* The policy: YAML, checked and compiled to an immutable form. Decides nothing
 * by itself: policy/verdict/decide.h evaluates it. One allocation lifetime: the arena
 * given to policy_load. */
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

enum outcome { OUT_DENY, OUT_PERMIT, OUT_REDACT }; /* on_failure; REDACT only for classifier */

/* What becomes of reasoning under a provider's signature in which something would be replaced.
 */
enum signed_reasoning { SIGNED_DROP, SIGNED_DENY, SIGNED_LEAVE };

/* What on_failure.classifier says where one of the policy's classes was found. */
struct class_outcome {
	size_t class;
	enum outcome outcome;
};

struct on_failure {
	/* `classifier`: where none of by_class was found; else the strictest of those */
	enum outcome classifier, quota, audit, unreadable;
	const struct class_outcome *by_class;
	size_t nby_class;
	uint64_t quota_share, quota_peers; /* of `quota`, {local: 10%}: as a limit's; 0: none */
	enum signed_reasoning signed_reasoning;
};

/* A cutover: who calls these hosts without a key of ours passes, to this backend alone, with
 * what it came with (policy/identity/observe.h). */
enum { OBSERVE_DAYS_MAX = 90 };
struct observe {
	const char **hosts; /* as a route's */
	size_t nhosts;
	const char *backend; /* HAProxy's; NULL: nothing is observed */
	int64_t until_ns;    /* wall; from then on requests are decided as any */
	const struct yaml_node *at;
};

#define CLASSES_MAX 64
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
	double injection; /* it is in prompt.classes from this score on; 0: never for a score */
	uint16_t roles; /* bit by enum seg_role: only what is found in their texts; 0: in any */
};

enum identity_kind { ID_JWT, ID_SIGNED, ID_CERTIFICATE, ID_API_KEY, ID_NONE };

/* jwt: paths into the claims, "act.sub"; client_certificate: fields (base/codec/cert.h).
 * NULL: not mapped. */
struct claim_map {
	const char *person, *agent, *roles, *department, *clearance, *team, *tier;
};

struct identity_entry {
	enum identity_kind kind;
	const struct yaml_node *at; /* for errors */
	const char *header;	    /* lower case; default authorization; NULL: none; of
				       signed_headers the signature's */
	const char *query;	    /* jwt: a parameter's name, in place of the header */
	const char *issuer;	    /* jwt */
	const char **audiences;
	size_t naudiences;
	const char *jwks_file;	       /* jwt, or */
	const char *jwks_url;	       /* or */
	const char *secret;	       /* for secret_load: HS256 to 512 */
	const char *ca_file;	       /* jwks_url: NULL: the system's */
	uint64_t refresh_us, stale_us; /* jwks_url */
	unsigned algorithms;	       /* bit per enum jws_alg */
	uint64_t max_age_s;	       /* 0: none */
	uint64_t leeway_s;	       /* default 60 */
	struct claim_map claims;
	const char *keys_file;	  /* api_key, signed_headers */
	bool subject_owner;	  /* api_key: the person is the key's owner */
	const char *prefix;	  /* signed_headers: lower case */
	uint64_t max_skew_s;	  /* signed_headers: default 60 */
	const char *trust_domain; /* client_certificate: of its SPIFFE id; NULL: any */
	const char *person;	  /* none: the name recorded */
	const char *realm;	  /* its persons are REALM/NAME; NULL: as it names them */
	const char **recorded;	  /* names of attributes that records keep */
	size_t nrecorded;	  /* 0: all, or none with audit.persons: pseudonym */
};

/* What is done with an answer; 0: ignore. A response rule that may reach the route adds
 * RESP_INSPECT. */
enum route_response {
	RESP_METER = 1,
	RESP_RECORD = 2,
	RESP_INSPECT = 4,
	RESP_RESTORE = 8,
	RESP_RESTORE_URLS = 16, /* with RESP_RESTORE: in URLs too */
};
/* What is kept of a text: a keyed hash; nothing; sealed, as it went; sealed, as it came. */
enum record_text { KEPT_HASH, KEPT_OFF, KEPT_REDACTED, KEPT_FULL };
static inline bool
record_text_sealed(enum record_text how)
{
	return how == KEPT_REDACTED || how == KEPT_FULL;
}

/* When a target that fails is left alone. */
struct breaker {
	bool on;	   /* off where a route has one target and its provider says nothing */
	unsigned failures; /* in a row; default 5 */
	uint64_t open_us;  /* the first time; doubled each time after; default 5 s */
};

/* Which of a route's targets a request is tried with first. */
struct choose {
	enum choose_by { CHOOSE_ORDER, CHOOSE_WEIGHT, CHOOSE_LATENCY, CHOOSE_PRICE } by;
	enum choose_sticky { STICKY_NONE, STICKY_CONVERSATION, STICKY_IDENTITY } sticky;
};

/* Why an attempt ended: design section 10. */
enum attempt_cause {
	CAUSE_DONE,
	CAUSE_NEVER_SENT,     /* no byte of it reached the provider */
	CAUSE_THROTTLED,      /* 429, 529, 503, a dialect's overload error */
	CAUSE_REFUSED_US,     /* our key, our credit, no such model there, too long for it */
	CAUSE_PERHAPS_BILLED, /* cut, 408, 409, 425, 500, 502, 504: nobody knows what it cost */
	CAUSE_FINAL,	      /* the caller's own 4xx */
	CAUSE_ABORTED,	      /* the caller went away */
	CAUSE_RULED,	      /* HAProxy answered by itself, and asked nobody */
	CAUSES
};
extern const char
	*const attempt_causes[CAUSES]; /* "done", "never_sent", … as policy and records say */

/* What is tried again, and how long one attempt may take. */
struct retry {
	unsigned attempts; /* at most; 1: none is repeated */
	unsigned on;	   /* bit by enum attempt_cause */
	/* since the request's last byte went; 0: no bound of its own. `whole` of requests that
	 * ask for a whole answer, the others of streams */
	uint64_t first_byte_us, first_content_us, idle_us, whole_us;
	uint64_t overall_us; /* all attempts, until the first content event */
};
enum { RETRY_ATTEMPTS_MAX = 8, RETRY_ATTEMPTS_DEFAULT = 3 };

/* A candidate of a route. */
struct target {
	const char *name; /* the provider's; "" for a route without targets */
	const char *region;
	/* as records name it: of a route's own `backend` the provider that has it, or the
	 * backend; "" where HAProxy's own routing decides */
	const char *known, *known_region;
	bool external;
	bool relay; /* never direct */
	bool threads; /* its provider keeps threads of messages, as Anthropic does */
	/* The forms that it speaks, bit by enum form, FORM_NONE: what has none; 0: whatever is
	 * asked. The first of them that is translated; FORM_NONE: none is. */
	unsigned forms;
	enum form translated;
	const struct dialect *dialect; /* of its provider; NULL: it has none */
	const char *backend; /* HAProxy backend; NULL: HAProxy's own routing decides */
	const char *model;   /* sent in place of the request's; NULL: none of its own */
	unsigned weight;     /* of a draw; 1 where nothing is said */
	unsigned priority; /* its group: 1 first; a later one only where those before have none
			      left */
	unsigned concurrent; /* requests under way at its provider, of this daemon; 0: any
				number */
	struct breaker breaker;
	const struct provider_credential
		*credential;		 /* that the relay adds; NULL: HAProxy has it */
	const struct price_list *prices; /* NULL: none fits: see policy_price() */
	const struct yaml_node *at;
};

/* What the response rules that may reach a route can use of its answers. */
struct answer_uses {
	struct entity_set entities; /* by themselves or by a class: what text is held for */
	bool all;		    /* a condition may depend on any entity */
	bool injection;		    /* the score, by itself or by a class */
	bool tool_calls;	    /* names and arguments */
	bool media;
	bool calls;	/* a rule with phase: tool may reach a call in them, */
	bool arguments; /* and reads or redacts what it is called with */
	bool offered;	/* or what a request offers, with the servers that the provider asks */
	bool uris;	/* and reads where a server or a resource is, not in shadow */
	bool any;	/* such a rule there is */
	char searched[17]; /* policy_entities_hash() of them, or "all", as records say it */
};

/* route.reserve: what limits hold for an answer, and what is sent so that it holds. */
enum reserve {
	RESERVE_CAP, /* the request's cap; where it states none, output_default is sent as one
		      */
	RESERVE_LEARNED, /* what its answers take, sent as the cap */
	RESERVE_ESTIMATE /* output_default, which is not sent: an answer may be longer */
};

/* What a route is for, as the policy says it: recorded, and nothing else. NULL: not said. */
struct about {
	const char *use_case, *risk, *operation, *reviewer;
};

/* Where callers of an MCP route log in: its protected resource metadata (RFC 9728). */
struct login {
	const char *resource;	/* the URL that clients dial */
	struct span host, path; /* of it, without port */
	const char *metadata;	/* where the document is */
	const char *document;	/* one line of JSON */
	const char *scope;	/* of a 401: what a first login asks for; "": nothing is said */
};

/* A tool that a name of `operations` stands for. */
struct operation_tool {
	const char *operation;
	struct span server; /* the provider's name; "": in models' answers */
	struct span tool;   /* "*": every other one of that server */
	const struct yaml_node *at;
};

/* route.cache: whose answers a caller may get again, and for how long. */
enum cache_per { CACHE_IDENTITY, CACHE_TEAM, CACHE_ORG };
#define NEAR_SIMILARITY_LEAST	  0.9
#define SEMANTIC_SIMILARITY_LEAST 0.8
struct route_cache {
	uint64_t ttl_us; /* 0: none is kept */
	enum cache_per per;
	double temperature; /* of requests whose answers are kept, at most */
	bool tools;	    /* answers that call tools, too */
	/* Header fields that belong to the key, and that do not; "x-*": all that begin so */
	const char **keyed, **ignored;
	size_t nkeyed, nignored;
	/* Answers to a request that is near, too: NULL: none. How alike their prompts must be,
	 * NEAR_SIMILARITY_LEAST to 1. */
	const struct courtesy *near;
	double similarity;
	/* And to one that means the same, by vectors of embeddings: NULL: none. `at` is asked
	 * for them, at->model among its models. */
	const struct cache_semantic {
		struct target at;
		double similarity; /* SEMANTIC_SIMILARITY_LEAST to 1 */
		const struct courtesy *words;
	} * semantic;
};

enum { TARGETS_MAX = 16, ALIASES_MAX = 256, ABOUT_BYTES = 200, DROPS_MAX = 32 };
struct route {
	const char *name;
	const struct yaml_node *at;
	const char **methods; /* empty: any */
	size_t nmethods;
	const char **hosts; /* lower case, without port; "*.x" suffixes; empty: any */
	size_t nhosts;
	const char **paths; /* whole, in normal form */
	size_t npaths;
	const char **prefixes; /* end at a segment: "/api" matches /api and /api/x, not /apix */
	size_t nprefixes;
	const struct dialect *api; /* all paths of it, below the prefixes where there are some;
				      NULL: by path alone */
	const struct dialect
		*dialect; /* the route's or its target's; NULL: dialect_for_path() */
	const struct target *targets; /* in order; at least one */
	size_t ntargets;
	bool translates; /* a target of it, or of its aliases, may need another form */
	const char *
		*drop; /* translate.drop: members that may go where one has no place for them */
	size_t ndrop;
	struct route_cache cache;
	struct choose choose;
	struct retry retry;
	bool direct; /* via: one attempt, so that none takes the relay for another's sake */
	/* As it is for the names of `models` of which it lists a provider: the same but for
	 * targets, choose and retry.attempts. Of those themselves: whose they are, and the
	 * name. */
	const struct route *aliases;
	size_t naliases;
	const struct route *of; /* NULL: of none, it is a route of the policy */
	const char *alias;
	unsigned response; /* enum route_response bits */
	/* The limit for which its requests take the relay: their end must be known. NULL: none
	 */
	const struct limit *told_of_end;
	const struct yaml_node *response_ignore; /* where it says so; NULL: it does not */
	const char **keeping; /* restore.tools: they keep what they are called with */
	size_t nkeeping;
	struct answer_uses uses;
	enum record_text record_prompt, record_answer,
		record_tools; /* arguments and results of calls */
	struct about about;
	const struct login *login; /* NULL: nobody is told */
	bool find_all;		   /* record.find: all: searched for more than is used */
	bool receipt;		   /* x-tollgate-receipt */
	struct on_failure on_failure;
	bool show_cost; /* x-tollgate-cost */
	uint64_t websocket; /* handshakes pass, and so many bytes are a message; 0: none does */
	bool beside;	    /* realtime.webrtc: sessions beside the gate may be opened */
	enum reserve reserve;
	uint64_t deadline_us; /* route.deadline, default 15 min: a ticket's exchange may last */
};

/* What a rule does to the evaluation; a permit may redact and change too. A verdict is
 * one of the first three. */
enum rule_effect { RULE_DENY, RULE_PERMIT, RULE_REDACT, RULE_CHANGE };

struct header {
	const char *name, *value;
};

/* `require: [ocr]`: pictures and scanned pages are read, before texts are searched. */
#define REQUIRE_OCR (UINT64_C(1) << 63)
_Static_assert(CAP_RECOGNIZERS < 63, "recognizers' bits are apart from it");

/* The effects that neither end the evaluation nor replace what was found. */
struct rule_change {
	const char **targets;	    /* route.targets: PROVIDER or PROVIDER/MODEL */
	size_t ntargets;	    /* 0: all may stay */
	const char *model;	    /* route.model; NULL: none */
	uint64_t max_output_tokens; /* 0: none */
	const char **tags;
	size_t ntags;
	uint64_t require; /* bit by index of policy.externals, and REQUIRE_OCR */
	const struct header *headers; /* names in lower case */
	size_t nheaders;
};

enum rule_phase { PHASE_REQUEST, PHASE_RESPONSE, PHASE_TOOL };

struct rule {
	const char *name;
	const struct yaml_node *at;
	enum rule_phase phase;
	const struct cel_program *when; /* NULL: always */
	const char *when_text;
	bool reads_body; /* `when` needs prompt.*, model.* or a request parameter */
	bool reads_target;
	bool reads_score;  /* response.injection, by itself or by a class that has a score */
	bool reads_finish; /* response.finish_reason */
	/* or response.bytes, tokens, injection: in a stream known at a block's end only */
	bool reads_late;
	bool reads_method; /* mcp.method: asked about what is no call too
			      (policy/verdict/tool.h) */
	bool reads_state;  /* tool.state */
	enum rule_effect effect;
	bool redacts;
	bool strips; /* redact.media: files in which it would redact, or that nobody reads, go */
	const struct rule_change *change; /* NULL: none */
	int status;			  /* deny; default 403 */
	const char *reason;
	const char *scope;	  /* deny: the token lacks it; NULL: it is about no scope */
	bool as_error;		  /* deny of a call: a JSON-RPC error, not a result */
	bool hides;		  /* and it is taken out of lists */
	struct entity_set redact; /* classes and entities resolved */
	enum redact_style with;
	bool skip_on_error; /* on_error: skip; default deny */
	bool shadow;
};

/* An external recognizer (detectors.external). */
struct external {
	const char *name; /* rec.name */
	const struct yaml_node *at;
	struct recognizer rec;
	const char *url, *ca_file;
	const char **fields; /* header lines to send */
	size_t nfields;
	uint64_t timeout_us;  /* for one request, however many calls that takes */
	uint64_t concurrency; /* calls at once, a worker */
	uint64_t max_bytes;   /* of text in one call; a longer text is not asked about */
	const struct cel_program *when; /* NULL: always */
	bool reads_target;
	unsigned roles;	  /* bit by enum seg_role: which texts are asked about */
	bool own_outcome; /* `outcome` wins over on_failure.classifier */
	enum outcome outcome;
	uint64_t cache_entries, cache_ttl_us; /* 0: nothing is remembered */
	uint64_t breaker_failures, breaker_open_us;
	struct entity_set entities; /* what it may report */
};

/* `data`: what conditions read as data.NAME. */
enum data_kind { DATA_FILE, DATA_REDIS, DATA_URL };
struct data_source {
	const char *name;
	const struct yaml_node *at;
	enum data_kind kind;
	const char *place; /* file, Redis key, URL */
	/* file: a mapping, sorted by its keys; with `key` the value is the row that it has for
	 * the value of that slot */
	struct cel_value whole;
	bool has_key;
	size_t key;
	const char *authorization, *ca_file; /* URL: header line; NULL */
	uint64_t ttl_us, timeout_us;
	bool skip; /* on_failure: the value is missing; else a 503 */
	bool read; /* by a condition */
};

enum { PER_MAX = 4 };

/* What a limit counts. LIMIT_MESSAGE bounds one request and counts nothing. */
enum limit_of {
	LIMIT_REQUESTS,
	LIMIT_TOKENS, /* input and output */
	LIMIT_INPUT_TOKENS,
	LIMIT_OUTPUT_TOKENS,
	LIMIT_MESSAGE, /* tokens of one request */
	LIMIT_USD,
	LIMIT_CONCURRENT, /* requests at once */
};
/* The keys that say what a limit counts; of a policy's limit exactly one is given. */
enum { LIMIT_COUNTED = 8 };
extern const struct limit_counted {
	const char *key;
	enum limit_of of;
	bool window;	 /* it counts over time */
	const char *per; /* NULL, or whom it is counted for besides `per` */
} limit_counted[LIMIT_COUNTED];
enum limit_calendar { CALENDAR_HOUR, CALENDAR_DAY, CALENDAR_WEEK, CALENDAR_MONTH };
enum limit_orphan { ORPHAN_CHARGE, ORPHAN_DROP };
/* While Redis does not answer; AWAY_ROUTE: as on_failure.quota of the route says. */
enum limit_away { AWAY_ROUTE, AWAY_DENY, AWAY_ALLOW, AWAY_SHARE };

/* What becomes of a request that a limit has no room for, instead of a refusal. */
struct limit_change {
	const char *model;	    /* NULL: as it is */
	uint64_t max_output_tokens; /* 0: as it is */
	const char **tags;
	size_t ntags;
	/* With a model: how far the limit itself goes for it, in its unit; 0: as far as other
	 * limits let it. */
	uint64_t up_to;
};

struct limit {
	const char *name; /* at most 32 letters, digits, . _ -: part of Redis keys */
	const struct yaml_node *at;
	const struct cel_program *when; /* NULL: always */
	/* What is counted apart: each value, of a list each member. */
	const struct cel_program *per[PER_MAX];
	size_t nper; /* 0: one count for all */
	enum limit_of of;
	uint64_t amount; /* at most: requests, tokens, nano-dollars */
	/* in any run of so many seconds; 0: of a calendar, or not over time */
	uint64_t window_s;
	bool by_calendar;
	enum limit_calendar calendar;
	const struct cel_zone *zone; /* of the calendar; NULL: UTC */
	/* and in any shorter run; 0: no bound */
	struct {
		uint64_t amount, window_s;
	} burst;
	uint64_t soft; /* callers are warned from this count on; 0: never */
	const struct limit_change *at_soft, *at_limit; /* NULL: none */
	enum limit_orphan orphan;
	enum limit_away away;
	uint64_t share;	 /* AWAY_SHARE: hundredths of a per cent of the limit, */
	uint64_t peers;	 /* of so many daemons together; 0: as tollgate.yaml says */
	bool reads_body; /* `per`, `when` or what it counts needs the body */
	bool reads_late; /* `per` or `when` reads a target, or data that is not in a file */
	bool reads_tool; /* it counts calls: policy_facts.call */
	bool of_person;	 /* `per` reads the person, or the conversation, whose name comes of him
			  */
};

/* Where request.conversation comes from: the first that gives one. */
enum conversation_kind { CONVERSATION_HEADER, CONVERSATION_DIALECT, CONVERSATION_HASH };
enum { CONVERSATION_MAX = 8 };
struct conversation_source {
	enum conversation_kind kind;
	const char *header; /* lower case */
};

/* What callers say of a request that becomes a tag of it: request.tags. */
enum { TAG_SOURCES_MAX = 8, TAG_VALUE_MAX = 64, TAG_NAME_MAX = 64 };
struct tag_source {
	const char *metadata; /* a member of the body's metadata; NULL: its user */
};

/* A row of output_default: of models that match. */
struct output_default {
	const char *model; /* pattern: * is any text */
	uint64_t tokens;
};

struct policy {
	const char *file, *name;
	char version[65];  /* SHA-256 of the meaning, hex */
	const char *label; /* name@first 12 digits of version */
	bool shadow;
	bool default_permit;
	bool probe_provider; /* `probe`: probes go to the provider, not only to its guard */
	struct observe observe;
	struct on_failure on_failure;
	const struct identity_entry *identities;
	size_t nidentities;
	const struct policy_class *classes;
	size_t nclasses;
	const struct route *routes;
	size_t nroutes;
	const struct rule
		*rules; /* of phase: request; in one array with the two that come next */
	size_t nrules, nall_rules;
	const struct rule *answer_rules; /* of phase: response: policy/verdict/answer.h */
	size_t nanswer_rules;
	const struct rule *tool_rules; /* of phase: tool: policy/verdict/tool.h */
	size_t ntool_rules;
	const uint16_t *answer_slots; /* fields of the request that both read */
	size_t nanswer_slots;
	bool rules_read_target; /* one of them: it is evaluated for each candidate */
	bool changes;		/* one of them has effects of struct rule_change */
	size_t nheader_rules;	/* so many set headers */
	bool requires;		/* one of them requires a recognizer */
	bool ocr;		/* or that pictures are read */
	const struct limit *limits;
	size_t nlimits;
	const struct operation_tool *operations;
	size_t noperations;
	const struct prices *prices;	       /* NULL: no file */
	const struct price_row *unknown_price; /* NULL: deny */
	bool show_cost;
	struct conversation_source conversation[CONVERSATION_MAX];
	size_t nconversation;
	struct tag_source tags[TAG_SOURCES_MAX];
	size_t ntags;
	bool logs_in;		 /* a route has `login` */
	bool reads_conversation; /* a condition or a limit does */
	bool reads_tokens;	 /* likewise, prompt.tokens */
	bool reads_results;	 /* likewise, prompt.tool_results */
	bool reads_target_state; /* likewise, target.price, target.latency or target.errors */
	bool counts_tokens;	 /* a limit counts tokens, or what depends on them */
	struct data_source *data;
	size_t ndata;
	const struct cel_env *env; /* policy_env and after it a slot for each of `data` */
	const struct external *externals;
	size_t nexternals;
	uint64_t output_default; /* tokens, of models that no row of output_defaults matches */
	struct output_default *output_defaults;
	size_t noutput_defaults;
	uint64_t tool_calls_default;
	bool hashes; /* a rule redacts with: hash */
	const struct inject *inject;
	uint64_t inject_off;	/* bits: patterns that do not count */
	uint16_t inject_roles;	/* bit by enum seg_role: texts that are scored; 0: all that can
				   be */
	bool scores;		/* a rule, limit or class reads the injection score */
	struct entity_set used; /* what conditions and effects name: policy/used.c */
	bool uses_all;		/* a condition may depend on any entity */
	bool skip_samples;	/* detectors.samples: ignore */
	bool labeled_names;	/* detectors.names: labeled */
	bool plain_placeholders; /* placeholder.form: plain */
	float *thresholds; /* one an entity, from detectors.thresholds over the rules' own */
	/* lower case: every header that an identity entry names and that is outside the
	 * fixed list (base/codec/credentials.h) */
	const char **credential_headers;
	size_t ncredential_headers;
	const char **credential_prefixes; /* of signed headers, likewise */
	size_t ncredential_prefixes;
	/* parameters of the query that an identity entry names; NULL after the last */
	const char **credential_parameters;
	bool unusual_credential; /* one of them is outside the list the HAProxy files delete:
				    all routes via=relay */
};

/* What the policy calls a call of that tool: its own row before the server's "*". NULL:
 * nothing. */
const char *policy_operation(const struct policy *p, struct span server, struct span tool);

/* How its requests are scanned; the thresholds are the policy's. */
struct detect_options policy_detect_options(const struct policy *p);

struct detect_rules;
/* Adds the entities that a condition names, by themselves or by a class. False: it may
 * depend on any. `when` NULL: there is none. */
bool policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out);
/* The same of a limit: its condition and what it counts apart. */
bool policy_limit_names_used(const struct policy *p, const struct detect_rules *r,
	const struct limit *l, struct entity_set *out);
/* The same of what it reads of the answer. */
bool policy_answer_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out);
/* One after the other all conditions of a policy: of rules, of limits and of recognizers; what
 * a limit counts apart is one, too. Begins with a zeroed *c; false: there are no more. */
struct policy_condition {
	const char *what, *name; /* "rule", its name */
	const struct yaml_node *at;
	const struct cel_program *when; /* NULL: always */
	size_t next, per;
};
bool policy_condition_next(const struct policy *p, struct policy_condition *c);
/* 16 hexadecimal digits of the hash of their names. */
void policy_entities_hash(
	const struct detect_rules *r, const struct entity_set *set, char out[17]);
/* The class that a finding of the entity names: its rule file's where the policy leaves it
 * in that, else the first of the policy's that it is in; NULL: it is in none. */
const char *policy_class_of(
	const struct policy *p, const struct detect_rules *r, size_t entity);

/* The environment of conditions; the index of a row is the slot. */
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
/* Of the answer: rules of phase: response only. A tool call is {"name": string,
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
/* Of a call: rules of phase: tool, and limits that count requests. */
#define POLICY_TOOL(X) \
	X(V_TOOL_NAME,           "tool.name",           CEL_STRING, CEL_DYN) \
	X(V_TOOL_SERVER,         "tool.server",         CEL_STRING, CEL_DYN) \
	X(V_TOOL_ARGUMENTS,      "tool.arguments",      CEL_DYN,    CEL_DYN) \
	X(V_TOOL_STATE,          "tool.state",          CEL_STRING, CEL_DYN) \
	X(V_TOOL_DESCRIPTION,    "tool.description",    CEL_STRING, CEL_DYN) \
	X(V_RESOURCE_URI,        "resource.uri",        CEL_STRING, CEL_DYN) \
	X(V_MCP_METHOD,          "mcp.method",          CEL_STRING, CEL_DYN)
/* The dialects' scalar parameters, top-level members of the body: the union of
 * OpenAI chat and Anthropic messages. A closed list, so that a misspelt one is an
 * error of `check` and not a rule that never matches. Absent or not scalar:
 * has() is false and reading it fails the condition (on_error). Numbers are
 * doubles, as CEL reads JSON: 0 and 0.0 are the same input. */
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
/* With the slots of `data`. */
#define V_ALL (V_COUNT + CAP_DATA)
extern const struct cel_env policy_env;
/* True where the slot's value is known only once the body is read. */
bool policy_slot_reads_body(size_t slot);
/* True where it is a field of the answer. */
bool policy_slot_reads_answer(size_t slot);
/* True where it is a field of a call. */
bool policy_slot_reads_tool(size_t slot);
/* The name after "request." of a parameter's slot; NULL for other slots. */
const char *policy_slot_parameter(size_t slot);

/* Loads, checks, compiles; every mistake goes to *d. `cfg` may be NULL (decide,
 * body): then backends are not compared and demo_issuer is an error. NULL on any
 * mistake: never half-loaded. Entities that only external recognizers report are
 * added to the rules. */
const struct policy *policy_load(struct arena *a, const char *file, const struct config *cfg,
	struct detect_rules *rules, struct diag *d);
/* The same of a tree that was read already; `file` is where relative paths begin. */
const struct policy *policy_compile(struct arena *a, const struct yaml_node *root,
	const char *file, const struct config *cfg, struct detect_rules *rules, struct diag *d);
/* What an answer of the model may take where the request states no cap. */
uint64_t policy_output_default(const struct policy *p, struct span model);
/* The least that it is for any model. */
uint64_t policy_output_least(const struct policy *p);
/* Whether one of the patterns of `hosts` matches: `host` without port, lower case. */
/* The login whose document (RFC 9728) that path of that host is, and its route; NULL: of none.
 */
const struct login *policy_login(
	const struct policy *p, struct span host, struct span path, const struct route **of);
/* A route to an MCP server that has this path, and another host. NULL: there is none. */
const struct route *policy_route_elsewhere(
	const struct policy *p, struct span method, struct span host, struct span path);
bool policy_host_in(struct span host, const char *const *hosts, size_t n);
/* Whether the route takes requests of that path, whatever their method and host. */
bool policy_route_has_path(const struct route *r, struct span method, struct span path);
/* Whether the condition (NULL: always) may be true of a request of the route. */
bool policy_may_reach(
	struct arena *a, const struct cel_program *when, const struct route *route);
/* Whether it is called so: PROVIDER, or PROVIDER/MODEL. */
bool policy_target_is(const struct target *t, const char *name);
/* The route as it is for a request that names this model: policy_route()'s, or what it is for
 * an alias. */
const struct route *policy_route_as(const struct route *r, struct span model);
/* The first route that matches, or NULL. `host` without port, lower case. */
const struct route *policy_route(
	const struct policy *p, struct span method, struct span host, struct span path);

#endif
