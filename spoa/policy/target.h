/* A target: a provider, with a model, to which a route sends requests. Also the circuit breaker
 * of a target and the rules for repeated attempts. Lives in the policy's arena. */
#ifndef POLICY_TARGET_H
#define POLICY_TARGET_H

#include "scan/dialect/form.h"

/* The circuit breaker: when a failing target gets no requests, and for how long. */
struct breaker {
	bool on;	   /* default: off if a route has one target */
	unsigned failures; /* consecutive failures that open the breaker; default 5 */
	uint64_t open_us;  /* first pause, doubled after each further failure; default 5 s */
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

struct cel_program;
/* A provider, with a model, to which a route may send its requests. */
struct target {
	const char *name; /* name of the provider; "" for a route without targets */
	const char *region;
	/* names in records: of the provider, or for a route's `backend` of the provider with
	 * that backend, else the backend; "" if HAProxy's own routing decides */
	const char *known, *known_region;
	bool external;
	/* it is inside, and receives every header; for a route's `backend`, the provider with
	 * that backend is. Otherwise it receives sent_fields and `headers`, in lower case */
	bool all_headers;
	const char *const *headers;
	size_t nheaders;
	bool relay;   /* always through the relay */
	bool threads; /* the provider keeps message threads, as Anthropic does */
	/* the provider bills a whole stream even if the connection closes before its end. If
	 * `dialect` is NULL, a false value is the default, and dialect_bills_on() of the
	 * request's dialect counts. */
	bool bills_on;
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
	/* on a joined route: the condition for callers that have the server. It reads the caller,
	 * the request's head and the time. NULL: all callers have it */
	const struct cel_program *when;
	const struct price_list *prices; /* NULL: no list fits, see policy_price() */
	const struct yaml_node *at;
};

/* Returns true if the target has this name: PROVIDER or PROVIDER/MODEL. */
bool policy_target_is(const struct target *t, const char *name);

#endif
