/* A gate that follows a script. The test sets its decisions, and the gate records what the
 * relay reports. Like the real gate, it calls back in a later turn of the loop. */
#ifndef SCENARIO_FAKE_GATE_H
#define SCENARIO_FAKE_GATE_H

#include <ev.h>
#include <stdlib.h>

#include "answer/guard/guard.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/relay.h"

struct exchange {
	struct gate *gate;
	struct exchange_plan plan;
	struct exchange *next;
	struct gate_claim *claim;
	ev_timer later;
	void (*verdict)(void *arg, const struct exchange_denial *denial);
	void (*done)(void *arg, int err);
	void *arg;
	struct exchange_denial denial;
	struct buf seen; /* all bytes given to gate_body_bytes() or gate_body() */
	struct buf own;	 /* memory for `scripted` */
	bool seen_last;
	size_t held;
	int refused; /* the status passed to gate_refuse() */
	const char *refused_code;
	bool finished, freed;
	unsigned sent, heard;
	bool heard_streamed;
	struct guard *guard;
	bool aside; /* a helper has the guard */
	void (*run)(void *arg), (*back)(void *arg);
	void *aside_arg;
	/* gate_again(): number of calls, how the last attempt ended, and its error document */
	unsigned agains, stood;
	bool timed; /* gate_stands(): the request was sent whole before the response */
	struct attempt_end end;
	struct buf document;
	void (*again)(void *arg, enum again what);
	struct exchange_result result;
};

struct gate {
	struct ev_loop *loop;
	/* the script */
	int claim_err;
	double claim_s, verdict_s, finish_s;
	bool helps; /* if set, long responses are read by a helper after `help_s`: */
	double help_s;
	const struct vault
		*vault; /* responses are restored from this vault; NULL: they are metered */
	bool messages;	/* responses are MCP messages */
	bool hide_usage;
	bool usage_first;
	int finish_err;
	int body_err; /* result of the last gate_body_bytes() */
	bool deny;
	unsigned attempts; /* number of plans that are given; after that, `last` is reported */
	enum again last;
	double again_s;
	size_t hold_cap;
	struct exchange_plan plan;
	struct span fields; /* result of gate_response_fields() */
	void (*scripted)(
		struct exchange *x); /* sets the plan of an exchange; NULL: g->plan is used */
	void (*before_claimed)(
		void *arg); /* called before the claim is answered; NULL: not called */
	void *before_arg;
	struct http_field head[8];
	/* state of the exchanges */
	struct exchange *exchanges; /* newest first; kept until fake_free() */
	size_t claims, opened, finishes, asides;
};

/* Prepares a gate whose exchanges copy bodies and have a deadline of a minute. */
void fake_init(struct gate *g, struct ev_loop *loop);

/* Frees all exchanges and stops their timers. */
void fake_free(struct gate *g);

/* A value of claim_s, verdict_s and finish_s: wait until gate_release(). */
#define HELD_S 3600

/* Answers what the newest exchange waits for, in the next turn. */
void gate_release(struct gate *g);

/* The timer of a helper: calls `run` and then `back`. */
void fake_helped(struct ev_loop *loop, ev_timer *w, int events);

#endif
