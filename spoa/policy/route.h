/* A route in its compiled form: the requests that it matches, their targets, and what happens to
 * requests and responses. Lives in the policy's arena. */
#ifndef POLICY_ROUTE_H
#define POLICY_ROUTE_H

#include "policy/entities.h"
#include "policy/on_failure.h"
#include "policy/target.h"

struct arena;
struct cel_program;

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

/* Which target of a route is tried first. */
struct choose {
	enum choose_by { CHOOSE_ORDER, CHOOSE_WEIGHT, CHOOSE_LATENCY, CHOOSE_PRICE } by;
	enum choose_sticky { STICKY_NONE, STICKY_CONVERSATION, STICKY_IDENTITY } sticky;
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
	bool speech;	/* sounds of whole responses are transcribed */
	bool calls;	/* a rule with phase: tool may reach a call in responses */
	bool arguments; /* such a rule reads or redacts arguments, or reads tool.left */
	bool left;	/* such a rule reads tool.left */
	bool origins;	/* such a rule reads tool.origins */
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
/* route.mcp.names: the names by which callers know the tools of several MCP servers. */
enum joined_names { JOINED_PREFIXED /* PROVIDER__TOOL */ };
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
	/* rows of restore.tools and of the policy's `tools` (policy/tools.h) */
	const struct tool_row *tools;
	size_t ntools;
	struct answer_uses uses;
	enum record_text record_prompt, record_answer,
		record_tools; /* arguments and results of tool calls */
	struct about about;
	const struct login *login; /* NULL: no login */
	bool joined; /* mcp: the targets are MCP servers that callers see as one */
	enum joined_names joined_names;
	/* mcp.list_deadline: longest time for the servers' responses to a list, in µs */
	uint64_t list_deadline_us;
	bool find_all;		   /* record.find: all: search for more than the policy uses */
	/* user_text: the person typed the user messages, or clients also put other texts there */
	enum user_text { USER_TYPED, USER_MIXED } user_text;
	bool receipt;		   /* send x-tollgate-receipt */
	struct on_failure on_failure;
	bool show_cost;	    /* send x-tollgate-cost */
	uint64_t websocket; /* most bytes of a WebSocket message; 0: handshakes are refused */
	/* realtime.webrtc: permit: sessions outside the gateway may be opened */
	bool beside;
	/* realtime.audio: how the sound of sessions is handled */
	enum route_audio {
		AUDIO_UNREADABLE, /* not set: on_failure.unreadable decides */
		AUDIO_PERMIT,
		AUDIO_JUDGED,  /* a response is requested after its transcript is permitted */
		AUDIO_REQUIRED /* sound is sent after its transcript is permitted */
	} audio;
	/* realtime.transcription: the model of the session's own transcripts */
	const char *transcription;
	enum reserve reserve;
	uint64_t deadline_us; /* deadline: longest exchange; default 15 min */
};

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
/* Returns the route as it is for a request that names this model: its copy for an alias, or the
 * route itself. */
const struct route *policy_route_as(const struct route *r, struct span model);

#endif
