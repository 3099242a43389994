/* The parts of struct request_found that gate/limits/ fills: the amounts of limits that a request
 * takes, its fit to the target, and changes that limits and rules made to it. They are declared
 * here and not in limits/, because that folder is above the request. Other folders only read
 * them, with two exceptions: request_estimate_tokens() clears by_bytes before it counts again,
 * and request_let_go() drops the parts that point into the freed arena. */
#ifndef GATE_REQUEST_LIMITS_H
#define GATE_REQUEST_LIMITS_H

#include "answer/translate/request.h"
#include "base/sha256.h"
#include "base/tokens/estimate.h"
#include "policy/verdict/decide.h"

struct limit;
struct limit_change;
struct ranks;
struct splice;

/* tokens.c: the prompt's tokens, before the learned correction. */
struct found_tokens {
	int64_t mean, most; /* expected, and upper bound */
	uint64_t key;	    /* key of the learned correction */
	/* the count is not exact: another vocabulary, tools or media */
	bool estimated;
	/* by_bytes: not counted; at most `bound` tokens (one a byte) are reserved. bound 0: the
	 * bound was accepted, or replaced by a count */
	bool by_bytes;
	int64_t bound;
	bool late; /* counted after the reservation, at the end */
};

/* tokens.c: a prompt reserved by its bytes: its segments, and the rest of its count. Counted at
 * the end if the response reports no usage. */
struct found_texts {
	struct span *text;
	size_t n;
	struct token_sum rest;
};

/* fit.c: the prompt's tokens by script, counted to compare with context windows. */
struct found_fit {
	const struct ranks *by; /* the vocabulary; NULL: estimated */
	bool known;		/* false: not counted yet */
	uint64_t tokens[TEXT_SCRIPTS];
	/* the largest window that a provider reported as exceeded; 0: none */
	uint64_t passed;
};

/* step_pins.c: the target at which an object that the request names or contains was made. */
struct found_pin {
	bool asked; /* looked up, on a route with several targets */
	/* a later request may refer to the response by its id; set while the body is present */
	bool turn_is_kept;
	unsigned char who[SHA256_BYTES]; /* hash that names the caller */
	const struct target *to;	 /* NULL: any target, or not known */
	bool seals; /* only signed or sealed reasoning binds the request to `to` */
	bool drops; /* that reasoning is removed, because `to` is unavailable */
};

/* dims.c: the policy's limits that apply to this run and model. In the arena. */
struct found_limits {
	struct policy_limit_hit *hit;
	size_t n, nall;	     /* nall: including those of the API key */
	struct span model;   /* model for which these were collected */
	bool known, resumed; /* collected, and in the second run */
};

/* dims.c: cost of a batch's input file, or of all files of a batch job. */
struct found_file {
	enum { FILE_NONE, FILE_ASKED, FILE_KNOWN, FILE_UNKNOWN } state;
	uint64_t input_tokens, output_tokens, nanousd; /* nanousd 0: no price */
	/* remembered for the job instead of charged */
	bool kept;
};

/* fallback.c: at_limit or at_soft of a limit, once applied. */
struct found_fell {
	const struct limit *limit; /* NULL: none was applied */
	const struct limit_change *change;
	bool soft;
	/* the limit's amount, if the request was let past it; else 0 */
	uint64_t amount;
};

/* target_form.c: the translation into the target's form. */
struct found_form {
	enum form from, to;
	/* the target's form cannot hold the request: `made` has the field and the reason */
	bool refused;
	/* refused because the request names a thread, and the target keeps none */
	bool thread;
	struct translated_request made;
};

/* offered.c: tools in the request that rules hide, for this attempt. */
struct found_offer {
	struct splice *cut; /* edits that remove them, in the arena */
	size_t ncuts, hidden;
	const struct rule *by; /* the first rule that hides a tool; NULL: none */
	/* the tools as listed to the caller, in the arena; only if the body is one request */
	struct tools_told told;
};

#endif
