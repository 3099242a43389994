/* The messages between gate and relay about an exchange: its plan, how it ended, and the
 * document that the client receives instead of a response. */
#ifndef GATE_PLAN_H
#define GATE_PLAN_H

#include "base/codec/http.h"
#include "gate/auth/caller_token.h"
#include "scan/dialect/dialect.h"
#include "scan/mcp/refusal.h"

/* Messages of denials that more than one place uses. */
#define WHY_NOT_RECORDED "the gateway cannot record its decision; retry later"
#define WHY_QUOTA_SILENT                                                                       \
	"the gateway cannot count this request, because Redis does not respond or refuses "    \
	"writes; retry later"

enum exchange_body {
	BODY_NONE,  /* no body */
	BODY_COPY,  /* forward the body as it arrives; report it with gate_body_bytes() */
	BODY_SWAP,  /* discard the body (its length is checked), and send `body` instead */
	BODY_DEFER, /* read the whole body, then call gate_body() */
};

/* The request that the relay sends upstream. Views live as long as the exchange. */
struct exchange_plan {
	/* The head to send. The caller's credentials, x-tollgate-*, hop-by-hop and framing
	 * fields are removed; x-tollgate-backend and the like are set. The relay adds only
	 * Content-Length or Transfer-Encoding. */
	struct http_head head;
	enum exchange_body body_mode;
	struct span body;	 /* the body to send, for BODY_SWAP */
	int64_t content_length;	 /* Content-Length of the client's request as decided; -1:
				  * none declared */
	uint64_t body_cap_bytes; /* above it: gate_body_refused(413) */
	uint64_t deadline_us;	 /* monotonic: end of the whole exchange */
	bool reads_answer;	 /* the relay must call gate_answer() */
	/* MCP: gate_session() makes the session ids of responses, and a server's challenges to
	 * log in are removed */
	bool sessions;
	/* gate_lead() changes the provider's URLs in the fields of the response's head */
	bool leads;
	/* An event stream in the response has no end of its own: neither deadline_us nor
	 * silence of the provider ends it, and no part of it waits for content. */
	bool stays;
	/* the head has the gateway's credential: the relay reports a refusal with
	 * gate_refused() */
	bool credential;
	/* asks: another attempt may follow, and the relay calls gate_again() if this one fails
	 * before its first content. holds: until then the client receives nothing. Both end
	 * with gate_stands(). */
	bool asks, holds;
	bool doubts; /* with `holds`: an error document is a failure even if its status is 200
		      */
	bool timed;  /* `waits` and overall_us apply */
	struct plan_waits {
		/* Limits in µs; 0: none. For the response's head and for a stream's first
		 * content, both from the request's last byte; and between bytes of a stream */
		uint64_t head_us, first_content_us, idle_us;
	} waits;
	uint64_t overall_us; /* monotonic: until the first content; 0: none */
	/* AGAIN_UNAVAILABLE: when a target is expected back; 0: unknown */
	unsigned retry_after_s;
	/* the decision could not be recorded: the relay calls gate_refuse(503) */
	bool unrecorded;
	/* the provider is called with the caller's own token, and there is none: the relay refuses
	 * the request, and sends it nowhere else */
	struct plan_refused {
		enum caller_token_end end;
		const char *why;
		struct span challenge; /* WWW-Authenticate; empty: none */
	} refused;
	const struct dialect *dialect;
	const char *endpoint; /* the endpoint's name in the dialect, or NULL */
	struct span id;	      /* the decision's public id, for the relay's own errors */
	/* the gateway's own response: nothing is sent upstream; empty: none */
	struct span document;
	/* its status, with further fields, each with its line's end; 0: 200 if there is a
	 * document. With a status, the document may be empty. */
	int own_status;
	struct span own_fields;
	bool replays; /* gate_replay() has the response: nothing is sent upstream */
	/* how a denial of the response begins, for JSON-RPC; NULL: not JSON-RPC */
	const struct mcp_refusal *mcp;
	bool listens; /* MCP's subscriptions/listen: the response stays open */
	/* A WebSocket: the response is a 101, followed by messages of at most this many bytes;
	 */
	size_t socket_bytes;
	const char *subprotocol; /* subprotocol in the 101 response; NULL: none */
};

/* Returns true if the gateway responds itself, and nothing is sent upstream. */
static inline bool
plan_responds(const struct exchange_plan *p)
{
	return p->document.n || p->own_status;
}

/* ---- WebSockets: the result of gate_message() for one message ---- */

enum socket_goes {
	SOCKET_GOES, /* forward: `emit` was called for each message to send */
	/* `back` reports the result later; the relay gives no other message of this side before
	 * that */
	SOCKET_WAITS,
	SOCKET_ENDS, /* close, as gate_socket_end() describes */
};

struct socket_calls {
	/* Sends one whole message to one of the two sides. `message` is a view that lasts for
	 * the call. */
	void (*emit)(void *arg, bool to_client, bool binary, struct span message);
	/* The result of a waiting message. Never called inside gate_message(). */
	void (*back)(void *arg, bool from_client, enum socket_goes goes);
	void *arg;
};

/* How a WebSocket is closed. */
struct socket_end {
	unsigned code;	 /* enum ws_code, sent to the client */
	bool denied;	 /* the policy or a limit denied the message */
	const char *why; /* a constant */
};

/* The document that the client receives instead of a forwarded request or response. */
struct exchange_denial {
	int status;
	struct span body;   /* one JSON document */
	struct span fields; /* further header lines, each "name: value\r\n" */
};

enum exchange_end {
	END_COMPLETE, /* the provider's response ended whole */
	END_CLIENT_ABORT,
	END_PROVIDER_ABORT, /* cut, timed out or broken after the request was sent */
	END_NEVER_SENT,	    /* no byte reached the provider */
	END_DENIED,	    /* gate_body() or gate_refuse() denied */
	END_ANSWER_DENIED,  /* a rule denied the response, or it could not be read */
	END_RULED,	    /* HAProxy replied by its own rule: nothing was sent */
	/* HAProxy replied by its own rule in place of the provider's response */
	END_ANSWER_RULED,
};

struct exchange_result { /* copied by the gate */
	enum exchange_end end;
	int status;	   /* the provider's status; 0: none */
	bool output_begun; /* body bytes of a 2xx were seen */
	uint64_t response_bytes;
	struct usage usage;
	const char *why; /* a constant, for aborts; NULL: none */
	/* code of the relay's own error that was sent, or would have been; NULL: none */
	const char *code;
	uint64_t asked_us; /* wait in µs that the provider's error asks for; 0: none */
};

/* How an attempt ended that another may follow. All of it is valid for the call only. */
struct attempt_end {
	struct exchange_result result;
	enum attempt_said {
		ATTEMPT_ANSWERED,   /* the provider responded */
		ATTEMPT_NEVER_SENT, /* certainly no byte reached the provider */
		ATTEMPT_CUT, /* no response, or HAProxy's own: the provider may have billed it
			      */
	} said;
	/* type and document of the error response, as far as it arrived: dialect_refusal() */
	struct span type, document;
	struct span coding; /* Content-Encoding of the document; empty: none */
	bool broke_early; /* a reused connection closed right after the request was sent */
};

/* The relay's action after a failed attempt. */
enum again {
	AGAIN_GOES, /* the plan was replaced: send it */
	/* no further attempt: pass the response on, or send the relay's own error */
	AGAIN_STAYS,
	/* no further attempt, and the response must not be passed on: send 503 */
	AGAIN_UNAVAILABLE
};

#endif
