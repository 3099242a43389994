/* What gate and relay tell each other of an exchange: its plan, how it ended, what is answered
 * instead. */
#ifndef GATE_PLAN_H
#define GATE_PLAN_H

#include "base/codec/http.h"
#include "scan/dialect/dialect.h"
#include "scan/mcp/refusal.h"

/* Messages of denials that more than one place says. */
#define WHY_NOT_RECORDED "the decision cannot be recorded"
#define WHY_QUOTA_SILENT "the quota store does not answer, or takes no writes"

enum exchange_body {
	BODY_NONE, /* the request has no body */
	BODY_COPY, /* forward what arrives, as it arrives; report it with gate_body_bytes */
	BODY_SWAP, /* read and discard what arrives (its length is checked), send `body` instead
		    */
	BODY_DEFER, /* read it whole, then gate_body */
};

/* What the relay sends upstream. Views live as long as the exchange. */
struct exchange_plan {
	/* The head to send: caller's credentials, x-tollgate-*, hop-by-hop and
	 * framing fields are gone, x-tollgate-backend and the like are set. The
	 * relay adds Content-Length or Transfer-Encoding, nothing else. */
	struct http_head head;
	enum exchange_body body_mode;
	struct span body;	 /* BODY_SWAP */
	int64_t content_length;	 /* of the client's request as decided; -1: none declared */
	uint64_t body_cap_bytes; /* over it: gate_body_refused(413) */
	uint64_t deadline_us;	 /* monotonic: the whole exchange */
	bool reads_answer;	 /* gate_answer() is to be asked */
	/* of MCP: gate_session() makes the ids of answers, and what a server says of logging in
	 * goes no further */
	bool sessions;
	/* An event stream in answer has no end of its own: neither deadline_us nor the
	 * provider's silence ends it, and nothing of it waits for content. */
	bool stays;
	bool credential; /* the head has one of ours: gate_refused() is to be told */
	/* Another attempt may follow: gate_again() is asked of what fails before its first
	 * content; `holds`: until then nothing goes to the caller. Both end with gate_stands().
	 */
	bool asks, holds;
	bool doubts; /* `holds`: an error document is a failure whatever its status is */
	bool timed;  /* `waits` and overall_us may bound it, before and after that */
	struct plan_waits {
		/* for the answer's head and a stream's first content, since the request's last
		 * byte went; between bytes of a stream; 0: no bound of its own */
		uint64_t head_us, first_content_us, idle_us;
	} waits;
	uint64_t overall_us;	/* monotonic: until the first content; 0: none */
	unsigned retry_after_s; /* a target is back then, of AGAIN_UNAVAILABLE; 0: nobody knows
				 */
	bool unrecorded;	/* the decision could not be recorded: gate_refuse(503) */
	const struct dialect *dialect;
	const char *endpoint; /* its name in the dialect, or NULL */
	struct span id;	      /* the decision's public id, for errors of the relay's own */
	struct span document; /* of ours, the answer: nothing is sent upstream; empty: none */
	bool replays;	      /* gate_replay() has the answer: nothing is sent */
	const struct mcp_refusal
		*mcp; /* how a denial of the answer begins; NULL: not in JSON-RPC */
	bool listens; /* to MCP's subscriptions: its answer lasts */
	/* It asks for a WebSocket: a 101 is its answer, then messages of so many bytes at most;
	 * 0: it does not. */
	size_t socket_bytes;
	const char *subprotocol; /* that its caller is answered; NULL: none */
};

/* ---- sockets: what gate_message() says of one message ---- */

enum socket_goes {
	SOCKET_GOES,  /* whatever is to go on was said with `emit` */
	SOCKET_WAITS, /* `back` says so later; until then no other of this side is asked about
		       */
	SOCKET_ENDS,  /* as gate_socket_end() says */
};

struct socket_calls {
	/* A message goes, whole, to one of both sides; a view for the call. */
	void (*emit)(void *arg, bool to_client, bool binary, struct span message);
	/* What it waited for is here. Never inside gate_message(). */
	void (*back)(void *arg, bool from_client, enum socket_goes goes);
	void *arg;
};

struct socket_end {
	unsigned code;	 /* enum ws_code, to the client */
	bool denied;	 /* by the policy, or a limit */
	const char *why; /* a fixed phrase */
};

/* What to answer instead of forwarding. */
struct exchange_denial {
	int status;
	struct span body;   /* one JSON document */
	struct span fields; /* further header lines, each "name: value\r\n" */
};

enum exchange_end {
	END_COMPLETE, /* the provider's answer ended whole */
	END_CLIENT_ABORT,
	END_PROVIDER_ABORT, /* cut, timeout or protocol error after it was sent */
	END_NEVER_SENT,	    /* no byte of it reached the provider */
	END_DENIED,	    /* after gate_body or gate_refuse denied */
	END_ANSWER_DENIED,  /* by a rule, or since it could not be read */
	END_RULED,	  /* HAProxy answered by itself, by a person's rule: nothing was sent */
	END_ANSWER_RULED, /* the same, in place of the provider's answer */
};

struct exchange_result {
	enum exchange_end end;
	int status;	   /* the provider's; 0: none */
	bool output_begun; /* body bytes of a 2xx were seen */
	uint64_t response_bytes;
	struct usage usage;
	const char *why;  /* a fixed phrase for aborts; NULL */
	const char *code; /* of the relay's error that was answered, or would have been; NULL */
	uint64_t asked_us; /* the wait that an error of the provider's asks for; 0: none */
};

/* How an attempt ended that another may follow. All of it lasts for the call. */
struct attempt_end {
	struct exchange_result result;
	enum attempt_said {
		ATTEMPT_ANSWERED,   /* by the provider */
		ATTEMPT_NEVER_SENT, /* no byte of it can have reached the provider */
		ATTEMPT_CUT, /* by no one, or HAProxy in its place: it may have been billed */
	} said;
	/* the answer's error, as far as it came: dialect_refusal() */
	struct span type, document;
	bool broke_early; /* a kept connection, right after the request */
};

/* What the relay does about it. */
enum again {
	AGAIN_GOES,	  /* the plan is another: send that */
	AGAIN_STAYS,	  /* this is the last one: what it answered, or the relay's own error */
	AGAIN_UNAVAILABLE /* likewise, and its answer is nobody's but ours: 503 */
};

#endif
