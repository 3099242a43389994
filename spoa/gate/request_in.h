/* What came in with a request, how it reads, and what is in its texts: the parts of struct
 * request that go when the relay takes it over. */
#ifndef GATE_REQUEST_IN_H
#define GATE_REQUEST_IN_H

#include "base/caps.h"
#include "base/codec/http.h"
#include "base/sha256.h"
#include "gate/overlay.h"
#include "gate/sources/recognize.h"
#include "scan/text/inner.h"
#include "scan/text/needles.h"

struct external_job;
struct file;
struct files_job;
struct mention_job;
struct placeholders;

/* What an external recognizer's part in a decision was. */
struct recognition {
	const struct external *x;
	enum ask_outcome outcome; /* the worst of its calls */
	enum outcome applied;	  /* where it did not answer */
	size_t texts, cached;	  /* asked about; of them remembered */
	uint64_t us;
};

/* Messages of a WebSocket that went without a record of their own, since they only add to a
 * turn and nothing was in them: the session's next record names them. */
struct messages_joined {
	struct message_joined {
		int64_t at_ns;
		size_t bytes;
		double injection;
		const char *rule; /* the policy's; "": none matched */
		unsigned char hmac[SHA256_BYTES];
	} v[CAP_SOCKET_JOINED];
	size_t n;
	bool closed; /* media came: a provider may answer what nobody asked */
};

enum body_state {
	BODY_STATE_NONE,   /* proved absent */
	BODY_STATE_WHOLE,  /* in.raw is all of it */
	BODY_STATE_PARTIAL /* cut, chunked or without length: the relay's */
};

/* What came in and how it reads. Borrows the SPOE frame or the relay's buffer, and
 * the arena: request_let_go() drops it at once. */
struct request_in {
	struct http_head head;
	struct span src;	 /* text form of the client's address */
	struct span certificate; /* the client's, DER */
	bool certificate_refused;
	bool ended;		 /* its end was seen with what came */
	bool socket; /* it asks for a WebSocket, and for nothing else */
	/* A message of one: that of a turn, whose answer costs; or one that only adds to it. */
	enum { NO_MESSAGE, MESSAGE_OF_TURN, MESSAGE_ALONE } message;
	struct span session, session_model; /* the handshake's id, and its model */
	struct messages_joined *joined;	    /* the session's */
	/* the session's placeholders (placeholders_open()), which outlive the message; NULL: it
	 * has numbers of its own */
	struct placeholders *placeholders;
	struct message_refusal {
		int status; /* 0: nothing does */
		const char *code, *why;
	} refused; /* what refuses the message, whatever it says */
	bool trailers;		 /* some may come after the body */
	struct span prefix;	 /* where `body_raw` is not known to be whole: what came */
	struct span host;	 /* lower case, without port */
	struct span origin;	 /* of the page that asks, where HAProxy has it in its list */
	bool origin_told;	 /* HAProxy's file says whether it has */
	struct span coding;	 /* Content-Encoding where it is not identity */
	int64_t declared_length; /* Content-Length; -1: none */
	enum body_state body_state;
	struct span body_raw; /* as it arrived, possibly encoded */
	struct span raw;      /* the decoded body */
	struct body body;
	bool have_body;	      /* *body is valid */
	bool unreadable;      /* permitted as such */
	struct unread unread; /* of target and body */
	struct span *media;   /* prompt.media */
	size_t nmedia, media_room;
	struct file *files; /* of the body, by body.unread.media; NULL: it has none (gate/files) */
	size_t nfiles;
	uint32_t *file_of; /* by segment of the body: 1 + the file that says or holds it; 0: none */
	size_t said_bytes; /* that tollgate-extract answered */
	struct segment *target;
	size_t ntarget;
	struct needles credentials; /* the one that verified, plain and in digits */
	struct span asked_model;    /* where another is sent */
	struct span read_model;	    /* as it was read: body.model may be hidden, or another */
	struct span conversation;   /* as the body calls it */
};

/* What was found in its texts: all of it points into the segments of `in`, and is
 * dropped with them. */
struct request_scan {
	struct hit *hits;
	size_t nhits, hits_size;
	size_t target_done, body_done; /* segments */
	/* in the segment under way: next window, last finding */
	size_t from, end;
	/* where findings of the next count from; the last one's end */
	size_t keep, seen;
	struct inner inner; /* its text, where that is JSON */
	struct column_table *table; /* of a text of several windows; NULL: it has one */
	/* segments without an answer, for on_failure.classifier: redact */
	const struct segment **failed;
	size_t nfailed, failed_size;
	struct files_job *files;  /* files are being read */
	struct external_job *job; /* recognizers are being asked */
	struct hit *extra;	  /* what they found, in the order of classification */
	size_t nextra;
	struct mention_job *mentions; /* values that were found are being looked for */
	/* what is redacted, further mentions too; hits: malloc */
	struct overlay overlay;
	struct recognition *recognitions;
	size_t nrecognitions;
};

#endif
